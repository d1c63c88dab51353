"""The hook for all that watches: closed ops, watchers, other threads, exceptions; and that nothing is left of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.op import Op, primitive
from tapeloom.call.watch import Watcher, close, reopen, watching
from tapeloom.modes import MODES
from tapeloom.op.registry import REGISTRY


class Recorder(Watcher):
    """Writes down what it sees; ``name`` goes before it, into a list that several may share."""

    def __init__(self, name="", seen=None, ops=None):
        self.name = name
        self.ops = ops
        self.seen = [] if seen is None else seen

    def before(self, op, values):
        self.seen.append(f"{self.name}before {op.name}")

    def after(self, op, values, result):
        self.seen.append(f"{self.name}after {op.name}")

    def after_recording(self, node):
        self.seen.append(f"{self.name}recorded {node.name}")

    def after_backward(self, node, g, pairs):
        self.seen.append(f"{self.name}backward {node.name}")


@pytest.fixture(autouse=True)
def _all_open_afterwards():
    yield
    assert not [name for name, op in REGISTRY.items() if op.closed]


def short_path_is_open(op):
    """Whether a call of ``op`` leaves its kernel on the short path."""
    op.kernel_by_kind.clear()
    op(tl.ones(2), tl.ones(2))
    return bool(op.kernel_by_kind)


# what a watcher sees


def test_calls_and_walks_in_order():
    watcher = Recorder()
    x = tl.ones(2, requires_grad=True)
    with watching(watcher):
        (x * 2).sum().backward()
    assert watcher.seen == [
        *("before multiply", "after multiply", "before sum", "after sum"),
        *("backward SumBackward", "backward MultiplyBackward"),
    ]
    (x * 2).sum().backward()
    assert len(watcher.seen) == 6


def test_ops_that_are_in_use_already_are_seen_by_every_spelling():
    x = tl.ones(2)
    calls = (lambda: x + x, lambda: x.add(x), lambda: tl.add(x, x), lambda: x.clone().add_(x), lambda: 1 + x)
    for call in calls:
        call()
    for call in calls:
        watcher = Recorder()
        with watching(watcher):
            call()
        assert "after add" in watcher.seen


def test_transfers_and_functions_are_seen_when_they_are_recorded():
    from tapeloom.testing.refusals import another_device

    class Double(tl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    watcher = Recorder()
    x = tl.ones(1, requires_grad=True)
    with another_device() as device, watching(watcher):
        y = Double.apply(x)
        y.to(tl.device(device))
    assert [entry for entry in watcher.seen if "recorded" in entry] == [
        "recorded DoubleBackward",
        "recorded ToBackward",
    ]
    assert "after multiply" in watcher.seen


def test_only_the_chosen_ops_are_closed():
    watcher = Recorder(ops=[REGISTRY["exp"]])
    REGISTRY["sin"].kernel_by_kind.clear()  # its call takes the general path, and is not seen all the same
    with watching(watcher):
        tl.ones(2).exp().sin()
        assert short_path_is_open(REGISTRY["add"])
    assert watcher.seen == ["before exp", "after exp"]


def test_before_may_replace_arguments():
    class Halved(Watcher):
        def before(self, op, values):
            if op.name == "exp":
                values[0] = values[0] * 0

    with watching(Halved()):
        assert tl.ones(2).exp().tolist() == [1.0, 1.0]


def test_a_watcher_may_call_ops_itself():
    class Norms(Watcher):
        def __init__(self):
            self.seen = []

        def after(self, op, values, result):
            self.seen.append((op.name, float(result.abs().sum())))

    outer, inner = Recorder(), Norms()
    with watching(outer), watching(inner):
        tl.ones(2) * 3
    assert inner.seen == [("multiply", 6.0)]
    assert outer.seen == [  # the others see what a watcher does
        *("before multiply", "after multiply"),
        *("before abs", "after abs", "before sum", "after sum"),
    ]


def test_a_fused_op_is_one_op_in_backward_too():
    watcher = Recorder()
    x = tl.ones(2, 3, requires_grad=True)
    loss = tl.gelu(x).sum()
    with watching(watcher):
        loss.backward()
    assert watcher.seen == ["backward SumBackward", "backward GeluBackward"]


# nesting and exceptions


def test_watchers_nest():
    seen = []
    add, exp = REGISTRY["add"], REGISTRY["exp"]
    with watching(Recorder("1 ", seen)):
        with watching(Recorder("2 ", seen, [add])):
            assert (add.closed, exp.closed) == (2, 1)
            tl.ones(1) + 1
        assert (add.closed, exp.closed) == (1, 1)
        tl.ones(1).exp()
    assert seen == ["1 before add", "2 before add", "1 after add", "2 after add", "1 before exp", "1 after exp"]
    assert short_path_is_open(add)


def test_one_block_object_can_be_entered_twice():
    watcher = Recorder()
    block = watching(watcher)
    with block, block:
        tl.ones(1).exp()
    assert watcher.seen == ["before exp", "before exp", "after exp", "after exp"]
    assert MODES.get().watchers == ()


def test_an_exception_reopens_the_ops():
    class Failing(Watcher):
        def after(self, op, values, result):
            raise ZeroDivisionError(op.name)

    with pytest.raises(ZeroDivisionError, match="exp"), watching(Failing()):
        tl.ones(1).exp()
    assert MODES.get().watchers == () and short_path_is_open(REGISTRY["add"])


def test_an_exception_in_a_watcher_of_a_walk_leaves_every_grad_as_it_was():
    class Failing(Watcher):
        def after_backward(self, node, g, pairs):
            raise ZeroDivisionError

    x = tl.ones(1, requires_grad=True)
    y = (x * 2).exp()
    with pytest.raises(ZeroDivisionError), watching(Failing()):
        y.backward()
    assert x.grad is None


def test_blocks_that_end_in_another_order():
    outer, inner = watching(Recorder()), watching(Recorder())
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    assert MODES.get().watchers == () and short_path_is_open(REGISTRY["add"])


def test_ops_that_are_declared_meanwhile_are_closed_too():
    watcher = Recorder()
    try:
        with watching(watcher):

            @primitive(composite=True)
            def declared_meanwhile(input: Tensor) -> Tensor:
                """For this test."""

            assert isinstance(declared_meanwhile, Op) and declared_meanwhile.closed == 1
        assert declared_meanwhile.closed == 0
    finally:
        REGISTRY.pop("declared_meanwhile", None)


# threads and tasks


def test_other_threads_are_not_watched_and_compute_the_same():
    watcher, results, entered, done = Recorder(), [], threading.Event(), threading.Event()

    def work():
        entered.wait(10)
        x = tl.ones(2, requires_grad=True)
        (x * 3).sum().backward()
        results.append(x.grad.tolist())
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    with watching(watcher):
        entered.set()
        assert done.wait(10)
    thread.join()
    assert results == [[3.0, 3.0]] and watcher.seen == []


def test_no_call_is_missed_while_other_threads_fill_the_short_path():
    """Threads call an op without pause while it is closed again and again: none may put its kernel back meanwhile."""
    add, stop, errors = REGISTRY["add"], threading.Event(), []
    kinds = [tl.ones(2, dtype=dtype) for dtype in (tl.float32, tl.float64, tl.int64, tl.int32)]

    def calls():
        try:
            while not stop.is_set():
                for tensor in kinds:
                    assert (tensor + tensor).tolist() == [2, 2]
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(300):
            watcher = Recorder(ops=[add])
            with watching(watcher):
                for tensor in kinds:
                    tensor + tensor
                assert add.kernel_by_kind == {}
            assert len(watcher.seen) == 8
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors and short_path_is_open(add)


def test_threads_that_watch_at_the_same_time():
    """Each sees its own calls, all of them, and after the last the ops are open."""
    errors = []

    def work(number):
        try:
            x = tl.ones(2)
            for _ in range(60):
                watcher = Recorder(ops=[REGISTRY["exp"]])
                with watching(watcher), watching(Recorder()) if number % 2 else tl.enable_grad():
                    for _ in range(number + 1):
                        x.exp()
                assert watcher.seen == ["before exp", "after exp"] * (number + 1)
                x.exp()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and short_path_is_open(REGISTRY["add"])


def test_tasks_have_watchers_of_their_own():
    async def work(count):
        watcher = Recorder()
        with watching(watcher):
            for _ in range(count):
                tl.ones(1).exp()
                await asyncio.sleep(0)
        return len(watcher.seen)

    async def main():
        return await asyncio.gather(*(work(count) for count in (1, 2, 3)))

    assert asyncio.run(main()) == [2, 4, 6]


def test_closing_counts():
    exp = REGISTRY["exp"]
    close([exp])
    close()
    reopen([exp])
    assert exp.closed == 1
    reopen()
    assert exp.closed == 0
