"""Backends: the protocol, the shared kernels, and the discovery of plugins."""
