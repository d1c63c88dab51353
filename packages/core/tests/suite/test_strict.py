"""The conformance suite on array-api-strict: the shared kernels need the Array API standard, and nothing beyond it.

The library refuses what the standard does not have: NumPy's functions and methods, index arrays beside slices, writes at
index arrays, arithmetic on bools, slices beyond the end. The backend here is what the author of one over such a library writes.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import array_api_strict
import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend import arrayapi, kernels
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.kernels.elementwise import DIRECT, EXTRAS
from tapeloom.backend.kernels.standard import StandardKernels
from tapeloom.devices import Device
from tapeloom.op.registry import REGISTRY
from tapeloom.testing import Conformance, GradcheckError, checks
from tapeloom.testing.conformance import check_kernel
from tapeloom.testing.table import load

# the library computes with NumPy, which warns of log(0) and 1 / 0
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:array_api_strict")


class StrictKernels(StandardKernels):
    """All kernels but two are inherited."""

    def complex(self, real: Any, imag: Any) -> Any:
        parts = np.stack(np.broadcast_arrays(np.asarray(real), np.asarray(imag)), axis=-1)
        dtype = np.result_type(parts, np.complex64)
        return self.xp.asarray(parts.view(dtype)[..., 0])

    def bitcast(self, x: Any, dtype: tl.DType, size: tuple[int, ...]) -> Any:
        return self.xp.asarray(np.asarray(x).reshape(-1).view(dtype.name).reshape(size), copy=True)


class StrictBackend(ArrayAPIBackend):
    """The runtime: what is lacking, and the way to the host and back."""

    name = "strict"
    device_type = "strict"
    kernels_class = StrictKernels
    lacking_dtypes = frozenset({tl.float16, tl.bfloat16})

    def from_host(self, array: Any, device: Device) -> Any:
        return self.xp.asarray(array, copy=True)

    def to_host(self, array: Any) -> Any:
        return np.asarray(array)


class TestStrict(Conformance):
    device = "strict"

    @staticmethod
    def make_backend() -> StrictBackend:
        return StrictBackend(array_api_strict)


# the list of what is asked of ``xp`` is true


def test_the_shared_kernels_name_nothing_that_the_standard_lacks():
    named = {name for kernel, name in DIRECT.items() if kernel not in EXTRAS}
    for path in (Path(arrayapi.__file__), *Path(kernels.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("xp", "self.xp"):
                named.add(node.attr)
    assert {name for name in named if not hasattr(array_api_strict, name)} == set()


def test_a_dtype_that_is_lacking_must_be_declared():
    hasty = type("Hasty", (StrictBackend,), {"lacking_dtypes": frozenset()})
    with pytest.raises(TypeError) as caught:
        hasty(array_api_strict)
    assert str(caught.value) == (
        "Hasty: array_api_strict has no float16, bfloat16. "
        "List them in lacking_dtypes of Hasty, or let native_dtype of its kernels give them."
    )


class Older:
    """The library without one function."""

    def __getattr__(self, name: str) -> Any:
        if name == "hypot":
            raise AttributeError(name)
        return getattr(array_api_strict, name)


def test_a_function_that_is_lacking_is_a_kernel_that_is_lacking():
    backend = StrictBackend(Older())
    assert backend.lacks("hypot") and not backend.lacks("fmod")
    with pytest.raises(AssertionError, match=r"Give StrictKernels a method hypot\(self, input, other\)"):
        check_kernel(backend, REGISTRY["hypot"])


# the suite bites on this backend, too


def first_stays(self: Any, x: Any, key: Any, value: Any, how: str = "set", owned: bool = False) -> Any:
    """``at`` that takes what meets at one place in the wrong order."""
    return StandardKernels.at(self, x, key, value if how == "add" else self.flip(value, (0,)), how, owned)


def once(self: Any, x: Any, key: Any, value: Any, how: str = "set", owned: bool = False) -> Any:
    """``at`` that adds but one of those that meet at one place."""
    return StandardKernels.at(self, x, key, value + self.read(x, key) if how == "add" else value, "set", owned)


def written(self: Any, x: Any) -> Any:
    x[...] = -x
    return x


def unsummed(self: Any, x: Any, size: tuple[int, ...]) -> Any:
    return x if x.shape == size else self.xp.zeros(size, dtype=x.dtype)


@pytest.mark.parametrize(
    ("name", "faulty", "row", "dtype"),
    [
        ("exp", lambda self, x: self.xp.exp(x) * (1 + 1e-5), "exp", tl.float32),
        ("sqrt", lambda self, x: self.xp.sqrt(self.cast(x, tl.float64)), "sqrt", tl.float32),
        ("sum", lambda self, x, dim, keepdim=False: self.xp.sum(x, axis=dim, dtype=x.dtype), "sum", tl.float32),
        ("negative", written, "negative", tl.float32),
        ("logical_and", lambda self, x, y: self.cast(self.minimum(x, y), tl.bool), "logical_and", tl.float32),
        ("argmax_along", lambda self, x, dim, keepdim=False: self.argmin_along(x, dim, keepdim), "argmax", tl.bool),
        (
            "random_words",
            lambda self, seed, offset, n: StandardKernels.random_words(self, seed, 1, n),
            "rand",
            tl.float32,
        ),
        ("read", lambda self, x, key: StandardKernels.read(self, self.flip(x, (0,)), key), "gather", tl.int64),
        ("at", first_stays, "index_put", tl.float32),
        ("at", once, "index_add", tl.float32),
        ("reduce_to", unsummed, "multiply", None),
    ],
)
def test_a_planted_fault_is_seen(name: str, faulty: Any, row: str, dtype: Any) -> None:
    entry = load()[row]
    for planted in ({}, {name: faulty}):
        made = type("Planted", (StrictBackend,), {"kernels_class": type("Faulty", (StrictKernels,), planted)})
        tl.register_backend("strict", made(array_api_strict))
        try:
            if planted:
                with pytest.raises((AssertionError, GradcheckError)):
                    check(entry, dtype)
            else:
                check(entry, dtype)
        finally:
            tl.unregister_backend("strict")


def check(row: Any, dtype: Any) -> None:
    """Values in a dtype, or gradients."""
    if dtype is None:
        checks.check_gradient(row, 1, "strict")
    else:
        checks.check_values(row, dtype, "strict")
