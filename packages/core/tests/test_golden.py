"""What PyTorch computed for the samples, recorded by oracle/record.py: values and gradients, without PyTorch."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import tapeloom as tl
from tapeloom.testing import checks
from tapeloom.testing.table import load

FILE = Path(__file__).parent / "golden" / "torch.safetensors"
GOLDEN = load_file(FILE)
with safe_open(FILE, framework="np") as _file:
    TAKEN = json.loads(_file.metadata()["taken"])  # calls that PyTorch refuses
TABLE = load()
CASES = 2  # as in oracle/record.py


class Reader:
    """Takes arrays one after the other from the flat recording of a row."""

    def __init__(self, name: str) -> None:
        self.flat = GOLDEN[name]
        self.place = 0

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        start, self.place = self.place, self.place + math.prod(shape)
        return self.flat[start : self.place].reshape(shape).astype(np.float64)

    def pairs(self, shape: tuple[int, ...]) -> np.ndarray:
        """Complex numbers, whose parts stand side by side."""
        return self.take((*shape, 2)).view(np.complex128)[..., 0]


def weights(shape: tuple[int, ...], number: int, complex: bool) -> np.ndarray:
    """As in oracle/torch_side.py."""
    angles = np.arange(math.prod(shape)) * 0.25 + number
    return (np.exp(1j * angles) if complex else np.cos(angles)).reshape(shape)


def test_the_recording_is_small():
    assert FILE.stat().st_size < 500_000
    assert len(GOLDEN) > 180


@pytest.mark.parametrize("name", GOLDEN)
def test_row(name):
    row = TABLE[name]
    kind = next(kind for kind in (tl.float32, tl.int64, tl.bool_) if kind in row.dtypes)
    reader = Reader(name)
    for case in [case for case in row.cases_for(kind) if case.expect is None and str(case) not in TAKEN][:CASES]:
        gradients = bool(row.grad) and case.grad and kind.is_floating_point
        leaves, results = call(case, kind, reader)
        where = f"{case} beside the recording"
        for number, result in enumerate(results):
            want = reader.pairs(result.shape) if result.is_complex() else reader.take(result.shape)
            args, kwargs = case.arguments(kind)
            checks.compare_values(where, result.dtype, result.detach(), want, row, args, kwargs, number, 2)
        if not gradients:
            continue
        total = 0
        for number, out in enumerate([out for out in results if out.dtype.inexact]):
            if out.requires_grad:
                factors = tl.tensor(weights(out.shape, number, out.is_complex()), dtype=out.dtype)
                total = total + (out * factors).sum().real
        if isinstance(total, tl.Tensor):
            total.backward()
        for leaf in leaves:
            if leaf.grad is not None and leaf.grad.numpy().any():
                want = reader.take(leaf.shape)
                scale = max(1.0, float(np.abs(want).max(initial=0.0)))
                np.testing.assert_allclose(leaf.grad.numpy(), want, rtol=1e-4, atol=2e-5 * scale, err_msg=where)
    assert reader.place == reader.flat.size, (
        f"{name}: the recording has {reader.flat.size} numbers, {reader.place} were read"
    )


def call(case, kind, reader):
    """Run a case on the recorded inputs."""
    args, kwargs = case.arguments(kind)
    specs = case.inputs()
    leaves = []
    needs = bool(case.row.grad) and case.grad and kind.is_floating_point

    def there(value):
        recorded = reader.take(value.shape).astype(value.dtype)
        tensor = tl.tensor(recorded)
        spec = next(specs)
        if needs and spec.grad and spec.kind in "TV" and tensor.is_floating_point():
            leaves.append(tensor.requires_grad_())
        return tensor

    own = [checks.moved(item, there) for item in args]
    named = {name: checks.moved(item, there) for name, item in kwargs.items()}
    if case.row.maker:
        named = {"dtype": kind} | named
    result = case.row.call(*own, **named)
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    return leaves, [out for out in results if isinstance(out, tl.Tensor)]
