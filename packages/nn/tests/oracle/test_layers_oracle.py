"""Every layer beside PyTorch's: keys, shapes, printed form, values, gradients in training and evaluation, refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
sys.path.insert(0, str(Path(__file__).parents[1]))
from layer_rows import ROWS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def ours(value):
    return tl.tensor(value) if isinstance(value, np.ndarray) else value


def theirs(value):
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def pair(row):
    """Our layer and PyTorch's with the same values, in float64."""
    tl.manual_seed(0)
    mine = row.make(nn, lambda values: tl.tensor(values, dtype=tl.float64)).double()
    twin = row.make(torch.nn, lambda values: torch.tensor(values, dtype=torch.float64)).double()
    twin.load_state_dict({key: torch.tensor(value.numpy()) for key, value in mine.state_dict().items()})
    return mine, twin


def tensors(output):
    """The tensors of a result, in order."""
    if output is None:
        return []
    return [each for part in output for each in tensors(part)] if isinstance(output, tuple) else [output]


def close(mine, twin):
    np.testing.assert_allclose(mine.detach().numpy(), twin.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ROWS)
def test_keys_shapes_and_printed_form(name):
    mine, twin = pair(ROWS[name])
    described = [(key, tuple(value.shape)) for key, value in mine.state_dict().items()]
    assert described == [(key, tuple(value.shape)) for key, value in twin.state_dict().items()]
    assert repr(mine) == repr(twin).replace("NonDynamicallyQuantizableLinear", "Linear")
    assert [key for key, _ in mine.named_parameters()] == [key for key, _ in twin.named_parameters()]
    assert [key for key, _ in mine.named_modules()] == [key for key, _ in twin.named_modules()]


def called(row, layer, convert):
    """The results of a layer, and the floating inputs, of which those with a gradient are not leaves."""
    arrays, named = row.arrays()
    leaves = [convert(value) for value in arrays]
    floating = [leaf for leaf in leaves if leaf.is_floating_point()]
    if "Loss" in row.name:
        floating = floating[:1]
    for leaf in floating:
        leaf.requires_grad_()
    inputs = [leaf * 1 if leaf.requires_grad else leaf for leaf in leaves]  # a leaf cannot be changed in place
    return tensors(layer(*inputs, **{key: convert(value) for key, value in named.items()})), floating


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients(name, training):
    row = ROWS[name]
    mine, twin = pair(row)
    mine.train(training)
    twin.train(training)
    if row.random and training:
        outputs, _ = called(row, mine, ours)
        expected, _ = called(row, twin, theirs)
        assert [tuple(each.shape) for each in outputs] == [tuple(each.shape) for each in expected]
        return
    for _ in range(2):  # twice, so that running statistics count
        outputs, leaves = called(row, mine, ours)
        expected, twins = called(row, twin, theirs)
        assert len(outputs) == len(expected)
        total, reference = 0.0, 0.0
        rng = np.random.default_rng(1)
        for output, other in zip(outputs, expected, strict=True):
            close(output, other)
            if output.requires_grad:
                weights = rng.normal(size=tuple(output.shape))
                total = total + (output * ours(weights)).sum()
                reference = reference + (other * theirs(weights)).sum()
        if isinstance(total, float):
            continue
        total.backward()
        reference.backward()
        for leaf, other in zip(leaves, twins, strict=True):
            close(leaf.grad, other.grad)
    for (key, parameter), other in zip(mine.named_parameters(), twin.parameters(), strict=True):
        assert (parameter.grad is None) == (other.grad is None), key
        if parameter.grad is not None:
            close(parameter.grad, other.grad)
    for key, value in mine.state_dict().items():
        close(value, twin.state_dict()[key])
