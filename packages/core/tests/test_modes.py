"""Modes: one block object in several threads and tasks, blocks that end in another order, nesting."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading

import pytest

import tapeloom as tl
from tapeloom.modes import MODES

BLOCKS = {
    "no_grad": (tl.no_grad(), tl.is_grad_enabled, False),
    "inference_mode": (tl.inference_mode(), tl.is_inference_mode_enabled, True),
    "device": (tl.device("cpu"), lambda: MODES.get().device, tl.device("cpu")),
    "autocast": (tl.autocast("cpu"), lambda: tl.is_autocast_enabled("cpu"), True),
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


# functions that stop and go on: their body runs inside, what the caller does in between outside

SWITCHES = {
    "no_grad": (tl.no_grad(), lambda: not tl.is_grad_enabled()),
    "no_grad without brackets": (tl.no_grad, lambda: not tl.is_grad_enabled()),
    "inference_mode": (tl.inference_mode(), tl.is_inference_mode_enabled),
    "set_grad_enabled": (lambda function: tl.set_grad_enabled(False)(function), lambda: not tl.is_grad_enabled()),
    "host_fallback": (tl.host_fallback(), lambda: MODES.get().host_fallback is not None),
}
each_switch = pytest.mark.parametrize(("switch", "inside"), SWITCHES.values(), ids=SWITCHES)


@each_switch
def test_each_part_of_a_generator_runs_inside(switch, inside):
    seen = []

    @switch
    def parts(start):
        """What it says."""
        try:
            while True:
                seen.append(inside())
                try:
                    start = yield start
                except KeyError as error:
                    seen.append(inside())
                    start = error.args[0]
                if start is None:
                    return "the end"
        finally:
            seen.append(inside())

    def outside():
        return not inside() and seen[-1]

    running = parts(1)
    assert parts.__name__ == "parts" and parts.__doc__ == "What it says." and not inside()
    assert next(running) == 1 and outside()
    assert running.send(2) == 2 and outside()
    assert running.throw(KeyError(3)) == 3 and outside()
    with pytest.raises(StopIteration) as end:
        running.send(None)
    assert end.value.value == "the end" and outside()
    with pytest.raises(ZeroDivisionError):
        (later := parts(1)).send(None), later.throw(ZeroDivisionError)
    assert outside()
    (later := parts(1)).send(None)
    later.close()
    assert all(seen) and len(seen) == 9 and outside()


def test_a_generator_that_does_not_record():
    x = tl.ones(2, requires_grad=True)

    @tl.no_grad()
    def batches():
        for _ in range(2):
            yield x * 2

    assert [(y.requires_grad, (x * y).requires_grad) for y in batches()] == [(False, True)] * 2


def test_an_error_in_a_generator_leaves_no_cycle():
    @tl.no_grad()
    def parts():
        yield 1

    gc.collect()
    gc.disable()
    try:
        running = parts()
        next(running)
        with contextlib.suppress(KeyError):
            running.throw(KeyError())
        del running
        assert gc.collect() == 0
    finally:
        gc.enable()


@each_switch
def test_each_part_of_a_coroutine_runs_inside(switch, inside):
    """A task goes on outside while another one, of the same program, runs inside."""
    seen = []

    @switch
    async def part(pauses):
        for _ in range(pauses):
            seen.append(inside())
            await asyncio.sleep(0)
        return pauses

    @switch
    async def parts(pauses):
        for number in range(pauses):
            seen.append(inside())
            await asyncio.sleep(0)
            try:
                yield number
            finally:
                seen.append(inside())

    async def main():
        both = await asyncio.gather(part(3), part(2))
        found = []
        async for number in parts(3):
            found.append((number, inside()))
        left = parts(3)
        assert await left.asend(None) == 0
        await left.aclose()
        thrown = parts(1)
        await thrown.asend(None)
        with pytest.raises(KeyError):
            await thrown.athrow(KeyError())
        return both, found, inside()

    assert asyncio.run(main()) == ([3, 2], [(number, False) for number in range(3)], False)
    assert all(seen) and len(seen) == 5 + 6 + 2 + 2


def test_a_coroutine_driven_by_hand_is_left_between_its_parts():
    class Pause:
        def __await__(self):
            yield "paused"

    @tl.no_grad()
    async def part():
        assert not tl.is_grad_enabled()
        await Pause()
        assert not tl.is_grad_enabled()
        return 1

    running = part()
    assert running.send(None) == "paused" and tl.is_grad_enabled()
    with pytest.raises(StopIteration) as end:
        running.send(None)
    assert end.value.value == 1 and tl.is_grad_enabled()
