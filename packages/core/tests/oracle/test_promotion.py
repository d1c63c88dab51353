"""Promotion pair by pair: two tensors, a tensor and a 0-d tensor, a tensor and a number."""

from __future__ import annotations

import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
NAMES = [dtype.name for dtype in tl.dtypes.ALL]


def name_of(tensor):
    return str(tensor.dtype).removeprefix("torch.")


@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("right", NAMES)
def test_every_pair(left, right):
    for x_shape in ((2,), ()):
        for y_shape in ((2,), ()):
            ours = tl.ones(x_shape, dtype=left) * tl.ones(y_shape, dtype=right)
            theirs = torch.ones(x_shape, dtype=getattr(torch, left)) * torch.ones(y_shape, dtype=getattr(torch, right))
            assert ours.dtype.name == name_of(theirs), (left, x_shape, right, y_shape)
    assert tl.promote_types(tl.dtypes.as_dtype(left), tl.dtypes.as_dtype(right)).name == str(
        torch.promote_types(getattr(torch, left), getattr(torch, right))
    ).removeprefix("torch.")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [True, 2, 2.5])
@pytest.mark.parametrize("shape", [(2,), ()])
def test_a_number(name, number, shape):
    for compute in (lambda x: x * number, lambda x: number * x, lambda x: x / number, lambda x: x > number):
        ours = compute(tl.ones(shape, dtype=name))
        theirs = compute(torch.ones(shape, dtype=getattr(torch, name)))
        assert ours.dtype.name == name_of(theirs)
