"""Anomaly detection: the operation that made the first nan, the line of its call, and its module."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.autograd import detect_anomaly, set_detect_anomaly
from tapeloom.call.watch import CALLER
from tapeloom.errors import AnomalyError, ArgumentTypeError, GradientError
from tapeloom.op.registry import REGISTRY


@pytest.fixture(autouse=True)
def _off_afterwards():
    yield
    assert not tl.is_anomaly_enabled() and CALLER.get() is None
    assert not [name for name, op in REGISTRY.items() if op.closed]


def zeros():
    return tl.zeros(2, requires_grad=True)


def line_of(marker):
    """The number of the line of this file that ends with the comment ``marker``."""
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {marker}"))


def message(run, **settings):
    with detect_anomaly(**settings), pytest.raises(AnomalyError) as caught:
        run()
    return str(caught.value)


# backward


def test_it_says_what_where_and_what_to_do():
    def run():
        y = zeros().sqrt()  # the root
        (y * 0).sum().backward()

    assert message(run) == (
        "backward: SqrtBackward returned nan in the gradient of input 0 (shape (2,)); the gradient that came to it holds only "
        f"finite numbers. sqrt was called at {__file__}, line {line_of('the root')}, in run: "
        "`y = zeros().sqrt()  # the root`. Look at the values that it got there: its derivative is not finite at some of them.\n"
        "  what came 0: float32[2], finite from 0 to 0; 2 zeros"
    )


def test_a_nan_from_an_inf_points_at_who_took_the_result():
    def run():
        x = zeros()
        (x * 0).sqrt().sum().backward()

    text = message(run)
    assert text.startswith("backward: MultiplyBackward returned nan in the gradient of input 0")
    assert "the gradient that came to it holds inf" in text and "in an operation that took the result" in text


def test_a_nan_that_was_given():
    text = message(lambda: (zeros() * 1).backward(tl.tensor([1.0, float("nan")])))
    assert "the gradient that came to it holds nan" in text and "That was given to backward" in text


def test_it_is_a_gradient_error_and_no_grad_is_changed():
    x, y = zeros(), zeros()
    with detect_anomaly(), pytest.raises(GradientError):
        (y * 2 + x.sqrt() * 0).sum().backward()
    assert x.grad is None and y.grad is None


def test_what_was_recorded_before_has_no_place():
    y = (zeros().sqrt() * 0).sum()
    assert "run forward within detect_anomaly too" in message(y.backward)


def test_no_nan_no_error():
    with detect_anomaly(check_forward=True):
        x = zeros()
        (x.exp() * 2).sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
        assert tl.zeros(2).log().tolist() == [-float("inf")] * 2


@pytest.mark.parametrize("dtype", [tl.float16, tl.bfloat16, tl.float32, tl.float64])
def test_every_floating_dtype(dtype):
    assert "SqrtBackward" in message(lambda: (tl.zeros(2, dtype=dtype, requires_grad=True).sqrt() * 0).sum().backward())


def test_under_create_graph_and_through_several_outputs():
    def run():
        x = zeros()
        tl.autograd.grad((x.sqrt() * 0).sum(), x, create_graph=True)

    assert "SqrtBackward" in message(run)

    def several():
        (zeros().sqrt().max(0).values * 0).backward()

    assert "SqrtBackward" in message(several)


def test_a_function_of_the_users_own():
    class Broken(tl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    def run():
        Broken.apply(zeros()).sum().backward()  # the call

    text = message(run)
    assert "BrokenBackward returned nan" in text and f"line {line_of('the call')}, in run" in text


def test_other_errors_of_backward_carry_a_note():
    class Failing(tl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return 1 / 0

    with detect_anomaly(check_nan=False):
        y = Failing.apply(zeros()).sum()  # failing
        with pytest.raises(ZeroDivisionError) as caught:
            y.backward()
    (note,) = caught.value.__notes__
    assert (
        note.startswith("in the gradient of Failing. Failing was called at ") and f"line {line_of('failing')}," in note
    )


def test_check_nan_can_be_left_out():
    with detect_anomaly(check_nan=False):
        assert tl.is_anomaly_enabled() and not tl.is_anomaly_check_nan_enabled()
        (zeros().sqrt() * 0).sum().backward()


# forward


def test_the_first_nan_of_forward():
    def run():
        x = tl.tensor([-1.0])
        y = x.log()  # the logarithm
        y.exp()

    text = message(run, check_forward=True)
    assert text.startswith("log: the result holds nan; its inputs hold only finite numbers. It was called at ")
    assert f"line {line_of('the logarithm')}, in run: `y = x.log()" in text
    with detect_anomaly():
        run()


def test_a_nan_in_the_data():
    text = message(lambda: tl.tensor([float("nan")]) * 2, check_forward=True)
    assert text.startswith("multiply: the result holds nan; its inputs hold nan.") and "in the data" in text


# the module


class Rooted(nn.Module):
    def forward(self, x):
        return (x * 0).sqrt()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), Rooted()))

    def forward(self, x):
        return self.net(x)


def test_the_path_of_the_module():
    text = message(lambda: Net()(tl.ones(1, 2)).sum().backward())
    assert (
        text.startswith("backward: MultiplyBackward")
        and "`return (x * 0).sqrt()`, in module 'net.1.1' (Rooted) of Net." in text
    )


def test_the_path_of_a_layer_without_code_of_the_users():
    net = Net().net
    nn.init.ones_(net[0].weight)

    def run():
        net(tl.tensor([[float("inf"), -float("inf")]]))  # the model

    text = message(run, check_forward=True)
    assert text.startswith("linear: the result holds nan; its inputs hold inf.")
    assert f"line {line_of('the model')}, in run" in text and "in module '0' (Linear) of Sequential" in text


def test_a_module_that_is_not_registered_stands_for_itself():
    class Outer(nn.Module):
        def forward(self, x):
            return Rooted()(x)

    text = message(lambda: Outer()(tl.ones(1, requires_grad=True)).sum().backward())
    assert "in module Rooted." in text


def test_hooks_of_modules_run_while_it_watches():
    seen = []
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda module, args, output: seen.append(str(CALLER.get())))
    with detect_anomaly():
        layer(tl.ones(1, 2))
    assert seen == ["module Linear"]


# switching


def test_at_once_and_as_a_block():
    set_detect_anomaly(True)
    assert tl.is_anomaly_enabled() and tl.is_anomaly_check_nan_enabled()
    set_detect_anomaly(True, check_nan=False)
    assert tl.is_anomaly_enabled() and not tl.is_anomaly_check_nan_enabled()
    with set_detect_anomaly(False):
        assert not tl.is_anomaly_enabled()
    assert tl.is_anomaly_enabled() and REGISTRY["exp"].closed == 1
    set_detect_anomaly(False)
    assert not tl.is_anomaly_enabled() and REGISTRY["exp"].closed == 0
    with set_detect_anomaly(True):
        assert tl.is_anomaly_enabled()


def test_blocks_nest_and_the_innermost_counts():
    with detect_anomaly():
        with detect_anomaly(check_nan=False):
            assert not tl.is_anomaly_check_nan_enabled()
            (zeros().sqrt() * 0).sum().backward()
        assert tl.is_anomaly_check_nan_enabled()
        set_detect_anomaly(False)
        assert not tl.is_anomaly_enabled()
    block = detect_anomaly()
    with block, block:
        assert tl.is_anomaly_enabled()


def test_the_end_of_another_block_does_not_undo_it():
    with tl.no_grad():
        set_detect_anomaly(True)
    assert tl.is_anomaly_enabled() and tl.is_grad_enabled()
    set_detect_anomaly(False)


def test_it_is_a_decorator():
    @detect_anomaly(check_forward=True)
    def run():
        assert tl.is_anomaly_enabled()
        tl.tensor([-1.0]).sqrt()

    with pytest.raises(AnomalyError):
        run()


def test_it_holds_in_its_own_thread():
    found = []

    def elsewhere():
        found.append(tl.is_anomaly_enabled())
        x = zeros()
        (x.sqrt() * 0).sum().backward()
        found.append(x.grad.isnan().all().item())

    with detect_anomaly():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert found == [False, True]


@pytest.mark.parametrize("arguments", [(1,), (None,), (True, 1)])
def test_wrong_settings(arguments):
    with pytest.raises(ArgumentTypeError, match=r"^set_detect_anomaly: "):
        set_detect_anomaly(*arguments)


def test_nodes_remember_nothing_when_it_is_off():
    y = zeros().sqrt()
    assert y.grad_fn.hooks is None


# infinities, and what came in


def test_an_inf_where_it_is_looked_for():
    def run():
        x = tl.tensor([0.0, 2.0, float("nan"), -1.0], requires_grad=True)
        (1 / x).sum().backward()

    said = message(run, check_forward=True, check_inf=True)
    assert said.startswith("divide: the result holds nan; its inputs hold nan.")
    assert said.endswith("\n  what came 1: float32[4], finite from -1 to 2; 1 nan, 1 zeros")
    said = message(lambda: tl.tensor([0.0, 1.0]).log(), check_forward=True, check_inf=True)
    assert said.startswith("log: the result holds inf; its inputs hold only finite numbers.")
    said = message(lambda: zeros().sqrt().sum().backward(), check_inf=True)
    assert said.startswith("backward: SqrtBackward returned inf in the gradient of input 0 (shape (2,));")
    with detect_anomaly():
        zeros().sqrt().sum().backward()


def test_statistics_of_every_kind():
    def run(x):
        return lambda: x / 0 * 0

    said = message(run(tl.tensor([3j, float("inf")])), check_forward=True, check_inf=True)
    assert "\n  what came 0: complex64[2], sizes finite from 3 to 3; 1 inf" in said
