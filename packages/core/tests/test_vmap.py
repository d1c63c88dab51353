"""Every row of the sample table under vmap equals a loop and a stack, nested and under grad too; refusals are listed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import tapeloom as tl
from tapeloom.errors import DeviceError, InplaceError, StateError, UnsupportedError
from tapeloom.tape import levels
from tapeloom.testing.batches import calls, check_batch, check_gradients, check_nested
from tapeloom.testing.table import load

TABLE = load()
ROWS = [name for name, row in TABLE.items() if not row.maker and any(any(case.inputs()) for case in row.cases)]

#: what needs the values of its tensors in Python, or has results whose shape depends on them: it cannot run on a batch
REFUSED = {
    "argwhere",
    "bincount",
    "bincount with weights",
    "binomial",
    "counted",
    "cov",  # with weights
    "histc",
    "histogram",
    "histogramdd",
    "index_put as in PyTorch",  # masks: each sample has another number of places
    "index_put_",
    "masked_select",
    "multinomial",
    "nonzero",
    "nonzero as a tuple",
    "one_hot",  # without num_classes
    "poisson",
    "repeat_interleave",
    "repeat_interleave of places",
    "tensor_split",  # at the places in a tensor
    "unique",
    "unique_consecutive",
    "unique_places",
    "x[key] = value",
    "x[key]",
}
#: what would change a tensor that the samples share; steps of optimizers, whose parameters and gradients must be of one kind;
#: and what needs values of tensors that differ
REFUSED_SHARED = {
    "adam",
    "bincount with weights",
    "binomial",
    "counted",
    "row_scaled_step",
    "running statistics",
    "running statistics of instances",
    "sgd",
}
#: what the refusals say
SAYS = (
    "cannot be read inside the function",
    "a result of another shape",
    "the samples of vmap share the tensor",
    "its entry in gradients",
    "and parameter 0 on cpu",
)
#: ops that run for one sample after the other
LOOPED = {"xp.searchsorted"}


def refused(checks: Iterable[Callable[[], None]]) -> bool:
    """Whether one of ``checks`` is refused, in the words of ``SAYS``; all others pass."""
    found = False
    for one in checks:
        try:
            one()
        except (DeviceError, InplaceError, StateError, UnsupportedError) as error:
            if not any(part in str(error) for part in SAYS):
                raise
            found = True
    return found


@pytest.mark.parametrize("dtype", [tl.float32, tl.float64], ids=str)
@pytest.mark.parametrize("name", ROWS)
def test_a_batch_equals_a_loop_and_a_stack(name: str, dtype: Any) -> None:
    checks = [functools.partial(check_batch, call, dim) for call in calls(TABLE[name], dtype) for dim in (0, -1)]
    assert refused(checks) == (name in REFUSED)


@pytest.mark.parametrize("name", ROWS)
def test_what_the_samples_share_is_one_value(name: str) -> None:
    several = [call for call in calls(TABLE[name], tl.float64) if len(call.sample(0)) > 1]
    checks = [functools.partial(check_batch, call, shared=True) for call in several]
    assert refused(checks) == (name in REFUSED_SHARED)


@pytest.mark.parametrize("name", [name for name in ROWS if name not in REFUSED])
def test_a_batch_of_batches_equals_two_loops(name: str) -> None:
    for call in calls(TABLE[name], tl.float64, most=2):
        check_nested(call)


@pytest.mark.parametrize(
    "name", [name for name in ROWS if name not in REFUSED and TABLE[name].grad and tl.float64 in TABLE[name].dtypes]
)
def test_the_gradients_of_samples_are_those_of_a_loop(name: str) -> None:
    for call in calls(TABLE[name], tl.float64):
        check_gradients(call)


def test_few_ops_run_for_one_sample_after_the_other() -> None:
    """Those of the tests above, which run first; the names are those of kernels, and of functions of the array library."""
    looped: set[str] = set()
    for device in levels._devices.values():
        looped |= device.backend.loops
    assert looped <= LOOPED
