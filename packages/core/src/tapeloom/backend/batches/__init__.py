"""vmap as a runtime: its arrays are batches that look like one sample, its kernels the shared ones over such arrays.

``array``: the batch of arrays. ``functions``: the Array API for batches, by classes of functions. ``runtime``: the
kernels and the backend. Since the shared kernels are written over the Array API alone, they run on batches as they stand: no
op needs a rule of its own, gradients included, and a batch of batches is one more such runtime.
"""
