"""vmap where JAX maps the kernels itself: a few rows, one for each way in which arguments hold samples.

All rows run on the CPU in the tests of core.
"""

from __future__ import annotations

import pytest

import tapeloom as tl
from tapeloom.testing.batches import calls, check_batch, check_gradients, check_nested
from tapeloom.testing.table import load

TABLE = load()


@pytest.mark.parametrize("name", ["cat", "conv2d", "cross_entropy", "index_select", "softmax", "x[key] = value"])
def test_a_batch_equals_a_loop_and_a_stack(name: str) -> None:
    for call in calls(TABLE[name], tl.float32, "xla:0", most=1):
        check_batch(call)


def test_a_batch_of_batches_equals_two_loops() -> None:
    check_nested(calls(TABLE["matmul"], tl.float32, "xla:0")[0])


@pytest.mark.parametrize("name", ["conv2d", "sum"])
def test_the_gradients_of_samples_are_those_of_a_loop(name: str) -> None:
    check_gradients(calls(TABLE[name], tl.float32, "xla:0")[0])


def test_what_the_samples_share_is_one_value() -> None:
    for name in ("masked_select", "matmul"):
        check_batch(calls(TABLE[name], tl.float32, "xla:0")[0], shared=True)


def test_random_numbers_and_half_types() -> None:
    x = tl.zeros(3, 2, device="xla")
    tl.manual_seed(0)
    drawn = tl.vmap(lambda row: row + tl.rand(2, device="xla"), randomness="different")(x)
    tl.manual_seed(0)
    assert drawn.tolist() == tl.rand(3, 2).tolist()
    half = tl.ones(3, 2, device="xla", dtype=tl.float16)
    assert tl.vmap(lambda row: row.softmax(0))(half).tolist() == [[0.5, 0.5]] * 3
