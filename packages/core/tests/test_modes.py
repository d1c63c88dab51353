"""Modes: one block object in several threads and tasks, blocks that end in another order, nesting."""

from __future__ import annotations

import asyncio
import threading

import pytest

import tapeloom as tl
from tapeloom.modes import MODES

BLOCKS = {
    "no_grad": (tl.no_grad(), tl.is_grad_enabled, False),
    "inference_mode": (tl.inference_mode(), tl.is_inference_mode_enabled, True),
    "device": (tl.device("cpu"), lambda: MODES.get().device, tl.device("cpu")),
    "host_fallback": (tl.host_fallback(), lambda: MODES.get().host_fallback, tl.get_backend("cpu")),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_threads_share_one_block_object(name):
    """Their blocks overlap: each thread enters before any leaves, and they leave in the order of entering."""
    block, state, inside = BLOCKS[name]
    outside, together, found, errors = state(), threading.Barrier(3), [], []
    turns = [threading.Event() for _ in range(4)]
    turns[0].set()

    def work(number):
        try:
            together.wait(10)
            with block:
                found.append(state())
                together.wait(10)
                assert turns[number].wait(10)
            found.append(state())
            turns[number + 1].set()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and found == [inside] * 3 + [outside] * 3


@pytest.mark.parametrize("name", BLOCKS)
def test_tasks_share_one_block_object(name):
    block, state, inside = BLOCKS[name]
    outside, found = state(), []

    async def work(pauses):
        with block:
            for _ in range(pauses):
                found.append(state() == inside)
                await asyncio.sleep(0)
        found.append(state() == outside)

    async def main():
        await asyncio.gather(*(work(pauses) for pauses in (3, 1, 2)))

    asyncio.run(main())
    assert len(found) == 9 and all(found) and state() == outside


def test_one_object_nested_in_itself():
    block = tl.no_grad()
    with block:
        with tl.enable_grad(), block:
            assert not tl.is_grad_enabled()
        assert not tl.is_grad_enabled()
    assert tl.is_grad_enabled()


def test_blocks_that_end_in_another_order_leave_nothing_behind():
    outer, inner = tl.no_grad(), tl.inference_mode()
    before = MODES.get()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert MODES.get() is before
    inner.__exit__(None, None, None)
    assert MODES.get() is before


def test_leaving_what_was_never_entered_changes_nothing():
    with tl.no_grad():
        tl.inference_mode().__exit__(None, None, None)
        assert not tl.is_grad_enabled()


def test_a_switch_within_a_block_ends_with_it():
    with tl.no_grad():
        tl.set_grad_enabled(True)
        assert tl.is_grad_enabled()
    assert tl.is_grad_enabled()
    with tl.device("cpu"), tl.set_grad_enabled(False):
        assert not tl.is_grad_enabled() and MODES.get().device is tl.device("cpu")
    assert tl.is_grad_enabled() and MODES.get().device is None


def test_backward_within_blocks_keeps_them():
    x = tl.ones(1, requires_grad=True)
    y = x * 2
    with tl.no_grad():
        y.backward()
        assert not tl.is_grad_enabled()
    assert tl.is_grad_enabled() and x.grad.tolist() == [2.0]
