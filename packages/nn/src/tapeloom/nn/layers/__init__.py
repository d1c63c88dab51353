"""The layers, one file a family, which lists its layers in `__all__`."""
