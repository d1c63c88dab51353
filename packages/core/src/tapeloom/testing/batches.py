"""vmap against a loop and a stack: the samples of a row as a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom.dtypes import DType
from tapeloom.func import grad, vmap
from tapeloom.tensors.tensor import Tensor
from tapeloom.testing.table import Case, Row

SAMPLES = 3


class Call:
    """One case as a function of its tensors, of which there are many samples."""

    def __init__(self, case: Case, dtype: DType, device: Any = "cpu") -> None:
        self.case = case
        self.dtype = dtype
        self.device = device

    def sample(self, number: int) -> list[Tensor]:
        """The tensors of one sample; each has its own numbers."""
        found: list[Tensor] = []
        self._arguments(number, lambda value: found.append(tl.tensor(value, device=self.device)))
        return found

    def samples(self, count: int = SAMPLES) -> list[list[Tensor]]:
        """Those of several."""
        return [self.sample(number) for number in range(count)]

    def _arguments(self, number: int, there: Callable[[Any], Any]) -> tuple[list[Any], dict[str, Any]]:
        own = Case(self.case.args, self.case.kwargs, None, None, False)
        own.row, own.number = self.case.row, self.case.number + 7919 * number  # what draws look at
        args, kwargs = own.arguments(self.dtype)
        return [_moved(value, there) for value in args], {name: _moved(value, there) for name, value in kwargs.items()}

    def __call__(self, *tensors: Tensor) -> tuple[Any, ...]:
        """The results for these tensors, as a tuple."""
        rest = iter(tensors)
        args, kwargs = self._arguments(0, lambda value: next(rest))
        result = self.case.row.call(*args, **kwargs)
        return tuple(result) if isinstance(result, (tuple, list)) else (result,)

    def differentiable(self) -> list[int]:
        """Which of its tensors have a gradient."""
        specs = zip(self.case.inputs(), self.sample(0), strict=True)
        return [place for place, (spec, tensor) in enumerate(specs) if spec.grad and tensor.dtype is self.dtype]

    def total(self, places: list[int], rest: list[Tensor]) -> Callable[..., Tensor]:
        """One number made of the results, as a function of the tensors at ``places``."""

        def number(*own: Tensor) -> Tensor:
            tensors = list(rest)
            for place, tensor in zip(places, own, strict=True):
                tensors[place] = tensor
            parts = [part for part in self(*tensors) if isinstance(part, Tensor) and part.dtype.inexact]
            parts = [tl.view_as_real(part) if part.is_complex() else part for part in parts]
            nothing = (tl.view_as_real(own[0]) if own[0].is_complex() else own[0]).sum() * 0.0
            return sum(((part * 0.7).sin().sum() for part in parts), start=nothing)

        return number


def _moved(value: Any, there: Callable[[Any], Any]) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return there(value)
    return [_moved(item, there) for item in value] if isinstance(value, list) else value


def calls(row: Row, dtype: DType, device: Any = "cpu", most: int | None = None) -> list[Call]:
    """(The first ``most``) cases of a row with tensors, in ``dtype`` or, where the row lacks that, in one that it has."""
    dtype = dtype if dtype in row.dtypes else row.dtypes[-1]
    cases = [case for case in row.cases if any(case.inputs()) and (case.only is None or dtype in case.only)]
    return [Call(case, dtype, device) for case in cases[:most]]


def check_batch(call: Call, in_dims: int = 0, shared: bool = False) -> None:
    """All samples at once equal one after the other. ``shared``: they differ in the first tensor alone.

    What the call changes in place is changed in the batch, too, and nothing else.
    """
    rows = call.samples()
    if shared:
        rows = [[row[0], *rows[0][1:]] for row in rows]
    own = [[tensor.clone() for tensor in row] for row in rows]
    want = _looped(call, own)
    if want is None:
        return
    dims = [None if shared and place else in_dims for place in range(len(rows[0]))]
    given = [_joined(list(column), dim) for column, dim in zip(zip(*rows, strict=True), dims, strict=True)]
    after = [_joined(list(column), dim) for column, dim in zip(zip(*own, strict=True), dims, strict=True)]
    got = vmap(call, in_dims=tuple(dims), randomness="same")(*given)
    for part, column in zip(got, want, strict=True):
        _close(part, tl.stack(column), f"{call.case} in_dims={dims}")
    for tensor, value in zip(given, after, strict=True):
        _close(tensor, value, f"{call.case} in_dims={dims}: an argument afterwards")


def _joined(column: list[Tensor], dim: int | None) -> Tensor:
    """The tensors of all samples along the first or the last dimension, or the one that they share."""
    return column[0] if dim is None else tl.stack(column, 0 if dim == 0 else column[0].ndim)


def check_nested(call: Call) -> None:
    """A batch of batches equals two loops."""
    flat = call.samples(6)
    want = _looped(call, [[tensor.clone() for tensor in row] for row in flat])
    if want is None:
        return
    lines = [[tl.stack(list(column), -1) for column in zip(*flat[n : n + 2], strict=True)] for n in (0, 2, 4)]
    stacked = [tl.stack(list(column), 0) for column in zip(*lines, strict=True)]
    got = vmap(vmap(call, in_dims=-1, randomness="same"), randomness="same")(*stacked)
    for part, column in zip(got, want, strict=True):
        _close(part, tl.stack([tl.stack(column[n : n + 2]) for n in (0, 2, 4)]), f"{call.case}, nested")


def check_gradients(call: Call) -> None:
    """The gradient of each sample is that of a loop, by ``grad`` within ``vmap`` and by a walk from outside."""
    places = call.differentiable()
    if not places or not call.case.grad:
        return
    argnums = tuple(range(len(places)))
    rows = call.samples()

    def gradient(*tensors: Tensor) -> Any:
        return grad(call.total(places, list(tensors)), argnums)(*[tensors[place] for place in places])

    def value(*tensors: Tensor) -> Tensor:
        return call.total(places, list(tensors))(*[tensors[place] for place in places])

    want = [tl.stack(list(column)) for column in zip(*[gradient(*row) for row in rows], strict=True)]
    stacked = [tl.stack(list(column)) for column in zip(*rows, strict=True)]
    inner = vmap(gradient, randomness="same")(*stacked)
    leaves = [stacked[place].requires_grad_() for place in places]
    loss = vmap(value, randomness="same")(*stacked).sum()
    outer = tl.autograd.grad(loss, leaves, materialize_grads=True)
    for number, column in enumerate(want):
        _close(inner[number], column, f"{call.case}, gradient of input {places[number]}")
        _close(outer[number], column, f"{call.case}, outer gradient of input {places[number]}")


def _looped(call: Call, rows: list[list[Tensor]]) -> list[list[Tensor]] | None:
    """For each result those of the samples, one after the other; None where one is no tensor."""
    results = [call(*row) for row in rows]
    if not all(isinstance(part, Tensor) for part in results[0]):
        return None
    return [list(column) for column in zip(*results, strict=True)]


def _close(got: Any, want: Any, where: str) -> None:
    assert got.shape == want.shape, f"{where}: {got.shape} came, {want.shape} was expected"
    assert got.dtype is want.dtype, f"{where}: {got.dtype} came, {want.dtype} was expected"
    a, b = got.numpy(force=True), want.numpy(force=True)
    if not got.dtype.inexact:
        assert np.array_equal(a, b), f"{where}: {a} came, {b} was expected"
        return
    if got.dtype.half:
        a, b = a.astype(np.float32), b.astype(np.float32)
    slack = 64 * got.dtype.eps
    finite = np.abs(b[np.isfinite(b)])
    scale = max(float(finite.max()), 1.0) if finite.size else 1.0  # what is smaller may be left of a difference
    np.testing.assert_allclose(a, b, rtol=slack, atol=slack * scale, err_msg=where)
