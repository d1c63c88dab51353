"""Where numbers are computed: what core asks of a backend, the shared kernels, how plugins are found."""
