"""Every row of the sample table under vmap equals a loop and a stack, nested and under grad too; refusals are listed."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import DeviceError, InplaceError, StateError, UnsupportedError
from tapeloom.tape import levels
from tapeloom.testing.table import Case, Row, load

TABLE = load()
SAMPLES = 3
ROWS = [name for name, row in TABLE.items() if not row.maker and any(any(case.inputs()) for case in row.cases)]

#: what needs the values of its tensors in Python, so that it cannot run on a batch, as in PyTorch
REFUSED = {
    "index_put as in PyTorch",  # masks: each sample has another number of places
    "index_put_",
    "masked_select",
    "nonzero",
    "nonzero as a tuple",
    "one_hot",  # without num_classes
    "x[key] = value",
    "x[key]",
}
#: what would change a tensor that the samples share; and steps of optimizers, whose parameters and gradients must be of one kind
REFUSED_SHARED = {"adam", "row_scaled_step", "running statistics", "sgd"}
#: what the refusals say
SAYS = (
    "cannot be read inside the function",
    "a result of another shape",
    "the samples of vmap share the tensor",
    "its entry in gradients",
    "and parameter 0 on cpu",
)
#: ops that run for one sample after the other
LOOPED: set[str] = set()


class Call:
    """One case as a function of its tensors."""

    def __init__(self, case: Case, dtype: Any, device: str = "cpu") -> None:
        self.case, self.dtype, self.device = case, dtype, device

    def tensors(self, sample: int) -> list[Any]:
        """The tensors of one sample; each has its own numbers."""
        found: list[Any] = []
        self._arguments(sample, lambda value: found.append(tl.tensor(value, device=self.device)))
        return found

    def _arguments(self, sample: int, there: Any) -> tuple[list[Any], dict[str, Any]]:
        own = Case(self.case.args, self.case.kwargs, None, None, False)
        own.row, own.number = self.case.row, self.case.number + 7919 * sample
        args, kwargs = own.arguments(self.dtype)
        return [_moved(value, there) for value in args], {name: _moved(value, there) for name, value in kwargs.items()}

    def __call__(self, *tensors: Any) -> tuple[Any, ...]:
        rest = iter(tensors)
        args, kwargs = self._arguments(0, lambda value: next(rest))
        result = self.case.row.call(*args, **kwargs)
        return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _moved(value: Any, there: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return there(value)
    return [_moved(item, there) for item in value] if isinstance(value, list) else value


def fitting(row: Row, dtype: Any) -> Any:
    """``dtype``, or one that the row has."""
    return dtype if dtype in row.dtypes else row.dtypes[-1]


def cases(row: Row, dtype: Any, few: int | None = None) -> list[Case]:
    found = [case for case in row.cases if any(case.inputs()) and (case.only is None or dtype in case.only)]
    return found[:few]


def close(got: Any, want: Any, where: str) -> None:
    assert got.shape == want.shape, f"{where}: {got.shape} came, {want.shape} was expected"
    assert got.dtype is want.dtype, f"{where}: {got.dtype} came, {want.dtype} was expected"
    a, b = got.numpy(force=True), want.numpy(force=True)
    if not got.dtype.inexact:
        assert np.array_equal(a, b), f"{where}: {a} came, {b} was expected"
        return
    slack = 64 * got.dtype.eps
    finite = np.abs(b[np.isfinite(b)])
    scale = float(finite.max()) if finite.size else 1.0
    np.testing.assert_allclose(a, b, rtol=slack, atol=slack * scale, err_msg=where)


def check(call: Call, in_dims: int, shared: bool = False) -> None:
    """All samples at once against one after the other. ``shared``: only the first tensor differs."""
    rows = [call.tensors(sample) for sample in range(SAMPLES)]
    if shared:
        rows = [[row[0], *rows[0][1:]] for row in rows]
    want = [call(*[tensor.clone() for tensor in row]) for row in rows]
    if not all(isinstance(part, tl.Tensor) for part in want[0]):
        return
    stacked = [tl.stack(list(column), 0 if in_dims == 0 else column[0].ndim) for column in zip(*rows, strict=True)]
    if shared:
        stacked[1:] = rows[0][1:]
    dims = tuple(in_dims if not shared or not place else None for place in range(len(stacked)))
    given = [tensor.clone() for tensor in stacked]
    got = tl.vmap(call, in_dims=dims, randomness="same")(*stacked)
    for tensor, value in zip(stacked, given, strict=True):
        close(tensor, value, f"{call.case}: an argument was changed")
    assert len(got) == len(want[0]), f"{call.case}: {len(got)} results came"
    for part, column in zip(got, zip(*want, strict=True), strict=True):
        close(part, tl.stack(list(column)), f"{call.case} in_dims={dims}")


def _refused(name: str, checks: Any) -> bool:
    """Whether one of ``checks`` is refused, as it should be; all others pass."""
    refused = False
    for one in checks:
        try:
            one()
        except (DeviceError, InplaceError, StateError, UnsupportedError) as error:
            refused = any(part in str(error) for part in SAYS)
            if not refused:
                raise
    return refused


@pytest.mark.parametrize("dtype", [tl.float32, tl.float64], ids=str)
@pytest.mark.parametrize("name", ROWS)
def test_a_batch_equals_a_loop_and_a_stack(name: str, dtype: Any) -> None:
    dtype = fitting(TABLE[name], dtype)
    calls = [Call(case, dtype) for case in cases(TABLE[name], dtype)]
    checks = [functools.partial(check, call, in_dims) for call in calls for in_dims in (0, -1)]
    assert _refused(name, checks) == (name in REFUSED)


@pytest.mark.parametrize("name", ROWS)
def test_what_the_samples_share_is_one_value(name: str) -> None:
    dtype = fitting(TABLE[name], tl.float64)
    calls = [Call(case, dtype) for case in cases(TABLE[name], dtype)]
    checks = [functools.partial(check, call, 0, shared=True) for call in calls if len(call.tensors(0)) > 1]
    assert _refused(name, checks) == (name in REFUSED_SHARED)


@pytest.mark.parametrize("name", [name for name in ROWS if name not in REFUSED])
def test_a_batch_of_batches_equals_two_loops(name: str) -> None:
    dtype = fitting(TABLE[name], tl.float64)
    for case in cases(TABLE[name], dtype, few=2):
        call = Call(case, dtype)
        rows = [[call.tensors(2 * outer + inner) for inner in range(2)] for outer in range(3)]
        want = [[call(*[tensor.clone() for tensor in row]) for row in line] for line in rows]
        if not all(isinstance(part, tl.Tensor) for part in want[0][0]):
            continue
        lines = [[tl.stack(list(column), -1) for column in zip(*line, strict=True)] for line in rows]
        stacked = [tl.stack(list(column), 0) for column in zip(*lines, strict=True)]
        got = tl.vmap(tl.vmap(call, in_dims=-1, randomness="same"), randomness="same")(*stacked)
        for place, part in enumerate(got):
            close(part, tl.stack([tl.stack([row[place] for row in line]) for line in want]), f"{case}, nested")


def differentiable(row: Row) -> bool:
    return bool(row.grad) and tl.float64 in row.dtypes


def value_of(call: Call, places: list[int], rest: list[Any]) -> Any:
    """The weighted sum of the results as a function of the floating inputs."""

    def total(*own: Any) -> Any:
        tensors = list(rest)
        for place, tensor in zip(places, own, strict=True):
            tensors[place] = tensor
        parts = [part for part in call(*tensors) if isinstance(part, tl.Tensor) and part.dtype.inexact]
        parts = [tl.view_as_real(part) if part.is_complex() else part for part in parts]
        return sum(((part * 0.7).sin().sum() for part in parts), start=own[0].sum() * 0.0)

    return total


@pytest.mark.parametrize("name", [name for name in ROWS if name not in REFUSED and differentiable(TABLE[name])])
def test_the_gradients_of_samples_are_those_of_a_loop(name: str) -> None:
    for case in cases(TABLE[name], tl.float64):
        call = Call(case, tl.float64)
        rows = [call.tensors(sample) for sample in range(SAMPLES)]
        specs = list(case.inputs())
        places = [place for place, spec in enumerate(specs) if spec.grad and rows[0][place].dtype is tl.float64]
        if not case.grad or not places:
            continue
        argnums = tuple(range(len(places)))

        def gradient(*tensors: Any, call: Call = call, places: Any = places, argnums: Any = argnums) -> Any:
            found = tl.func.grad(value_of(call, places, list(tensors)), argnums)
            return found(*[tensors[place] for place in places])

        want = [gradient(*row) for row in rows]
        got = tl.vmap(gradient, randomness="same")(*[tl.stack(list(column)) for column in zip(*rows, strict=True)])
        for place, part in enumerate(got):
            close(part, tl.stack([row[place] for row in want]), f"{case}, gradient of input {place}")
        # the tape of the batch as a whole, walked from outside
        stacked = [tl.stack(list(column)) for column in zip(*rows, strict=True)]
        leaves = [stacked[place].requires_grad_() for place in places]
        loss = tl.vmap(
            lambda *tensors, call=call, places=places: value_of(call, places, list(tensors))(
                *[tensors[p] for p in places]
            ),
            randomness="same",
        )
        outer = tl.autograd.grad(loss(*stacked).sum(), leaves, materialize_grads=True)
        for place, part in enumerate(outer):
            close(part, tl.stack([row[place] for row in want]), f"{case}, outer gradient of input {place}")


def test_few_ops_run_for_one_sample_after_the_other() -> None:
    """Run after the others of this file; the names are those of kernels, and of functions of the array library."""
    looped: set[str] = set()
    for device in levels._devices.values():
        looped |= device.backend.loops
    assert looped <= LOOPED
