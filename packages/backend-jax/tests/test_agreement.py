"""The same programs on the NumPy and the XLA backend: values and gradients agree within a budget for each class of op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.op.registry import OPS

#: allowed difference, in spacings of the dtype at the largest magnitude of the result
ROUNDED, FUNCTION, SUM, CHAIN = 2, 16, 64, 256
EPS = {"float32": 2.0**-23, "float64": 2.0**-52, "bfloat16": 2.0**-7, "float16": 2.0**-10}

Program = Callable[..., Any]


def draw(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Any:
    return np.random.default_rng((seed, *shape)).uniform(low, high, shape)


A, B, C = draw(3, 4), draw(4, seed=1), draw(3, 1, seed=2)
POSITIVE = draw(3, 4, low=0.2, high=3.0)
UNIT = draw(3, 4, low=-0.9, high=0.9)
WIDE = draw(33, 65)
IMAGES, FILTERS = draw(2, 4, 9, 8), draw(6, 4, 3, 3, seed=1)

CASES: dict[str, tuple[int, Program, tuple[Any, ...]]] = {
    "arithmetic": (ROUNDED, lambda x, y: (x + y) * (x - y), (A, B)),
    "division": (ROUNDED, lambda x, y: x / y, (A, POSITIVE)),
    "broadcasting": (SUM, lambda x, y, z: x * y + z, (A, B, C)),
    "powers": (FUNCTION, lambda x, y: x**y + x**2 + x**0.5, (POSITIVE, UNIT)),
    "remainders": (ROUNDED, lambda x, y: tl.remainder(x, y) + tl.fmod(x, y), (A, POSITIVE)),
    "rounding": (ROUNDED, lambda x: x.floor() + x.ceil() + x.trunc() + x.round(), (A * 3,)),
    "exponentials": (FUNCTION, lambda x: x.exp() + x.exp2() + x.expm1(), (A,)),
    "logarithms": (FUNCTION, lambda x: x.log() + x.log2() + x.log10() + x.log1p() + x.sqrt() + x.rsqrt(), (POSITIVE,)),
    "trigonometry": (FUNCTION, lambda x: x.sin() * x.cos() + x.tan().atan() + x.sinh().asinh() + x.tanh(), (UNIT,)),
    "inverse functions": (FUNCTION, lambda x: x.asin() + x.acos() + x.atanh(), (UNIT * 0.9,)),
    "two-argument functions": (FUNCTION, lambda x, y: tl.atan2(x, y) + tl.hypot(x, y) + tl.logaddexp(x, y), (A, A.T.reshape(3, 4))),
    "choices": (ROUNDED, lambda x, y: tl.maximum(x, y) - tl.minimum(x, y) + tl.where(x > y, x, y * 2), (A, B)),
    "clamping": (ROUNDED, lambda x: x.clamp(-1, 1) + x.clamp(min=0.5) + x.abs() * x.sign(), (A,)),
    "activations": (FUNCTION, lambda x: x.relu() + x.sigmoid() + OPS.silu(x) + OPS.gelu(x, "none") + OPS.elu(x, 1.0), (A,)),
    "sums": (SUM, lambda x: x.sum(0) * x.mean() + x.sum(1, keepdim=True).sum(), (WIDE,)),
    "products": (SUM, lambda x: x.prod(1) + x.cumprod(1).sum(1), (POSITIVE,)),
    "running sums": (SUM, lambda x: x.cumsum(0) + x.cumsum(1), (WIDE,)),
    "extremes": (ROUNDED, lambda x: x.amax(0) * x.amin((0, 1)) + x.max(1).values.sum() + x.min(0)[0], (A,)),
    "variances": (SUM, lambda x: x.var(0) + x.std(0) + x.var(), (WIDE,)),
    "norms": (SUM, lambda x: x.norm() + x.norm(1, 0) + x.logsumexp(0), (WIDE,)),
    "products of matrices": (SUM, lambda x: x @ x.t() + (x[0] @ x.t()), (WIDE,)),
    "batches of matrices": (SUM, lambda x, y: tl.bmm(x, y) + (x @ y[0]), (draw(3, 5, 7), draw(3, 7, 5))),
    "linear": (SUM, lambda x, w, b: OPS.linear(x, w, b), (draw(2, 5, 7), draw(3, 7), draw(3))),
    "shapes": (ROUNDED, lambda x: x.reshape(2, 6).t().unsqueeze(1).expand(6, 3, 2).permute(2, 0, 1).flip(1).squeeze(), (A,)),
    "joining": (ROUNDED, lambda x, y: tl.cat([x, y.expand(2, 4), x * 2]) * tl.stack([y] * 8), (A, B)),
    "splitting": (ROUNDED, lambda x: x[:, :2] * x.narrow(1, 2, 2) + x.chunk(2, 1)[1] + x.split([1, 3], 1)[0], (A,)),
    "padding": (ROUNDED, lambda x: tl.pad(x, (1, -1, 0, 2), value=0.5) * 2, (A,)),
    "positions": (ROUNDED, lambda x: x[1] * x[:, 1].sum() + x[2, 3] + x[-1, ::2].sum() + x[None, 1:, 1].sum(), (A,)),
    "index tensors": (ROUNDED, lambda x: x[at([0, 2, 0], x)] + x[at([1], x), at([3], x)] + x[x > 0].sum(), (A,)),
    "gathering": (SUM, lambda x: x.gather(1, at([[0, 0], [3, -0], [2, 1]], x)) + x.index_select(1, at([1, 1], x)), (A,)),
    "scattering": (SUM, lambda x, y: x.scatter_add(0, at([[0, 0, 2, 1]], x), y.reshape(1, 4)), (A, B)),
    "adding at places": (SUM, lambda x: x.index_add(1, at([1, 1], x), x[:, :2]), (A,)),
    "triangles": (ROUNDED, lambda x: x.tril() + x.triu(1) * 2, (A,)),
    "assignment": (ROUNDED, lambda x, y: assigned(x, y), (A, B)),
    "softmax": (FUNCTION, lambda x: x.softmax(1) * x.log_softmax(0), (WIDE,)),
    "layer_norm": (CHAIN, lambda x, w, b: OPS.layer_norm(x, (65,), w, b, 1e-5), (WIDE, draw(65), draw(65, seed=3))),
    "cross_entropy": (CHAIN, lambda x: tl.cross_entropy(x, at([1, 0, 3], x), label_smoothing=0.1), (A,)),
    "embedding": (SUM, lambda w: tl.embedding(at([[1, 2], [1, 0]], w), w, padding_idx=0), (A,)),
    "convolution": (CHAIN, lambda x, w: tl.conv2d(x, w, stride=2, padding=1), (IMAGES, FILTERS)),
    "grouped convolution": (CHAIN, lambda x, w: tl.conv2d(x, w, padding=(2, 1), dilation=2, groups=2), (IMAGES, FILTERS[:, :2])),
    "max pooling": (ROUNDED, lambda x: tl.max_pool2d(x, 3, 2, 1) + tl.max_pool2d(x, 3, 2, 1, ceil_mode=True)[:, :, :5, :4], (IMAGES,)),
    "max pooling of equal values": (ROUNDED, lambda x: tl.max_pool2d((x * 2).round(), 2) * x[:, :, :4, :4], (IMAGES,)),
    "average pooling": (SUM, lambda x: tl.avg_pool2d(x, 3, 2, 1) - tl.avg_pool2d(x, 3, 2, 1, count_include_pad=False), (IMAGES,)),
}  # fmt: skip


def at(places: Any, like: tl.Tensor) -> tl.Tensor:
    return tl.tensor(places, device=like.device)


def assigned(x: tl.Tensor, y: tl.Tensor) -> tl.Tensor:
    z = x * 1
    z[1] = y
    z[:, ::2] *= 2
    z[at([0, 2], x), 1] = y[:2] * 3
    z.t()[3].add_(1.0)
    return z


def run(program: Program, inputs: tuple[Any, ...], dtype: str, device: str) -> tuple[Any, list[Any]]:
    leaves = [tl.tensor(x, dtype=dtype, device=device).requires_grad_() for x in inputs]
    out = program(*leaves)
    assert out.device.type == device
    weights = tl.tensor(np.cos(np.arange(out.numel())).reshape(out.shape), dtype=out.dtype, device=device)
    (out * weights).sum().backward()
    return out.numpy(force=True), [None if x.grad is None else x.grad.numpy(force=True) for x in leaves]


def agree(got: Any, want: Any, budget: int, dtype: str) -> None:
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    got, want = got.astype(np.float64), want.astype(np.float64)
    largest = np.abs(want).max(initial=0.0)
    assert np.abs(got - want).max(initial=0.0) <= budget * EPS[dtype] * largest


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_programs_agree(name: str, dtype: str) -> None:
    budget, program, inputs = CASES[name]
    want, want_gradients = run(program, inputs, dtype, "cpu")
    got, got_gradients = run(program, inputs, dtype, "xla")
    agree(got, want, budget, dtype)
    for ours, theirs in zip(got_gradients, want_gradients, strict=True):
        agree(ours, theirs, 4 * budget, dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "name", ["arithmetic", "choices", "sums", "linear", "softmax", "layer_norm", "cross_entropy", "convolution"]
)
def test_half_types_agree(name: str, dtype: str) -> None:
    _, program, inputs = CASES[name]
    want, want_gradients = run(program, inputs, dtype, "cpu")
    got, got_gradients = run(program, inputs, dtype, "xla")
    agree(got, want, 8, dtype)
    for ours, theirs in zip(got_gradients, want_gradients, strict=True):
        agree(ours, theirs, 16, dtype)


@pytest.mark.parametrize(
    "name",
    ["powers", "activations", "products", "positions", "cross_entropy", "layer_norm", "convolution", "max pooling"],
)
def test_second_derivatives_agree(name: str) -> None:
    budget, program, inputs = CASES[name]

    def second(device: str) -> list[Any]:
        leaves = [tl.tensor(x, dtype="float64", device=device).requires_grad_() for x in inputs]
        first = tl.autograd.grad((program(*leaves) ** 2).sum(), leaves, create_graph=True)
        total = sum((g * g.detach().cos()).sum() for g in first)
        return [g.numpy(force=True) for g in tl.autograd.grad(total, leaves)]

    for ours, theirs in zip(second("xla"), second("cpu"), strict=True):
        agree(ours, theirs, 64 * budget, "float64")


@pytest.mark.parametrize("values", [[], [[1, 0], [0, 2]], [True, False, True]])
def test_what_depends_on_values_runs_on_the_host(values: Any) -> None:
    ours, theirs = (tl.tensor(values, device=device) for device in ("xla", "cpu"))
    assert OPS.nonzero(ours).tolist() == OPS.nonzero(theirs).tolist()
    assert ours[ours > 0].tolist() == theirs[theirs > 0].tolist()
    assert OPS.nonzero(ours).device.type == "xla"


def test_integers_wrap_and_shift_as_in_numpy() -> None:
    for dtype in ("uint8", "int8", "int32", "int64"):
        limits = tl.iinfo(tl.dtypes.as_dtype(dtype))
        results = []
        for device in ("cpu", "xla"):
            x = tl.tensor([limits.min, limits.max, 7, 3], dtype=dtype, device=device)
            y = tl.tensor([3, 2, 2, 5], dtype=dtype, device=device)
            results.append([z.tolist() for z in (x + y, x * y, x // y, x % y, x & y, x ^ y)])
        assert results[0] == results[1]
