"""PyTorch's promotion tables, written out, pair by pair and on every device."""

from __future__ import annotations

import pytest

import tapeloom as tl

NAMES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()

#: two tensors with dimensions (as printed by torch.promote_types); c64 and c128 are the complex dtypes
TENSORS = """
bool     bool     uint8    int8     int16    int32    int64    float16  bfloat16 float32  float64 c64  c128
uint8    uint8    uint8    int16    int16    int32    int64    float16  bfloat16 float32  float64 c64  c128
int8     int8     int16    int8     int16    int32    int64    float16  bfloat16 float32  float64 c64  c128
int16    int16    int16    int16    int16    int32    int64    float16  bfloat16 float32  float64 c64  c128
int32    int32    int32    int32    int32    int32    int64    float16  bfloat16 float32  float64 c64  c128
int64    int64    int64    int64    int64    int64    int64    float16  bfloat16 float32  float64 c64  c128
float16  float16  float16  float16  float16  float16  float16  float16  float32  float32  float64 c64  c128
bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 float32  bfloat16 float32  float64 c64  c128
float32  float32  float32  float32  float32  float32  float32  float32  float32  float32  float64 c64  c128
float64  float64  float64  float64  float64  float64  float64  float64  float64  float64  float64 c128 c128
c64      c64      c64      c64      c64      c64      c64      c64      c64      c64      c128 c64  c128
c128     c128     c128     c128     c128     c128     c128     c128     c128     c128     c128 c128 c128
"""
#: a tensor with dimensions (the row) and a 0-d tensor (the column)
WITH_SCALAR = """
bool     bool     uint8    int8     int16    int32    int64    float16  bfloat16 float32  float64 c64  c128
uint8    uint8    uint8    uint8    uint8    uint8    uint8    float16  bfloat16 float32  float64 c64  c128
int8     int8     int8     int8     int8     int8     int8     float16  bfloat16 float32  float64 c64  c128
int16    int16    int16    int16    int16    int16    int16    float16  bfloat16 float32  float64 c64  c128
int32    int32    int32    int32    int32    int32    int32    float16  bfloat16 float32  float64 c64  c128
int64    int64    int64    int64    int64    int64    int64    float16  bfloat16 float32  float64 c64  c128
float16  float16  float16  float16  float16  float16  float16  float16  float16  float16  float16 c64  c64
bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 c64  c64
float32  float32  float32  float32  float32  float32  float32  float32  float32  float32  float32 c64  c64
float64  float64  float64  float64  float64  float64  float64  float64  float64  float64  float64 c128 c128
c64      c64      c64      c64      c64      c64      c64      c64      c64      c64      c64 c64  c64
c128     c128     c128     c128     c128     c128     c128     c128     c128     c128     c128 c128 c128
"""
#: a tensor (the row) and a Python number: True, 2, 2.5, 1j. For float16 PyTorch gives complex32, which is not here
WITH_NUMBER = """
bool     bool     int64    float32  c64
uint8    uint8    uint8    float32  c64
int8     int8     int8     float32  c64
int16    int16    int16    float32  c64
int32    int32    int32    float32  c64
int64    int64    int64    float32  c64
float16  float16  float16  float16  c64
bfloat16 bfloat16 bfloat16 bfloat16 c64
float32  float32  float32  float32  c64
float64  float64  float64  float64  c128
c64      c64      c64      c64      c64
c128     c128     c128     c128     c128
"""


def entries(table: str, columns: list[object]) -> list[tuple[str, object, str]]:
    table = table.replace("c128", "complex128").replace("c64", "complex64")
    rows = [line.split() for line in table.strip().splitlines()]
    assert [row[0] for row in rows] == NAMES
    return [(row[0], column, cell) for row in rows for column, cell in zip(columns, row[1:], strict=True)]


def result(x, y) -> str:
    """The dtype of an arithmetic op, checked to be the same in both orders and for the array itself."""
    there, back = x * y, y * x
    assert there.dtype is back.dtype
    assert there.numpy(force=True).dtype.name == there.dtype.name
    return there.dtype.name


def test_two_tensors(device):
    for left, right, wanted in entries(TENSORS, NAMES):
        x, y = tl.ones(2, dtype=left, device=device), tl.ones(2, dtype=right, device=device)
        assert result(x, y) == wanted, (left, right)
        assert tl.promote_types(x.dtype, y.dtype).name == wanted
        assert result(tl.ones((), dtype=left, device=device), tl.ones((), dtype=right, device=device)) == wanted


def test_a_tensor_and_a_scalar_tensor(device):
    for left, right, wanted in entries(WITH_SCALAR, NAMES):
        x, y = tl.ones(2, dtype=left, device=device), tl.ones((), dtype=right, device=device)
        assert result(x, y) == wanted, (left, right)


def test_a_tensor_and_a_number(device):
    for left, number, wanted in entries(WITH_NUMBER, [True, 2, 2.5, 1j]):
        for shape in ((2,), ()):
            assert result(tl.ones(shape, dtype=left, device=device), number) == wanted, (left, number)


def test_the_default_dtype_is_what_floats_promote_integers_to():
    tl.set_default_dtype(tl.float64)
    try:
        assert (tl.tensor([1]) * 2.5).dtype is tl.float64
        assert (tl.tensor([1]) / 2).dtype is tl.float64
        assert tl.tensor([1]).exp().dtype is tl.float64
        assert tl.tensor([1.0]).dtype is tl.float64
        assert tl.zeros(2).dtype is tl.float64
        assert (tl.ones(2, dtype=tl.float32) * 2.5).dtype is tl.float32
        assert (tl.tensor([1]) * 1j).dtype is tl.complex128
        assert tl.tensor([1j]).dtype is tl.complex128
        assert (tl.ones(2, dtype=tl.float32) * 1j).dtype is tl.complex64
    finally:
        tl.set_default_dtype(tl.float32)


@pytest.mark.parametrize("values", [[2**53 + 1, -(2**62) - 1, 2**63 - 1, -(2**63)]])
def test_int64_is_never_narrowed(device, values):
    """No backend may compute 64-bit integers in 32 bits or in floating point."""
    x = tl.tensor(values, device=device)
    assert x.tolist() == values
    assert (x + 0).tolist() == values
    assert x[1:3].sum(0).item() == values[1] + values[2]
    assert x.amax().item() == max(values)
    assert (x // 1).tolist() == values
    assert x.to(tl.float64).dtype is tl.float64


def test_float64_keeps_its_digits(device):
    x = tl.tensor([1 / 3], dtype=tl.float64, device=device)
    assert (x * 3.0).item() == 1.0
    assert (x + 1e-12).item() == 1 / 3 + 1e-12
    assert x.exp().log().item() == pytest.approx(1 / 3, abs=1e-15)


def test_a_0d_block_of_block_diag_matters_only_by_a_higher_category():
    assert tl.block_diag(tl.ones(2), tl.tensor(1.0, dtype=tl.float64)).dtype is tl.float32
    assert tl.block_diag(tl.ones(2, dtype=tl.int8), tl.tensor(1.0, dtype=tl.float64)).dtype is tl.float64
    assert tl.block_diag(tl.tensor(1), tl.tensor(1.0, dtype=tl.float64)).dtype is tl.float64
