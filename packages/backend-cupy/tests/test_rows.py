"""Softmax and cross-entropy against formulas in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tapeloom_backend_cupy.cuda import rows as rows_module


def log_sum_exp(x: Any, dim: int) -> Any:
    top = np.max(x, dim, keepdims=True)
    return top + np.log(np.sum(np.exp(x - top), dim, keepdims=True))


def exact_log_softmax(x: Any, dim: int = -1) -> Any:
    below = x - np.max(x, dim, keepdims=True)
    return below - np.log(np.sum(np.exp(below), dim, keepdims=True))


def exact_softmax(x: Any, dim: int = -1) -> Any:
    return np.exp(exact_log_softmax(x, dim))


COLUMNS = (1, 2, 31, 32, 33, 1000, 1025, 2500, 5000)


@pytest.mark.parametrize("columns", COLUMNS)
def test_softmax(machine: Any, dtype: Any, rng: Any, tolerance: Any, columns: int) -> None:
    x = (4 * rng.standard_normal((3, 2, columns))).astype(dtype)
    exact = x.astype(np.float64)
    out = machine.get(machine.k.softmax(machine.put(x), 2))
    assert out.dtype == dtype
    np.testing.assert_allclose(out.astype(np.float64), exact_softmax(exact, 2), **tolerance)
    out = machine.get(machine.k.log_softmax(machine.put(x), 2))
    np.testing.assert_allclose(out.astype(np.float64), exact_log_softmax(exact, 2), **tolerance)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_softmax_over_any_dimension(machine: Any, rng: Any, dim: int) -> None:
    x = rng.standard_normal((5, 7, 6)).astype(np.float32)
    for array, there in ((x, x), (x.transpose(2, 0, 1), x.transpose(2, 0, 1)), (x[::2, :, ::3], x[::2, :, ::3])):
        out = machine.k.softmax(machine.put(array), dim)
        assert out.shape == there.shape
        np.testing.assert_allclose(machine.get(out), exact_softmax(there.astype(np.float64), dim), rtol=1e-6)


@pytest.mark.parametrize("columns", [4, 1500])
def test_rows_without_a_softmax_are_nan(machine: Any, dtype: Any, columns: int) -> None:
    x = np.zeros((6, columns))
    x[0] = -np.inf
    x[1, 1] = np.inf
    x[2, 2] = np.nan
    x[3, 1:] = -np.inf
    x[4, :2] = np.inf
    x[5, 0] = -np.inf
    for kernel, plain in ((machine.k.softmax, exact_softmax), (machine.k.log_softmax, exact_log_softmax)):
        out = machine.get(kernel(machine.put(x.astype(dtype)), 1)).astype(np.float64)
        assert np.isnan(out[[0, 1, 2, 4]]).all()
        np.testing.assert_allclose(out[[3, 5]], plain(x[[3, 5]], 1), rtol=1e-2 if dtype.itemsize == 2 else 1e-6)


def test_softmax_of_large_numbers(machine: Any) -> None:
    x = np.array([[1e30, 1e30, -1e30], [3e38, -3e38, 0], [88, 89, 90]], np.float32)
    expected = exact_softmax(x.astype(np.float64), 1)
    np.testing.assert_allclose(machine.get(machine.k.softmax(machine.put(x), 1)), expected, rtol=1e-6)


@pytest.mark.parametrize("shape,dim", [((0, 3), 1), ((3, 0), 1), ((3, 0), 0), ((0,), 0)])
def test_softmax_of_nothing(machine: Any, shape: Any, dim: int) -> None:
    x = np.zeros(shape, np.float32)
    assert machine.k.softmax(machine.put(x), dim).shape == machine.k.log_softmax(machine.put(x), dim).shape == shape


def test_softmax_of_a_scalar(machine: Any) -> None:
    out = machine.get(machine.k.softmax(machine.put(np.array(3, np.float32)), 0))
    assert out.shape == () and out == 1


def naive_cross_entropy(x: Any, target: Any, weight: Any, ignore: int, smoothing: float) -> tuple[Any, Any, Any]:
    """Losses, row weights and the Jacobian's rows d loss / d x, in float64, one row at a time."""
    x = x.astype(np.float64)
    rows, classes = x.shape
    weight = np.ones(classes) if weight is None else weight.astype(np.float64)
    losses, weights, slopes = np.zeros(rows), np.zeros(rows), np.zeros((rows, classes))
    for row, label in enumerate(target):
        if label == ignore:
            continue
        wanted = np.full(classes, smoothing / classes)
        wanted[label] += 1 - smoothing
        # The label's own part is weighted by its class, the smoothed part by every class.
        parts = np.full(classes, smoothing / classes) * weight
        parts[label] += (1 - smoothing) * weight[label]
        log_p = exact_log_softmax(x[row])
        losses[row], weights[row] = -(parts * log_p).sum(), weight[label]
        slopes[row] = parts.sum() * np.exp(log_p) - parts
    return losses, weights, slopes


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [1, 10, 1300])
def test_cross_entropy(
    machine: Any, dtype: Any, rng: Any, tolerance: Any, classes: int, weighted: bool, smoothing: float
) -> None:
    rows = 9
    x = (2 * rng.standard_normal((rows, classes))).astype(dtype)
    target = rng.integers(0, classes, rows)
    target[3] = -100
    weight = rng.uniform(0.5, 2, classes).astype(dtype) if weighted else None
    given = (machine.put(x), machine.put(target), None if weight is None else machine.put(weight))
    loss, saved, row_weight = machine.k.cross_entropy_forward(*given, -100, smoothing)
    losses, weights, slopes = naive_cross_entropy(x, target, weight, -100, smoothing)

    wide = np.float64 if dtype == np.float64 else np.float32
    unit = float(np.finfo(wide).eps)  # the losses are not rounded to the half types
    assert loss.dtype == saved.dtype == row_weight.dtype == wide
    assert saved.shape == (rows, 2)
    np.testing.assert_allclose(machine.get(loss), losses, rtol=100 * unit, atol=100 * unit)
    np.testing.assert_allclose(machine.get(row_weight), weights, rtol=unit)
    total = machine.get(saved).astype(np.float64).sum(axis=1)
    np.testing.assert_allclose(total, log_sum_exp(x.astype(np.float64), 1)[:, 0], rtol=100 * unit, atol=unit)

    g = rng.standard_normal(rows).astype(dtype)
    dx = machine.k.cross_entropy_backward(machine.put(g), *given, saved, -100, smoothing)
    assert dx.dtype == dtype
    np.testing.assert_allclose(machine.get(dx).astype(np.float64), g.astype(np.float64)[:, None] * slopes, **tolerance)
    one = machine.put(np.array(0.25, dtype))
    dx = machine.k.cross_entropy_backward(one, *given, saved, -100, smoothing)
    np.testing.assert_allclose(machine.get(dx).astype(np.float64), 0.25 * slopes, **tolerance)
    assert (machine.get(dx)[3] == 0).all()


def test_the_gradient_of_large_logits_keeps_its_digits(machine: Any, rng: Any) -> None:
    x = (1e4 + rng.standard_normal((4, 6))).astype(np.float32)
    target = np.array([0, 1, 2, 3])
    loss, saved, _ = machine.k.cross_entropy_forward(machine.put(x), machine.put(target), None, -100, 0.0)
    losses, _, slopes = naive_cross_entropy(x, target, None, -100, 0.0)
    np.testing.assert_allclose(machine.get(loss), losses, rtol=1e-6)
    one = machine.put(np.array(1, np.float32))
    dx = machine.k.cross_entropy_backward(one, machine.put(x), machine.put(target), None, saved, -100, 0.0)
    np.testing.assert_allclose(machine.get(dx), slopes, rtol=1e-5, atol=1e-7)


def test_bad_labels_and_bad_rows(machine: Any) -> None:
    x = np.zeros((6, 3), np.float32)
    x[3] = -np.inf
    x[4, 0] = -np.inf
    x[5] = -np.inf
    target = np.array([5, -1, 1, 1, 0, -100])
    loss, saved, weight = machine.k.cross_entropy_forward(machine.put(x), machine.put(target), None, -100, 0.0)
    # no such class, no such class, log 3, a row without a softmax, a class of probability 0, ignored
    np.testing.assert_allclose(machine.get(loss), [np.nan, np.nan, np.log(3), np.nan, np.inf, 0], rtol=1e-6)
    np.testing.assert_array_equal(machine.get(weight), [np.nan, np.nan, 1, 1, 1, 0])
    one = machine.put(np.array(1, np.float32))
    dx = machine.k.cross_entropy_backward(one, machine.put(x), machine.put(target), None, saved, -100, 0.0)
    dx = machine.get(dx)
    assert np.isnan(dx[[0, 1, 3]]).all() and (dx[5] == 0).all()
    np.testing.assert_allclose(dx[4], [-1, 0.5, 0.5], rtol=1e-6)


def test_cross_entropy_of_nothing(machine: Any) -> None:
    none = machine.put(np.zeros(0, np.int64))
    x = machine.put(np.zeros((0, 4), np.float32))
    loss, saved, weight = machine.k.cross_entropy_forward(x, none, None, -100, 0.0)
    assert loss.shape == weight.shape == (0,) and saved.shape == (0, 2)
    one = machine.put(np.array(1, np.float32))
    assert machine.k.cross_entropy_backward(one, x, none, None, saved, -100, 0.0).shape == (0, 4)
    x = machine.put(np.zeros((2, 0), np.float32))
    loss, _, _ = machine.k.cross_entropy_forward(x, machine.put(np.zeros(2, np.int64)), None, -100, 0.1)
    assert np.isnan(machine.get(loss)).all()


def test_row_plan() -> None:
    assert rows_module.row_plan(1, 10) == (1, 128, "false")
    assert rows_module.row_plan(5, 1024) == (2, 128, "false")
    assert rows_module.row_plan(5, 1025) == (5, 256, "true")
    blocks, threads, _ = rows_module.row_plan(2**40, 10**6)
    assert blocks < 2**31 and threads == 1024
