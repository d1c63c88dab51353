"""Matrix products: the plan read by the letter against numpy.matmul."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tapeloom.errors import ShapeError
from tapeloom_backend_cupy.cuda import gemm
from tapeloom_backend_cupy.cuda.gemm import AS_IT_LIES, BROADCAST_COPY, COPY


def plan(a: Any, b: Any) -> gemm.Plan:
    made = gemm.plan_matmul(a.shape, gemm._element_strides(a), b.shape, gemm._element_strides(b))
    assert made is not None
    return made


SHAPES = [
    ((3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (1, 6, 4, 5)),
    ((2, 6, 3, 4), (6, 4, 5)),
    ((2, 6, 3, 4), (2, 1, 4, 5)),
    ((5, 1, 4), (4, 3)),
    ((5, 1, 1), (5, 1, 1)),
    ((2, 3, 1), (2, 1, 5)),
    ((2, 3, 4), (2, 4, 1)),
    ((1, 1, 4), (7, 4, 2)),
    ((4,), (4,)),
    ((4,), (4, 3)),
    ((3, 4), (4,)),
    ((4,), (2, 4, 3)),
    ((2, 3, 4), (4,)),
]


def spread(array: Any, how: str) -> Any:
    """The same values, lying otherwise."""
    if how == "transposed" and array.ndim > 1:
        return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)
    if how == "batch inside" and array.ndim > 2:  # (batch, rows, columns) seen from (rows, batch, columns)
        return np.ascontiguousarray(array.swapaxes(0, -2)).swapaxes(0, -2)
    if how == "strided":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if how == "part of rows":
        wide = np.zeros((*array.shape[:-1], array.shape[-1] + 3), array.dtype)
        wide[..., 1:-2] = array
        return wide[..., 1:-2]
    if how == "backwards":
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    return array


LAYOUTS = ("contiguous", "transposed", "batch inside", "strided", "part of rows", "backwards")


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_products(machine: Any, rng: Any, shapes: Any) -> None:
    values = [rng.standard_normal(shape) for shape in shapes]
    expected = np.matmul(*values)
    for left in LAYOUTS:
        for right in LAYOUTS:
            a, b = spread(values[0], left), spread(values[1], right)
            out = machine.get(machine.k.matmul(machine.put(a), machine.put(b)))
            assert out.shape == expected.shape
            np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)


def test_every_dtype(machine: Any, dtype: Any, rng: Any, tolerance: Any) -> None:
    for shapes in (((2, 3, 8), (2, 8, 5)), ((3, 8), (8, 5))):
        a, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
        out = machine.get(machine.k.matmul(machine.put(a), machine.put(b)))
        assert out.dtype == dtype
        np.testing.assert_allclose(
            out.astype(np.float64),
            a.astype(np.float64) @ b.astype(np.float64),
            rtol=tolerance["rtol"],
            atol=8 * tolerance["atol"],
        )


@pytest.mark.parametrize(
    "shapes", [((0, 3), (3, 2)), ((2, 0, 3), (2, 3, 4)), ((2, 3, 0), (2, 0, 4)), ((0, 2, 3), (3, 4)), ((0,), (0,))]
)
def test_products_of_nothing_are_zeros(machine: Any, shapes: Any) -> None:
    a, b = (np.ones(shape, np.float32) for shape in shapes)
    out = machine.get(machine.k.matmul(machine.put(a), machine.put(b)))
    expected = np.matmul(a, b)
    assert out.shape == expected.shape and not np.any(out)


def test_attention_copies_nothing() -> None:
    q, k = np.zeros((2, 8, 10, 64)), np.zeros((2, 8, 12, 64))
    made = plan(q, k.swapaxes(-1, -2))
    assert (made.a, made.b) == (AS_IT_LIES, AS_IT_LIES)
    assert made.gemm.transpose_first and not made.gemm.transpose_second
    assert made.gemm.batch == 16 and made.gemm.stride_first == 12 * 64
    # The gradient of k: g^T @ q.
    made = plan(np.zeros((2, 8, 10, 12)).swapaxes(-1, -2), q)
    assert (made.a, made.b, made.gemm.transpose_second) == (AS_IT_LIES, AS_IT_LIES, True)


def test_a_batch_with_one_matrix_is_one_tall_product() -> None:
    made = plan(np.zeros((4, 5, 6, 7)), np.zeros((9, 7)).T)
    assert made.gemm.batch == 1 and made.gemm.columns == 4 * 5 * 6 and made.out_shape == (4, 5, 6, 9)
    made = plan(np.zeros((4, 50, 7))[:, ::50], np.zeros((7, 9)))
    assert made.a == AS_IT_LIES and made.gemm.batch == 1 and made.gemm.ld_second == 350


def test_copies_are_as_small_as_they_can_be() -> None:
    made = plan(np.zeros((2, 10, 8, 64)).swapaxes(1, 2), np.zeros((2, 8, 64, 10)))
    assert (made.a, made.b) == (COPY, AS_IT_LIES)  # heads beside one another: no single stride walks the batch
    made = plan(np.zeros((2, 8, 3, 4)), np.zeros((1, 8, 4, 5)))
    assert (made.a, made.b) == (AS_IT_LIES, BROADCAST_COPY)
    made = plan(np.zeros((2, 8, 3, 4)), np.zeros((1, 1, 4, 10))[..., ::2])
    assert made.b == COPY and made.gemm.batch == 1  # copied once, not sixteen times
    expanded = np.broadcast_to(np.zeros((4, 5)), (2, 8, 4, 5))
    assert plan(np.zeros((2, 8, 3, 4)), expanded).b == AS_IT_LIES


def test_sizes_past_32_bits_have_no_plan() -> None:
    assert gemm.plan_matmul((2, 1), (1, 1), (1, 2**31), (2**31, 1)) is None
    assert gemm.plan_matmul((2**20, 2**12, 4), (2**14, 4, 1), (4, 4), (4, 1)) is not None  # not folded then
    # A leading dimension past 32 bits needs a copy.
    made = gemm.plan_matmul((3, 4), (2**32, 1), (4, 5), (5, 1))
    assert made is not None and made.a == COPY


def test_shapes_that_do_not_fit() -> None:
    for a, b in (((2, 3), (4, 5)), ((2, 3, 4), (3, 4, 5))):
        with pytest.raises(ShapeError, match=r"matmul: shapes .* do not fit"):
            gemm.plan_matmul(a, (1,) * len(a), b, (1,) * len(b))


def test_one_matrix_takes_the_plain_call(machine: Any) -> None:
    if machine.cublas is None:
        pytest.skip("calls are recorded on the host only")
    machine.k.matmul(machine.put(np.ones((2, 3))), machine.put(np.ones((3, 4))))
    machine.k.matmul(machine.put(np.ones((5, 2, 3))), machine.put(np.ones((5, 3, 4))))
    assert machine.cublas.calls == ["gemmEx", "gemmStridedBatchedEx"]


def test_without_the_bindings_cupy_multiplies(machine: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if machine.cublas is None:
        pytest.skip("the bindings are taken away on the host only")
    monkeypatch.delattr(type(machine.cublas), "gemmStridedBatchedEx")
    a, b = np.ones((5, 2, 3), dtype), np.ones((5, 3, 4), dtype)
    out = machine.k.matmul(machine.put(a), machine.put(b))
    assert out.dtype == dtype and (out == 3).all() and machine.cublas.calls == []
