"""Promotion pair by pair: two tensors, a tensor and a 0-d tensor, a tensor and a number."""

from __future__ import annotations

import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
#: without uint16, uint32 and uint64, which PyTorch does not promote, and most of its operations refuse
NAMES = [dtype.name for dtype in tl.dtypes.ALL if dtype.method]


def name_of(dtype):
    """Our name for a dtype of torch. Its complex32, which it calls experimental, is complex64 here."""
    return str(dtype).removeprefix("torch.").replace("complex32", "complex64")


@pytest.mark.filterwarnings("ignore:ComplexHalf support:UserWarning")
@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("right", NAMES)
def test_every_pair(left, right):
    for x_shape in ((2,), ()):
        for y_shape in ((2,), ()):
            ours = tl.ones(x_shape, dtype=left) * tl.ones(y_shape, dtype=right)
            theirs = torch.ones(x_shape, dtype=getattr(torch, left)) * torch.ones(y_shape, dtype=getattr(torch, right))
            assert ours.dtype.name == name_of(theirs.dtype), (left, x_shape, right, y_shape)
    assert tl.promote_types(tl.dtypes.as_dtype(left), tl.dtypes.as_dtype(right)).name == name_of(
        torch.promote_types(getattr(torch, left), getattr(torch, right))
    )


@pytest.mark.filterwarnings("ignore:ComplexHalf support:UserWarning")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [True, 2, 2.5, 1j])
@pytest.mark.parametrize("shape", [(2,), ()])
def test_a_number(name, number, shape):
    computed = [lambda x: x * number, lambda x: number * x, lambda x: x == number]
    if (name, number) != ("float16", 1j):  # PyTorch cannot divide its complex32
        computed.append(lambda x: x / number)
    for compute in computed:
        ours = compute(tl.ones(shape, dtype=name))
        theirs = compute(torch.ones(shape, dtype=getattr(torch, name)))
        assert ours.dtype.name == name_of(theirs.dtype)


@pytest.mark.parametrize("default", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_a_complex_number_beside_every_default_dtype(name, default):
    before = tl.get_default_dtype(), torch.get_default_dtype()
    tl.set_default_dtype(getattr(tl, default))
    torch.set_default_dtype(getattr(torch, default))
    try:
        ours = tl.tensor(1j).dtype, (tl.ones(2, dtype=name) * 1j).dtype
        theirs = torch.tensor(1j).dtype, (torch.ones(2, dtype=getattr(torch, name)) * 1j).dtype
    finally:
        tl.set_default_dtype(before[0])
        torch.set_default_dtype(before[1])
    assert [dtype.name for dtype in ours] == [name_of(dtype) for dtype in theirs]


@pytest.mark.parametrize("name", NAMES)
def test_the_facts_of_a_dtype(name):
    ours, theirs = tl.dtypes.as_dtype(name), getattr(torch, name)
    for fact in ("itemsize", "is_floating_point", "is_complex", "is_signed"):
        assert getattr(ours, fact) == getattr(theirs, fact), fact
    assert ours.to_real().name == name_of(theirs.to_real())
    if ours.inexact:
        assert ours.to_complex().name == name_of(theirs.to_complex())
        for fact in ("max", "min", "eps", "tiny", "smallest_normal", "resolution", "bits"):
            assert getattr(tl.finfo(ours), fact) == getattr(torch.finfo(theirs), fact), fact
    else:
        with pytest.raises(RuntimeError, match="Unknown Complex"):
            theirs.to_complex()
    if ours.alias:
        assert getattr(torch, ours.alias) is theirs
    assert getattr(torch.ones(2), ours.method)().dtype is theirs
