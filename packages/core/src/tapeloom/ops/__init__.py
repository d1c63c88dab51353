"""The ops, by family: each is a signature, a docstring and a gradient. The kernels are the backends'."""
