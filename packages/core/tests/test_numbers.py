"""Python's and NumPy's numbers beside tensors: what they promote to, and what happens to those that do not fit."""

from __future__ import annotations

import pytest

import tapeloom as tl
from tapeloom.errors import DTypeError


def as_told(tensor) -> tuple[str, object]:
    return tensor.dtype.name, tensor.tolist()


# alpha


def test_alpha_is_multiplied_in_the_dtype_of_the_result(device):
    small = tl.tensor([5], dtype=tl.int8, device=device)
    assert as_told(tl.add(tl.tensor([1.0], device=device), small, alpha=100)) == ("float32", [501.0])
    assert as_told(tl.sub(tl.tensor([1], device=device), small, alpha=100)) == ("int64", [-499])
    half = tl.tensor([1.0], dtype=tl.bfloat16, device=device)
    assert as_told(tl.add(half, tl.tensor([5], device=device), alpha=0.5)) == ("bfloat16", [3.5])
    wide = tl.tensor([1.0], dtype=tl.float64, device=device)
    tenth = tl.tensor([0.1], device=device)
    assert tl.add(wide, tenth, alpha=3).item() == 1 + 3 * tenth.item()  # 0.3 of float32 has other digits
    wide.sub_(tenth, alpha=3)
    assert wide.item() == 1 - 3 * tenth.item()


def test_alpha_of_bools(device):
    x, y = tl.tensor([True, False], device=device), tl.tensor([True, True], device=device)
    assert as_told(tl.add(x, y, alpha=2)) == ("bool", [True, True])
    assert as_told(tl.add(x, y, alpha=0)) == ("bool", [True, False])


def test_alpha_is_rounded_once_in_half_types(device):
    x, y = (tl.tensor([value], dtype=tl.float16, device=device) for value in (2048.0, 1 + 2**-10))
    assert tl.add(x, y, alpha=1 - 2**-11).item() == 2050.0  # 1 + 2**-11 - 2**-21 rounded by itself is 1, a tie in the sum


def test_alpha_gradient(device):
    w = tl.tensor([2.0], dtype=tl.bfloat16, device=device, requires_grad=True)
    tl.add(tl.tensor([1.0], device=device), w, alpha=3).sum().backward()
    assert as_told(w.grad) == ("bfloat16", [3.0])


def test_alpha_that_does_not_fit(device):
    x = tl.tensor([1], dtype=tl.int8, device=device)
    with pytest.raises(DTypeError, match=r"add: the number 300 does not fit int8 \(-128 to 127\)"):
        tl.add(x, x, alpha=300)
