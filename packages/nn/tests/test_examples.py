"""The examples in the docstrings."""

import doctest
import importlib
import pkgutil

import pytest

from tapeloom import nn, optim

MODULES = [
    info.name for package in (nn, optim) for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
