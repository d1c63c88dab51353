"""Every row of the table beside PyTorch: the same samples, values, shapes, dtypes and gradients."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.testing import checks
from tapeloom.testing.table import load

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
sys.path.insert(0, str(Path(__file__).parent))
import torch_side  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own
TABLE = load()
#: how PyTorch says that it lacks a kernel for a dtype: there ours is an extra
EXTRA = ("not implemented for", "does not support", "Promotion for uint16, uint32, uint64 types is not supported")
#: … or where tensors of several dtypes meet, which ours promotes
MIXED = ("must have the same dtype", "Input dtypes must be the same")
ROWS = [row for row in TABLE.values() if row.name not in torch_side.OURS]


@pytest.mark.parametrize("row, dtype", [pytest.param(r, d, id=f"{r.name}-{d.name}") for r in ROWS for d in r.dtypes])
def test_values(row, dtype):
    for case in row.cases_for(dtype):
        if (str(case), dtype.name) in torch_side.DIFFERENT:
            continue
        try:
            their = torch_side.Run(case, dtype, needs=False).results
        except (RuntimeError, NotImplementedError, IndexError, ValueError, TypeError) as error:
            if str(case) in torch_side.TAKEN or any(part in str(error) for part in EXTRA + MIXED):
                continue  # an extra of ours
            raise AssertionError(
                f"{case} for {dtype.name}: PyTorch refuses it: {type(error).__name__}: {error}"
            ) from error
        args, kwargs = case.arguments(dtype)
        ours = checks.called(row, args, kwargs, "cpu", dtype)
        assert len(ours) == len(their), f"{case}: {len(ours)} results against {len(their)} of PyTorch"
        for number, (mine, reference) in enumerate(zip(ours, their, strict=True)):
            if not isinstance(reference, torch.Tensor):
                assert mine == reference
                continue
            name = str(reference.dtype).removeprefix("torch.")
            assert mine.dtype.name == name, f"{case} for {dtype.name}: {mine.dtype.name}, and {name} in PyTorch"
            assert mine.shape == tuple(reference.shape), (
                f"{case} for {dtype.name}: {mine.shape}, {tuple(reference.shape)} in PyTorch"
            )
            where = f"{case} for {dtype.name} beside PyTorch"
            checks.compare_values(where, mine.dtype, mine, torch_side.host(reference), row, args, kwargs, number, 2)


REFUSED = [row for row in ROWS if row.op is not None and row.op.dtype_rule.complex is None and not row.maker]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in REFUSED])
def test_pytorch_refuses_complex_numbers_too(row):
    with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
        torch_side.Run(row.cases[0], tl.complex64, needs=True).gradients()


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if row.grad])
def test_gradients(row):
    for case, dtype in checks.gradient_cases(row):
        if str(case) in torch_side.TAKEN or (row.name, dtype.name) in torch_side.WITHOUT_GRADIENT:
            continue
        run = torch_side.Run(case, dtype, needs=True)
        function, tensors = checks.function_of(case, "cpu", dtype)
        ours = gradients(function, tensors)
        for number, (mine, reference) in enumerate(zip(ours, run.gradients(), strict=True)):
            if reference is None or mine is None:
                nothing = (mine is None or not mine.any()) and (reference is None or not reference.any())
                assert nothing, f"{case}: input {number} gets {mine}, and {reference} in PyTorch"
                continue
            np.testing.assert_allclose(
                mine,
                reference,
                rtol=1e-7,
                atol=1e-11,
                err_msg=f"{case} for {dtype.name}: the gradient of input {number}",
            )


def gradients(function, tensors):
    total = 0
    for number, out in enumerate(function(*tensors)):
        if out.requires_grad:
            weights = torch_side.weights(out.shape, number, out.is_complex())
            total = total + (out * tl.tensor(weights, dtype=out.dtype)).sum().real
    if isinstance(total, tl.Tensor):
        total.backward()
    return [None if tensor.grad is None else tensor.grad.numpy() for tensor in tensors]
