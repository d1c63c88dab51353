"""What is compiled, and how often: once for each combination of settings and shapes, never for values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.op.parameter import parameters_of
from tapeloom.op.registry import OPS, REGISTRY
from tapeloom_backend_jax.program import OPERAND, VALUE, compiled, sorts, typed

Count = Callable[[Callable[[], Any]], int]


def matrix(**options: Any) -> tl.Tensor:
    return tl.arange(12.0, device="xla").reshape(3, 4).clone().requires_grad_(**options)


def through(function: Callable[[tl.Tensor], tl.Tensor]) -> None:
    """Forward and backward."""
    x = matrix()
    (function(x) * 1.5).sum().backward()
    assert x.grad is not None


def labels() -> tl.Tensor:
    return tl.tensor([0, 1, 3], device="xla")


# new values compile nothing

VALUES: dict[str, tuple[Callable[[tl.Tensor, Any], tl.Tensor], list[Any]]] = {
    "a number operand": (lambda x, v: x * v + v, [2.5, 3.5, -1.0]),
    "a position": (lambda x, v: x[v], [0, 2, 1, -1]),
    "two positions": (lambda x, v: x[v], [(0, 1), (2, 3), (1, -1)]),
    "the start of a slice": (lambda x, v: x[:, v : v + 2], [0, 2, 1]),
    "the start of a stepped slice": (lambda x, v: x[:, v : v + 3 : 2], [0, 1]),
    "the start of narrow": (lambda x, v: x.narrow(1, v, 2), [0, 2, 1]),
    "the slope of leaky_relu": (lambda x, v: OPS.leaky_relu(x, v), [0.1, 0.2, 0.3]),
    "the value of pad": (lambda x, v: tl.pad(x, (1, 1), value=v), [0.5, 0.25, -1.0]),
    "the epsilon of layer_norm": (lambda x, v: OPS.layer_norm(x, (4,), None, None, v), [1e-5, 1e-3]),
    "positions in a tensor": (lambda x, v: x[tl.tensor(v, device="xla")], [[0, 1], [2, 2], [-1, 0]]),
    "the bounds of clamp": (lambda x, v: x.clamp(v, v + 3), [1.0, 2.0, 0.0]),
    "the exponent of pow": (lambda x, v: x**v, [2.0, 3.0, 0.5]),
    "the class that cross_entropy ignores": (lambda x, v: tl.cross_entropy(x, labels(), ignore_index=v), [-100, 1, 3]),
    "the class that nll_loss ignores": (lambda x, v: tl.nll_loss(x, labels(), ignore_index=v), [-100, 1, 3]),
    "the smoothing of labels": (lambda x, v: tl.cross_entropy(x, labels(), label_smoothing=v), [0.1, 0.2, 1.0]),
    "the diagonal of tril": (lambda x, v: x.tril(v), [0, 1, -2, 9]),
    "the diagonal of triu": (lambda x, v: x.triu(v), [0, 1, -2, 9]),
    "the shift of roll": (lambda x, v: x.roll(v, 1), [1, 2, -1, 0, 9]),
    "the shifts of roll": (lambda x, v: x.roll(v, (0, 1)), [(1, 2), (0, 3), (-1, 2)]),
}


@pytest.mark.parametrize("what", VALUES)
def test_values_are_not_compiled_for(what: str, compilations: Count) -> None:
    function, values = VALUES[what]
    through(lambda x: function(x, values[0]))
    for value in values[1:]:
        assert compilations(lambda value=value: through(lambda x: function(x, value))) == 0, f"{what}: {value}"


def test_assignments_are_not_compiled_for_their_place(compilations: Count) -> None:
    def assign(place: int) -> None:
        x = tl.zeros(5, 3, device="xla")
        x[place] = 1.5
        x[place, 1:3] = 2.5
        x.narrow(0, place, 1).add_(1.0)
        assert x[place].tolist() == [2.5, 3.5, 3.5]
        assert x.sum().item() == 9.5

    assign(1)
    assert compilations(lambda: [assign(place) for place in (0, 2, 3, 4)]) == 0


RANDOM: dict[str, Callable[[int], tl.Tensor]] = {
    "the bounds of uniform": lambda v: tl.empty(7, device="xla").uniform_(-v, v + 0.5),
    "the bounds of randint": lambda v: tl.randint(-v, 10 * v, (7,), device="xla"),
    "wide bounds of randint": lambda v: tl.randint(-v, 2**40 * v, (7,), device="xla"),
    "the probability of dropout": lambda v: tl.dropout(tl.ones(7, device="xla"), 0.1 * v),
    "the seed": lambda v: tl.rand(7, device="xla", generator=tl.Generator().manual_seed(v)),
    "the order of randperm": lambda v: tl.randperm(7, device="xla", generator=tl.Generator().manual_seed(v)),
}


@pytest.mark.parametrize("what", RANDOM)
def test_random_numbers_are_not_compiled_for_their_settings(what: str, compilations: Count) -> None:
    draw = RANDOM[what]
    draw(1)
    assert compilations(lambda: [draw(value) for value in (2, 3, 4)]) == 0


def test_masks_compile_nothing_for_a_new_count(compilations: Count) -> None:
    def masked(count: int) -> None:
        x = matrix()
        mask = tl.arange(12, device="xla").reshape(3, 4) < count
        (picked := x[mask]).backward(tl.ones(count, device="xla"))
        assert picked.tolist() == list(range(count))
        assert x.grad is not None
        assert x.grad.sum().item() == count
        changed = x.detach()
        changed[mask] = -1.0
        assert changed.sum().item() == sum(range(count, 12)) - count
        rows = x.detach()[tl.arange(3, device="xla") < count % 4]
        assert rows.shape == (min(count % 4, 3), 4)

    masked(3)
    assert compilations(lambda: [masked(count) for count in (0, 1, 5, 6, 11, 12)]) == 0


def test_new_sizes_of_new_tensors_compile_nothing(compilations: Count) -> None:
    def make(n: int) -> None:
        for made in (tl.zeros, tl.ones, tl.randn):
            assert made(n, 3, device="xla").shape == (n, 3)
        assert tl.arange(n, device="xla").tolist() == list(range(n))
        assert tl.full((n,), 2.5, device="xla").tolist() == [2.5] * n

    make(5)
    assert compilations(lambda: [make(n) for n in (6, 7, 8)]) == 0


def test_many_tensors_are_joined_in_groups(compilations: Count) -> None:
    """XLA compiles one program of thousands of arrays for minutes, and its gradient for longer."""

    def join(count: int, dim: int) -> None:
        x = tl.ones(2, 2, device="xla", requires_grad=True)
        parts = [x * number for number in range(count)]
        joined = tl.cat(parts, dim)
        (joined * 2).sum().backward()
        assert joined.shape[dim] == 2 * count
        assert joined.select(1 - dim, 0)[::2].tolist() == list(range(count))
        assert x.grad is not None
        assert x.grad.tolist() == [[count * (count - 1.0)] * 2] * 2

    assert compilations(lambda: join(5000, 0)) < 40
    join(64, 1)
    join(65, 1)
    assert compilations(lambda: join(65, 1)) == 0


def test_a_second_run_compiles_nothing(compilations: Count) -> None:
    def run() -> None:
        x = matrix()
        y = tl.cat([x.exp(), x.t().reshape(3, 4)], 1) @ tl.ones(8, 2, device="xla")
        (y.log_softmax(1).mean(0) * 3 - x[1:3, ::2].sum()).sum().backward()

    run()
    assert compilations(run) == 0


# settings


def test_settings_that_python_calls_equal_have_programs_of_their_own() -> None:
    x = jnp.ones((), jnp.float64)

    def decides(x: Any, value: Any) -> Any:
        return x + len(repr(value)) if value else x - len(repr(value))

    text = compiled("decides", decides, [OPERAND, VALUE])
    for value in (1, 1.0, True, 0.0, -0.0, 0, False):
        length = len(repr(value))
        assert float(text(x, value)) == (1 + length if value else 1 - length), value


def test_typed_keys_differ_where_types_or_signs_do() -> None:
    values = [1, 1.0, True, 0, 0.0, -0.0, False, 1j, complex(-0.0, 1)]
    values += [(1, 2), (1.0, 2), (True, 2), [1, 2], "1", None, float("nan")]
    keys = [typed(value) for value in values]
    assert len(set(keys)) == len(values)
    assert typed(float("nan")) == typed(float("nan"))


def test_parameters_say_what_is_an_operand() -> None:
    assert sorts(REGISTRY["leaky_relu"].parameters) == ["operand", "value"]
    assert sorts(REGISTRY["sum"].parameters) == ["operand", "setting", "setting"]  # the dtype is not handed to kernels
    assert sorts(REGISTRY["slice_get"].parameters) == ["operand", "value"]
    assert sorts(parameters_of(ArrayKernels.integers_from_words, skip=1)) == ["operand", "value", "value", "setting"]


def test_a_number_that_is_decided_upon_becomes_a_setting(compilations: Count) -> None:
    def kernel(x: Any, scale: float, flag: float) -> Any:
        return x * scale if flag else x + scale

    program = compiled("decides", kernel, [OPERAND, VALUE, VALUE])
    x = jnp.ones(3)
    assert program(x, 2.0, 1.0).tolist() == [2.0] * 3
    assert program(x, 2.0, 0.0).tolist() == [3.0] * 3
    assert compilations(lambda: [program(x, scale, 0.0) for scale in (3.0, 4.0)]) == 0
    assert program(x, 5.0, 1.0).tolist() == [5.0] * 3


def test_an_error_of_the_kernel_itself_is_raised_as_it_is() -> None:
    def kernel(x: Any, scale: float) -> Any:
        raise TypeError("not like this")

    with pytest.raises(TypeError, match="not like this"):
        compiled("fails", kernel, [OPERAND, VALUE])(jnp.ones(3), 2.0)


def test_variance_decides_upon_its_correction() -> None:
    x = matrix()
    for correction in (0, 1, 12, 13):
        with np.errstate(all="ignore"):
            want = tl.arange(12.0).reshape(3, 4).var(correction=correction).item()
        np.testing.assert_allclose(x.var(correction=correction).item(), want, rtol=1e-6)


# dtypes


def test_no_result_is_weak(backend: Any) -> None:
    """A weak result would have every op behind it compiled a second time, and could change a dtype."""
    x = tl.arange(12.0, device="xla").reshape(3, 4)
    results = [
        x + 1, x * 2.5, 1 - x, x / 3, x.sum(), x.mean(0), x[0], tl.where(x > 1, x, 0.0), x.clamp(0, 1), x.clone().zero_(),
        tl.full((), 2.0, device="xla"), tl.zeros(2, device="xla"), OPS.full_of(x, 1), OPS.zero_of(x), x.softmax(1),
        x.argmax(), tl.arange(3, device="xla"), x.var(), OPS.leaky_relu(x, 0.1), x.float(), x.long(), x.bool(),
    ]  # fmt: skip
    for result in results:
        assert not result.array.weak_type, result
        assert backend.dtype_of(result.array) is result.dtype


def test_core_decides_every_dtype() -> None:
    """With JAX's promotion switched off altogether, forward and backward run all the same."""
    with jax.numpy_dtype_promotion("strict"):
        for dtype in ("float16", "bfloat16", "float32", "float64"):
            x = tl.arange(12, device="xla").reshape(3, 4).to(dtype).requires_grad_()
            steps = tl.tensor([[1, 2, 3, 4]], device="xla")
            y = (x * steps + 1.5 - x / 3).exp2().log1p() ** 2
            y = tl.where(y > 3, y, y * 0.1).clamp(0.1, 50.0)
            y = y @ y.t() + y.sum(1, keepdim=True) - y.amax()
            z = y.softmax(0) + y.log_softmax(1).mean() + x[:, :3] * x[1, 2] + x.var(1, keepdim=True)
            z = tl.cat([z, x[tl.tensor([0, 2], device="xla")][:, 1:]], 0).cumsum(0)
            z.std().backward()
            assert z.dtype is x.dtype
            assert x.grad is not None
            assert x.grad.dtype is x.dtype


def test_64_bit_dtypes_stay() -> None:
    x = tl.tensor([2**53 + 1, -(2**62)], device="xla")
    assert x.dtype is tl.int64
    assert x.tolist() == [2**53 + 1, -(2**62)]
    assert (x + 1).tolist() == [2**53 + 2, 1 - 2**62]
    y = tl.tensor([1 + 2**-50], dtype=tl.float64, device="xla")
    assert (y - 1).item() == 2**-50
    assert y.array.dtype == np.float64


# other platforms


def _exported(op: str, *args: Any, platforms: tuple[str, ...] = ("cuda", "tpu")) -> Any:
    from tapeloom.backend.plugins import get_backend

    backend: Any = get_backend("xla")
    kernel = getattr(backend.kernels, op)
    places = [place for place, arg in enumerate(args) if isinstance(arg, jax.ShapeDtypeStruct)]

    def traced(*arrays: Any) -> Any:
        full = list(args)
        for place, array in zip(places, arrays, strict=True):
            full[place] = array
        return kernel(*full)

    return jax.export.export(jax.jit(traced), platforms=platforms)(*[args[place] for place in places])


def _shape(*shape: int, dtype: Any = np.float32) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


PAIR = (1, 1)
LOWERED: dict[str, tuple[Any, ...]] = {
    "add": (_shape(3, 4), _shape(4)),
    "matmul": (_shape(5, 3, 4, dtype=jnp.bfloat16), _shape(5, 4, 2, dtype=jnp.bfloat16)),
    "sum": (_shape(3, 4), (1,), False),
    "softmax": (_shape(3, 4), 1),
    "log_softmax": (_shape(3, 4), 1),
    "erf": (_shape(3, 4),),
    "gelu": (_shape(3, 4), "none"),
    "layer_norm": (_shape(3, 4), (4,), _shape(4), _shape(4), 1e-5),
    "cross_entropy_rows": (_shape(3, 4), _shape(3, dtype=np.int64), None, -100, "mean", 0.1),
    "convolution": (_shape(2, 4, 8, 8), _shape(6, 2, 3, 3), _shape(6), PAIR, PAIR, PAIR, 2),
    "convolution_input_gradient": (_shape(2, 6, 8, 8), _shape(6, 4, 3, 3), (2, 4, 8, 8), PAIR, PAIR, PAIR, 1),
    "convolution_weight_gradient": (_shape(2, 6, 8, 8), _shape(2, 4, 8, 8), (6, 4, 3, 3), PAIR, PAIR, PAIR, 1),
    "max_pool_with_indices": (_shape(2, 4, 8, 8), (2, 2), (2, 2), (0, 0), PAIR, False),
    "max_pool_backward": (_shape(2, 4, 4, 4), _shape(2, 4, 4, 4, dtype=np.int64), (2, 4, 8, 8)),
    "avg_pool_backward": (_shape(2, 4, 4, 4), (2, 4, 8, 8), (2, 2), (2, 2), (0, 0), False, True, None),
    "index": (_shape(5, 4), [_shape(3, dtype=np.int64)], (0,)),
    "scatter_add": (_shape(5, 4), 0, _shape(2, 4, dtype=np.int64), _shape(2, 4)),
    "tril": (_shape(3, 4), 1),
    "roll_along": (_shape(3, 4), 1, 1),
    "embedding_backward": (_shape(6, 4), _shape(6, dtype=np.int64), 10, None),
    "cumsum": (_shape(3, 4), 1),
    "random_words": (_shape(dtype=np.uint64), _shape(dtype=np.uint64), 100),
}


@pytest.mark.parametrize("op", LOWERED)
def test_kernels_lower_for_other_platforms(op: str) -> None:
    args = LOWERED[op]
    if op == "index":
        exported = _exported("index_select", args[0], 0, args[1][0])
    else:
        exported = _exported(op, *args)
    assert set(exported.platforms) == {"cuda", "tpu"}


def test_every_op_has_a_kernel(backend: Any) -> None:
    missing = [name for name in REGISTRY if getattr(backend.kernels, name, None) is None]
    assert missing == []
