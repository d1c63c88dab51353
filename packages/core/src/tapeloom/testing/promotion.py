"""The check of promotion: the dtype that two operands give, and the dtypes of their gradients."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import dtypes, host
from tapeloom.dtypes import DType
from tapeloom.tensors.tensor import Tensor
from tapeloom.testing.table import Row, expected_dtype


def check_promotion(row: Row, device: Any) -> None:
    """Mixed dtypes of two tensors, a 0-d tensor, a Python number: the result's dtype by PyTorch's rules."""
    full, scalar = [1, 2], 2
    lacking = tl.get_backend(tl.device(device).type).lacking_dtypes
    kinds = [kind for kind in row.dtypes if kind not in lacking]
    pairs = [
        (a, b)
        for a, b in (
            ("int64", "float32"),
            ("float32", "float64"),
            ("bool", "uint8"),
            ("int8", "uint8"),
            ("int32", "int64"),
            ("float16", "bfloat16"),
            ("float64", "complex64"),
        )
        if tl.dtypes.as_dtype(a) in kinds and tl.dtypes.as_dtype(b) in kinds
    ]
    for a, b in pairs:
        for left, right in ((a, b), (b, a)):
            x, y = tl.tensor(full, dtype=left, device=device), tl.tensor(full, dtype=right, device=device)
            _has_dtype(row, (x, y), dtypes.promote_types(x.dtype, y.dtype))
            zero_d = tl.tensor(scalar, dtype=right, device=device)
            weak = dtypes.weak_result(x.dtype, [y.dtype])
            _has_dtype(row, (x, zero_d), weak)
            _has_dtype(row, (zero_d, x), weak)
            if row.grad and x.dtype.inexact and y.dtype.inexact:
                _gradients_cast_back(row, x, y)
    if dtypes.float16 in kinds:
        x = tl.tensor(full, dtype="float16", device=device)
        _has_dtype(row, (x, 2), dtypes.float16)
        _has_dtype(row, (x, 2.5), dtypes.float16)
    if dtypes.complex64 in kinds:
        x = tl.tensor(full, dtype="float64", device=device)
        _has_dtype(row, (x, 2j), dtypes.complex128)
    if dtypes.int16 in kinds:
        x = tl.tensor(full, dtype="int16", device=device)
        _has_dtype(row, (x, 2), dtypes.int16)
        if dtypes.float32 in kinds:
            _has_dtype(row, (x, 2.5), dtypes.float32)


def _gradients_cast_back(row: Row, x: Tensor, y: Tensor) -> None:
    without = [number for number, spec in enumerate(row.cases[0].inputs()) if not spec.grad]
    x, y = x.requires_grad_(0 not in without), y.requires_grad_(1 not in without)
    total = row.call(x, y).sum()
    total.backward(tl.ones_like(total))
    for tensor in (x, y):
        if tensor.grad is not None:
            held = tensor.grad.numpy(force=True).dtype
            assert held == host.native(tensor.dtype), (
                f"{row.name} of {x.dtype.name} and {y.dtype.name}: the gradient of the {tensor.dtype.name} tensor holds {held}."
            )


def _has_dtype(row: Row, operands: tuple[Any, Any], promoted: DType) -> None:
    got = row.call(*operands)
    want = expected_dtype(row.gives, promoted)
    names = " and ".join(o.dtype.name + str(list(o.shape)) if isinstance(o, Tensor) else repr(o) for o in operands)
    assert got.dtype is want, f"{row.name} of {names}: the result is {got.dtype.name}, {want.name} was expected."
