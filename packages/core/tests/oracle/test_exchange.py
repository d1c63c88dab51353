"""DLPack with PyTorch, and what both say of dtypes."""

from __future__ import annotations

import itertools

import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
NAMES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()
#: what NumPy, whose memory the CPU's tensors are, can hand over
SHARED = [name for name in NAMES if name != "bfloat16"]


def named(dtype):
    return str(dtype).removeprefix("torch.").replace("complex32", "complex64")  # which stands for it here


@pytest.mark.parametrize("name", SHARED)
def test_memory_goes_both_ways_without_a_copy(name):
    x = tl.ones(2, 3, dtype=getattr(tl, name))
    there = torch.from_dlpack(x)
    assert there.tolist() == x.tolist() and named(there.dtype) == name
    assert there.data_ptr() == x.numpy().ctypes.data
    other = torch.ones(3, 2, dtype=getattr(torch, name)).T
    taken = tl.from_dlpack(other)
    assert taken.shape == (2, 3) and taken.dtype.name == name and taken.numpy().ctypes.data == other.data_ptr()
    other.zero_()
    assert not taken.any()  # later writes are seen
    taken.fill_(1)
    assert not other.any()  # and none goes back


def test_capsules():
    x = tl.arange(4)
    assert torch.utils.dlpack.from_dlpack(tl.utils.dlpack.to_dlpack(x)).tolist() == x.tolist()
    assert tl.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(torch.arange(4))).tolist() == x.tolist()


def test_both_refuse_a_gradient():
    for make in (tl.ones, torch.ones):
        with pytest.raises(BufferError):
            make(2, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError):
        tl.from_dlpack(torch.ones(2, requires_grad=True))


def test_pytorch_does_not_heed_the_mark():
    """Where this fails, docs/guides/interop.md can say less."""
    x = tl.zeros(2)
    torch.from_dlpack(x).fill_(1)
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize("left, right", list(itertools.product(NAMES, NAMES)))
def test_every_pair_of_dtypes(left, right):
    (x, y), (p, q) = ([lib.ones(2, dtype=getattr(lib, name)) for name in (left, right)] for lib in (tl, torch))
    assert tl.can_cast(x.dtype, y.dtype) == torch.can_cast(p.dtype, q.dtype)
    for ours, theirs in (((x, y), (p, q)), ((x, y[0]), (p, q[0])), ((x[0], y[0]), (p[0], q[0]))):
        assert tl.result_type(*ours).name == named(torch.result_type(*theirs))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [True, 2, 2.5, 1j])
def test_dtypes_beside_numbers(name, number):
    x, p = tl.ones(2, dtype=getattr(tl, name)), torch.ones(2, dtype=getattr(torch, name))
    assert tl.result_type(x, number).name == named(torch.result_type(p, number))
    assert tl.result_type(number, x[0]).name == named(torch.result_type(number, p[0]))
    assert tl.result_type(number, number).name == named(torch.result_type(number, number))


@pytest.mark.parametrize("name", NAMES)
def test_limits_are_written_alike(name):
    dtype = getattr(tl, name)
    if dtype.inexact:
        assert repr(tl.finfo(dtype)) == repr(torch.finfo(getattr(torch, name)))
    elif dtype.itemsize < 4 and name != "bool":  # PyTorch rounds the longer numbers
        assert repr(tl.iinfo(dtype)) == repr(torch.iinfo(getattr(torch, name)))
    assert repr(tl.finfo()) == repr(torch.finfo())
