"""The rows of the layers on each device: shapes as on the CPU, finite gradients in every parameter, and second order."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.testing import gradcheck

sys.path.insert(0, str(Path(__file__).parent))
from layer_rows import ROWS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # what makes little sense, but is allowed
#: one row a family: the others differ in settings, or in the number of axes, which the device does not see
FIRST = {row.name.rstrip("123d"): key for key, row in reversed(ROWS.items())}


def tensors(output):
    if output is None:
        return []
    return [each for part in output for each in tensors(part)] if isinstance(output, tuple) else [output]


def made(row, device, dtype=tl.float32):
    """The layer of a row, and its inputs."""
    tl.manual_seed(0)
    layer = row.make(nn, lambda values: tl.tensor(values, dtype=dtype)).to(dtype).to(device)

    def given(value):
        if not isinstance(value, np.ndarray):
            return value
        return tl.tensor(value, device=device, dtype=dtype if value.dtype == float else None)

    arrays, named = row.arrays()
    return layer, [given(value) for value in arrays], {name: given(value) for name, value in named.items()}


@pytest.mark.parametrize("name", FIRST)
def test_a_layer_runs_on_each_device(name, device):
    row = ROWS[FIRST[name]]
    layer, inputs, named = made(row, device)
    outputs = tensors(layer(*inputs, **named))
    twin, twins, others = made(row, "cpu")
    expected = tensors(twin(*twins, **others))
    assert [each.device for each in outputs] == [inputs[0].device] * len(outputs)
    assert [(each.shape, each.dtype) for each in outputs] == [(each.shape, each.dtype) for each in expected]
    if not row.random:
        for output, other in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(output.numpy(force=True), other.numpy(force=True), rtol=1e-4, atol=1e-5)
    differentiable = [each for each in outputs if each.requires_grad]
    if not differentiable:
        return
    sum(each.sum() for each in differentiable).backward()
    for key, parameter in layer.named_parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all()), key


@pytest.mark.parametrize(
    "key",
    [
        "Bilinear(3, 4, 5)",
        "ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)",
        "LSTM(3, 4, 2, bidirectional=True, proj_size=2)",
        "GRUCell(3, 4)",
        "MultiheadAttention(6, 2)",
        "AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0, head_bias=True)",
    ],
)
def test_gradients(key):
    layer, inputs, named = made(ROWS[key], "cpu", tl.float64)
    leaves = [each.requires_grad_() for each in inputs if each.is_floating_point()]
    rest = inputs[len(leaves) :]
    assert gradcheck(lambda *leaves: tensors(layer(*leaves, *rest, **named))[0], tuple(leaves))
