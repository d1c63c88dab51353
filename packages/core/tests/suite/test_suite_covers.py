"""No kernel and no gradient rule is left unproven: bend any one of them by a hundredth, and its row must notice."""

from __future__ import annotations

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.op.registry import REGISTRY
from tapeloom.testing import GradcheckError, checks
from tapeloom.testing.table import load
from tapeloom_backend_numpy.backend import NumpyBackend

TABLE = load()
#: rules whose gradient is 0, of which a hundredth is 0 as well: ops, and single inputs
FLAT = {"floor_divide", "trunc_divide", "sign", "floor", "ceil", "trunc", "round", "round_decimals", "counted_evenly"}
FLAT_INPUTS = {("copysign", 1), ("nextafter", 1)}
#: a cast to float32 rounds its differences away: see test_the_gradient_of_mixed_dtypes_comes_back_in_each_ones_own
ELSEWHERE = {"cast"}
RULES = [
    (name, slot)
    for name, op in REGISTRY.items()
    for slot in op.rules
    if name not in FLAT | ELSEWHERE and (name, slot) not in FLAT_INPUTS
]


def row_of(name):
    """The row of the op itself."""
    return TABLE[name]


def gradient_row_of(name):
    """The row by which its gradient is checked."""
    return TABLE["batch_norm_train[0]"] if name == "batch_norm_train" else row_of(name)


def bent(value):
    """``value`` a little off: a number by a hundredth, an integer by one, a bool the other way."""
    if isinstance(value, (tuple, list)):
        return tuple(bent(item) for item in value)
    value = np.asarray(value)
    if value.dtype == bool:
        return ~value
    if value.dtype.kind in "iu":
        return value + value.dtype.type(1)
    return value * value.dtype.type(1.01) + value.dtype.type(0.001)


@pytest.mark.parametrize("name", REGISTRY)
def test_kernel(name):
    op, backend = REGISTRY[name], NumpyBackend(np)
    kernel = getattr(backend.kernels, name)

    def planted(*arguments):
        result = kernel(*arguments)
        return (bent(result[0]), result[1]) if op.residuals else bent(result)

    setattr(backend.kernels, name, planted)
    tl.register_backend("bent", backend)
    try:
        row = row_of(name)
        dtype = tl.float32 if tl.float32 in row.dtypes else row.dtypes[-1]
        with pytest.raises(AssertionError):
            checks.check_values(row, dtype, "bent")
    finally:
        tl.unregister_backend("bent")


def scaled(value):
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        return type(value)(scaled(item) for item in value)
    return value * 1.01


@pytest.mark.parametrize("on_tensors", [False, True], ids=["first derivative", "second derivative"])
@pytest.mark.parametrize("name, slot", RULES, ids=[f"{name}-{'all' if slot is None else slot}" for name, slot in RULES])
def test_rule(name, slot, on_tensors, monkeypatch):
    """A rule that is wrong on raw arrays spoils first derivatives, one that is wrong on Tensors second ones."""
    op = REGISTRY[name]
    if on_tensors and op.composite:
        pytest.skip("second derivatives of a fused op come from its composite")
    rule = op.rules[slot]
    right = rule.function

    def wrong(g, *arguments):
        first = g[0] if isinstance(g, (tuple, list)) else g
        out = right(g, *arguments)
        return scaled(out) if isinstance(first, tl.Tensor) == on_tensors else out

    monkeypatch.setattr(rule, "function", wrong)
    op.invalidate()
    try:
        with pytest.raises(GradcheckError):
            checks.check_gradient(gradient_row_of(name), 1 + on_tensors, "cpu")
    finally:
        op.invalidate()
