"""The samples, one file for each family of ops; see ``tapeloom.testing.table``."""
