"""Function transforms: what they promise beyond the values, which tests/oracle compares with PyTorch."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend.batches.array import Batch
from tapeloom.backend.batches.functions import Functions, looped
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    IndexingError,
    InplaceError,
    ShapeError,
    StateError,
    UnsupportedError,
)
from tapeloom.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, linearize, value_and_grad, vjp, vmap
from tapeloom.tape.levels import LEVELS
from tapeloom.testing.checks import function_of, gradient_cases
from tapeloom.testing.gradients import gradcheck
from tapeloom.testing.table import load

TABLE = load()


def drawn(*size: int, seed: int = 0) -> Any:
    return tl.tensor(np.random.default_rng(seed).uniform(0.3, 1.7, size), dtype=tl.float64)


def curve(x: Any) -> Any:
    return (x.sin() * x.sum()).softmax(0) + x.prod() * x**2


# jvp


def test_jvp_is_the_difference_quotient() -> None:
    x, v, step = drawn(4), drawn(4, seed=1), 1e-6
    out, pushed = jvp(curve, (x,), (v,))
    numeric = (curve(x + step * v) - curve(x - step * v)) / (2 * step)
    assert tl.allclose(out, curve(x)) and tl.allclose(pushed, numeric, rtol=1e-7)


def test_jvp_linearize_and_the_jacobians_agree() -> None:
    x, v = drawn(4), drawn(4, seed=1)
    rows, columns = jacrev(curve)(x), jacfwd(curve)(x)
    assert tl.allclose(rows, columns)
    assert tl.allclose(jvp(curve, (x,), (v,))[1], rows @ v)
    assert tl.allclose(linearize(curve, x)[1](v), rows @ v)
    assert tl.allclose(vjp(curve, x)[1](v)[0], v @ rows)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.grad == 2])
def test_jvp_of_every_row_is_the_difference_quotient(name: str) -> None:
    for case, dtype in gradient_cases(TABLE[name], 2):
        function, tensors = function_of(case, "cpu", dtype)
        if tensors:
            settings = {"eps": 1e-5, "atol": 1e-6, "rtol": 1e-6}
            gradcheck(function, tensors, check_backward_ad=False, check_forward_ad=True, **settings)


def test_jvp_of_a_function_that_ignores_its_input() -> None:
    with pytest.raises(tl.errors.GradientError, match="strict=True"):
        jvp(lambda x: tl.ones(2), (tl.ones(3),), (tl.ones(3),), strict=True)


def test_transforms_are_differentiable() -> None:
    assert gradcheck(grad(lambda x: curve(x).sum()), drawn(3).requires_grad_())
    assert gradcheck(jacrev(curve), drawn(3).requires_grad_())
    assert gradcheck(jacfwd(curve), drawn(3).requires_grad_())
    assert gradcheck(vmap(grad(lambda x: curve(x).sum())), drawn(2, 3).requires_grad_())


def test_value_and_grad_is_grad_and_value_turned() -> None:
    value, gradient = value_and_grad(lambda x: (x**2).sum())(tl.tensor([1.0, 2.0]))
    assert value.item() == 5.0 and gradient.tolist() == [2.0, 4.0]


# what is recorded, and what stays


def test_a_result_is_recorded_only_where_an_outer_tape_leads_to_it() -> None:
    x, w = tl.ones(3), tl.ones(3, requires_grad=True)
    assert not grad(lambda x: (x**2).sum())(x).requires_grad
    assert grad(lambda x: (x * w).sum())(x).requires_grad
    with tl.no_grad():
        assert not grad(lambda x: (x * w).sum())(x).requires_grad
        assert grad(lambda x: (x**3).sum())(x).tolist() == [3.0, 3.0, 3.0]
    assert not vmap(lambda x: x * 2)(x).requires_grad
    assert w.grad is None


def test_nothing_is_left_behind() -> None:
    class Stop(Exception):
        pass

    def stop(x: Any) -> Any:
        raise Stop

    with pytest.raises(Stop):
        vmap(vmap(stop))(tl.ones(2, 3))
    assert not LEVELS.get()

    def program() -> None:
        hessian(lambda x: curve(x).sum())(drawn(3))
        vmap(grad(lambda x: curve(x).sum()))(drawn(2, 3)).sum()

    gc.disable()
    try:
        for _ in range(3):
            program()
        before = len(gc.get_objects())
        for _ in range(5):
            program()
        assert len(gc.get_objects()) - before < 50
    finally:
        gc.enable()


def test_threads_have_levels_of_their_own() -> None:
    found: dict[int, Any] = {}

    def work(size: int) -> None:
        w = tl.ones(2, requires_grad=True)
        for _ in range(30):
            w.grad = None
            vmap(lambda x: (x * w).sum())(tl.ones(size, 2)).sum().backward()
        found[size] = w.grad.tolist()

    threads = [threading.Thread(target=work, args=(size,)) for size in (1, 2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {size: [size] * 2 for size in (1, 2, 3, 5)}


# within vmap


def test_a_tensor_shows_one_sample() -> None:
    def look(x: Any) -> Any:
        assert x.shape == (3,) and x.ndim == 1 and x.numel() == 3 and len(x) == 3
        assert x.device == tl.device("cpu") and x.device.type == "cpu" and tl.ones(1).device == x.device
        assert repr(x).startswith("vmap of 2 tensors of shape (3,):")
        assert x.to("cpu") is x and tl.zeros(3, device=x.device).tolist() == [0.0, 0.0, 0.0]
        return x

    x = tl.ones(2, 3)
    assert vmap(look)(x).tolist() == x.tolist()


def test_what_the_samples_share_gets_the_sum_of_their_gradients() -> None:
    w = tl.ones(3, requires_grad=True)
    x = tl.arange(6.0).reshape(2, 3)
    vmap(lambda x: (x * w).sum())(x).sum().backward()
    assert w.grad.tolist() == x.sum(0).tolist()
    w.grad = None
    vmap(lambda x: w.sum())(x).sum().backward()
    assert w.grad.tolist() == [2.0, 2.0, 2.0]


def test_functions_of_the_user_run_on_batches() -> None:
    class Scaled(tl.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            return x * w

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, w = ctx.saved_tensors
            return g * w, g * x

    w = tl.tensor([2.0, 3.0, 4.0], requires_grad=True)
    x = tl.arange(6.0).reshape(2, 3)
    assert vmap(grad(lambda x: Scaled.apply(x, w).sum()))(x).tolist() == [[2.0, 3.0, 4.0]] * 2
    vmap(lambda x: Scaled.apply(x, w).sum())(x).sum().backward()
    assert w.grad.tolist() == x.sum(0).tolist()


@pytest.mark.parametrize(
    ("program", "raises", "says"),
    [
        (lambda x: x.item(), ShapeError, "item: a tensor of shape"),
        (lambda x: x.sum().item(), StateError, "the values of a batched tensor cannot be read"),
        (lambda x: x if x.sum() > 0 else -x, StateError, "the values of a batched tensor cannot be read"),
        (lambda x: x.tolist(), StateError, "the values of a batched tensor cannot be read"),
        (
            lambda x: x.nonzero(),
            UnsupportedError,
            "nonzero: under vmap each sample would have a result of another shape",
        ),
        (lambda x: x[x > 1], UnsupportedError, "a result of another shape"),
        (
            lambda x: tl.ones(3).add_(x),
            InplaceError,
            "add_: the samples of vmap share the tensor that is to be changed",
        ),
        (lambda x: tl.ones(3).__setitem__(0, x[0]), InplaceError, "the samples of vmap share the tensor"),
        (lambda x: x + tl.rand(3), StateError, "rand: random numbers are drawn within vmap"),
        (lambda x: 3.0, ArgumentTypeError, "vmap: the function must return tensors, got float"),
        (lambda x: x @ tl.ones(2, 2), ShapeError, "matmul: shapes"),
        (lambda x: tl.ones(4)[x.long() * 7], IndexingError, "index: index 7 is out of range for dim 0 of length 4."),
    ],
)
def test_refusals(program: Any, raises: type[Exception], says: str) -> None:
    with pytest.raises(raises, match=says.replace("(", r"\(")):
        vmap(program)(tl.ones(2, 3))
    assert not LEVELS.get()


@pytest.mark.parametrize(
    ("call", "raises", "says"),
    [
        (
            lambda x: vmap(lambda x: x, in_dims="0")(x),
            ArgumentError,
            "vmap: in_dims must be an int or a tuple in the form of the arguments, got str.",
        ),
        (
            lambda x: vmap(lambda x: x, in_dims=2)(x),
            ShapeError,
            "vmap: in_dims has 2 for a tensor of shape (2, 3), which has no such dimension.",
        ),
        (
            lambda x: vmap(lambda x: x, in_dims=(0, 0))(x),
            ArgumentError,
            "vmap: in_dims (0, 0) does not fit the arguments, (*): the branches are not the same.",
        ),
        (
            lambda x: vmap(lambda x, y: x)(x, x[:1]),
            ShapeError,
            ("vmap: the arguments have [2, 1] samples along their dimensions of in_dims. They must agree."),
        ),
        (
            lambda x: vmap(lambda x: x, out_dims=5)(x),
            ShapeError,
            "vmap: out_dims has 5 for a result whose samples have shape (3,).",
        ),
        (
            lambda x: vmap(lambda x: x, randomness="none")(x),
            ArgumentError,
            "vmap: randomness must be one of 'error', 'different', 'same', got 'none'.",
        ),
        (
            lambda x: grad(lambda x: x)(x),
            ShapeError,
            (
                "grad: the function must return one number, a tensor without dimensions, got shape (2, "
                "3). Reduce it, for instance with .sum(), or use vjp or jacrev."
            ),
        ),
        (
            lambda x: grad(lambda x: x.sum(), 1)(x),
            ArgumentError,
            "grad: argnums has 1, and 1 positional arguments were given.",
        ),
        (
            lambda x: jvp(lambda x: x, (x,), (x[0],)),
            ShapeError,
            "jvp: a tangent is float32[3], and what it belongs to float32[2, 3]. They must agree.",
        ),
        (
            lambda x: functional_call(object(), 3),
            ArgumentTypeError,
            "functional_call: expected a dict of tensors by name, or a list of such dicts, got int.",
        ),
        (
            lambda x: vmap(vjp(vmap(lambda x: x.sin()), x)[1])(tl.ones(4, 2, 3)),
            StateError,
            (
                "vmap: a gradient goes back through a vmap that has ended, and it is a batch of another "
                "one. Call vjp within the function that is mapped, or use tapeloom.func.jacrev."
            ),
        ),
    ],
)
def test_messages(call: Any, raises: type[Exception], says: str) -> None:
    with pytest.raises(raises) as caught:
        call(tl.ones(2, 3))
    assert str(caught.value) == says


def test_no_samples_at_all() -> None:
    x = tl.ones(0, 3)
    for function in (tl.sin, lambda x: x.reshape(-1, 1), lambda x: x.sum(), lambda x: (x @ tl.ones(3, 2)).softmax(0)):
        assert vmap(function)(x).shape == (0, *function(tl.ones(3)).shape)
    assert looped(lambda x: (x.sum(), x[:2]), 0, np, Batch(np.ones((0, 3)), 0))[1].held.shape == (0, 2)


def test_functions_of_the_array_library() -> None:
    """Those that no shared kernel calls yet, by each of their classes, against a loop."""
    rng = np.random.default_rng(0)
    loops: set[str] = set()
    xp: Any = Functions(np, 0, loops)
    x, y, v = (
        Batch(rng.uniform(1, 2, size) + eye, 0)
        for size, eye in (((4, 3, 3), 3 * np.eye(3)), ((4, 3, 3), 0), ((4, 3), 0))
    )
    for call in (
        lambda xp, x, y, v: xp.linalg.solve(x, v),
        lambda xp, x, y, v: xp.linalg.solve(x, y),
        lambda xp, x, y, v: xp.linalg.solve(np.eye(3) * 2, v),
        lambda xp, x, y, v: xp.linalg.inv(x),
        lambda xp, x, y, v: xp.linalg.vector_norm(x),
        lambda xp, x, y, v: xp.linalg.matrix_norm(x),
        lambda xp, x, y, v: xp.fft.fft(x),
        lambda xp, x, y, v: xp.fft.fftn(x),
        lambda xp, x, y, v: xp.fft.fftn(x, axes=(0,)),
        lambda xp, x, y, v: xp.vecdot(x, v),
        lambda xp, x, y, v: xp.matmul(v, x),
        lambda xp, x, y, v: xp.matmul(x, v),
        lambda xp, x, y, v: xp.matmul(v, v),
        lambda xp, x, y, v: xp.take(x, np.asarray([2, 0]), axis=1),
        lambda xp, x, y, v: xp.take(x, xp.astype(v, np.int64), axis=-1),
        lambda xp, x, y, v: xp.roll(x, 1),
        lambda xp, x, y, v: xp.roll(x, (1, 2), axis=(0, 1)),
        lambda xp, x, y, v: xp.argmax(x, keepdims=True),
        lambda xp, x, y, v: xp.argmax(x, axis=0),
        lambda xp, x, y, v: xp.concat([x, np.zeros((1, 3))], axis=0),
        lambda xp, x, y, v: xp.concat([x, v], axis=None),
        lambda xp, x, y, v: xp.moveaxis(x, 0, -1),
        lambda xp, x, y, v: xp.searchsorted(xp.sort(v), xp.sort(v) + 0.1),
        lambda xp, x, y, v: xp.tensordot(x, y),
    ):  # fmt: skip
        got = call(xp, x, y, v).held
        want = np.stack([call(np, x.held[n], y.held[n], v.held[n]) for n in range(4)])
        np.testing.assert_allclose(got, want, rtol=1e-12)
    assert loops == {"xp.searchsorted", "xp.tensordot"}


# random numbers


def test_samples_have_their_own_random_numbers_or_the_same() -> None:
    x = tl.zeros(4, 3)
    for draw in (
        lambda x: x + tl.rand(3),
        lambda x: x + tl.randn(3),
        tl.rand_like,
        lambda x: x.clone().uniform_(),
        lambda x: x + tl.randperm(3),
    ):
        same = vmap(draw, randomness="same")(x)
        assert (same == same[0]).all()
        assert not (vmap(draw, randomness="different")(x) == same).all()
    nested = vmap(vmap(lambda x: x + tl.rand(()), randomness="different"), randomness="same")(x)
    assert (nested == nested[0]).all() and nested[0].unique().numel() == 3 if hasattr(tl, "unique") else True


def test_the_seed_decides() -> None:
    tl.manual_seed(3)
    first = vmap(lambda x: x + tl.rand(2), randomness="different")(tl.zeros(3, 2))
    tl.manual_seed(3)
    assert (first == tl.rand(3, 2)).all()
