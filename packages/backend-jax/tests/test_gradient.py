"""Gradient rules as programs: half types, conjugations, several outputs, composites without rules."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend.kernels import ArrayKernels, composed
from tapeloom.call.op import Op
from tapeloom.op.registry import OPS, REGISTRY
from tapeloom.tape.plan import OpPlan
from tapeloom.tensors.kind import kind_of
from tapeloom.tensors.node import Leaf, Node

XLA = tl.device("xla:0")


def pulled(op: Op[Any, Any], dtype: Any, kept: tuple[Any, ...], g: Any) -> list[Any]:
    """What the backend's runner gives for one node of ``op`` whose inputs and result have one shape and dtype."""
    kind = kind_of(dtype, XLA)
    node = object.__new__(Node)
    node.plan = plan = OpPlan(op, (True,) * len(op.inputs))
    node.edges = tuple(Leaf(kind, g.shape) for _ in op.inputs)
    node.kept, node.kind, node.shape = kept, kind, g.shape
    pairs = plan.pairs(node, node.kept, g, create=False)
    assert [edge for edge, _ in pairs] == list(node.edges)
    return [np.asarray(gradient) for _, gradient in pairs]


def product(**settings: Any) -> Op[Any, Any]:
    def multiply(input, other):  # type: ignore[no-untyped-def]
        pass

    multiply.__annotations__ = {"input": "TensorLike", "other": "TensorLike"}
    op: Op[Any, Any] = Op(multiply, settings)
    op.gradient(input=lambda g, other: g * other, other=lambda g, input: g * input)
    return op


def test_analytic_rules_run_between_two_conjugations() -> None:
    a, b, g = (jnp.asarray(np.array(value, np.complex64)) for value in ([1 + 2j, 3j], [2 - 1j, 1 + 1j], [1j, 2 + 1j]))
    da, db = pulled(product(complex="analytic"), tl.complex64, (a, b), g)
    np.testing.assert_allclose(da, g * np.conj(b))
    np.testing.assert_allclose(db, g * np.conj(a))
    da, db = pulled(product(complex="as written"), tl.complex64, (a, b), g)
    np.testing.assert_allclose(da, g * b)


def test_complex_numbers_through_the_tape() -> None:
    x = tl.tensor([[1 + 2j, 3j], [2 - 1j, 0.5]], device="xla", requires_grad=True)
    y = x.sum(0)
    y.backward(tl.tensor([1j, 2 - 1j], device="xla"))
    assert y.tolist() == [3 + 1j, 0.5 + 3j]
    assert x.grad is not None
    assert x.grad.tolist() == [[1j, 2 - 1j]] * 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_rules_are_computed_in_float32_and_rounded_once(dtype: str) -> None:
    def rules(device: str) -> Any:
        x = tl.linspace(0.5, 3.0, 50, dtype=dtype, device=device).requires_grad_()
        (x.exp() / x).backward(tl.ones(50, dtype=dtype, device=device))
        assert x.grad is not None
        return x.grad.float().numpy(force=True)

    ours, theirs = rules("xla"), rules("cpu")
    assert (np.abs(ours - theirs) <= np.abs(theirs) * 2.0 ** (-7 if dtype == "bfloat16" else -10)).all()
    a, b, g = (jnp.asarray(np.linspace(1, 2, 9) ** power, dtype) for power in (1, 2, 3))
    da, _ = pulled(product(), tl.dtypes.as_dtype(dtype), (a, b), g)
    assert da.dtype == a.dtype
    np.testing.assert_array_equal(da, np.asarray(np.asarray(g, np.float32) * np.asarray(b, np.float32), a.dtype))


# composites without rules


def composite(name: str) -> Op[Any, Any]:
    """The op ``name`` without its rules."""
    known = REGISTRY[name]
    settings = {"composite": True, "residuals": known.residuals, "takes": known.dtype_rule.takes}
    op: Op[Any, Any] = Op(known.__wrapped__, settings)
    assert op.derived
    return op


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_composite_without_rules_has_the_gradient_of_its_text(dtype: str) -> None:
    bare = composite("layer_norm")
    results = []
    for op in (bare, OPS.layer_norm):
        x, w = (tl.tensor(np.cos(np.arange(n)), dtype=dtype, device="xla") for n in (12, 4))
        x, w = x.reshape(3, 4).requires_grad_(), w.requires_grad_()
        out = op(x, (4,), w, None, 1e-5)
        out.backward(tl.tensor(np.sin(np.arange(12)), dtype=dtype, device="xla").reshape(3, 4))
        assert x.grad is not None
        assert w.grad is not None
        results.append([t.detach().double().numpy(force=True) for t in (out, x.grad, w.grad)])
    budget = {"rtol": 2e-2, "atol": 1e-2} if dtype == "bfloat16" else {"rtol": 1e-4, "atol": 1e-6}
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, **budget)


def test_a_composite_without_rules_has_second_gradients() -> None:
    bare = composite("gelu")
    seconds = []
    for op in (bare, OPS.gelu):
        x = tl.linspace(-2, 2, 9, dtype="float64", device="xla").requires_grad_()
        (first,) = tl.autograd.grad((op(x, "none") ** 2).sum(), x, create_graph=True)
        (second,) = tl.autograd.grad((first * first).sum(), x)
        seconds.append(second.numpy(force=True))
    np.testing.assert_allclose(*seconds, rtol=1e-9)


def test_a_derived_gradient_compiles_once(compilations: Any) -> None:
    bare = composite("layer_norm")

    def run(eps: float) -> None:
        x = tl.ones(3, 4, device="xla", requires_grad=True)
        bare(x, (4,), None, None, eps).backward(tl.ones(3, 4, device="xla"))

    run(1e-5)
    assert compilations(lambda: [run(eps) for eps in (1e-4, 1e-3)]) == 0


class Parts(NamedTuple):
    """Two results and the places of one of them."""

    low: Any
    high: Any
    place: Any


def parts_text(self: Any, x: Any, y: Any, scale: Any) -> tuple[Any, Any, Any]:
    return self.minimum(x, y) * scale, self.sum(x * y, (0,), False), self.cast(x, tl.int64)


def parts_op(name: str, complex_word: str | None = None) -> Op[Any, Any]:
    def parts(input, other, scale):  # type: ignore[no-untyped-def]
        pass

    parts.__name__ = name
    parts.__annotations__ = {"input": "Tensor", "other": "Tensor", "scale": "float"}
    return Op(parts, {"composite": True, "outputs": Parts, "complex": complex_word})


def test_several_outputs_of_a_composite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing came back to some outputs; integers are among them."""
    monkeypatch.setattr(ArrayKernels, "parts_for_test", parts_text, raising=False)
    op = parts_op("parts_for_test")
    x = tl.tensor([1.0, 5.0], device="xla", requires_grad=True)
    y = tl.tensor([3.0, 4.0], device="xla", requires_grad=True)
    out = op(x, y, 2.0)
    assert out.place.tolist() == [1, 5]
    assert not out.place.requires_grad
    out.high.backward(retain_graph=True)
    assert x.grad is not None
    assert y.grad is not None
    assert (x.grad.tolist(), y.grad.tolist()) == ([3.0, 4.0], [1.0, 5.0])
    (out.low.sum() + out.high).backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([3.0 + 3 + 2, 4.0 + 4], [1.0 + 1, 5.0 + 5 + 2])


def test_a_composite_of_complex_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's gradient is the conjugate of the derivative."""
    monkeypatch.setattr(ArrayKernels, "cube_for_test", lambda self, x: x * x * x, raising=False)

    def cube_for_test(input):  # type: ignore[no-untyped-def]
        pass

    cube_for_test.__annotations__ = {"input": "Tensor"}
    for word in ("analytic", "as written"):
        op: Op[Any, Any] = Op(cube_for_test, {"composite": True, "complex": word})
        x = tl.tensor([1 + 2j, 3j], device="xla", requires_grad=True)
        op(x).backward(tl.tensor([1.0 + 0j, 1j], device="xla"))
        assert x.grad is not None
        z = np.array([1 + 2j, 3j])
        np.testing.assert_allclose(x.grad.numpy(force=True), np.array([1, 1j]) * np.conj(3 * z * z), rtol=1e-6)


def test_a_composite_of_a_list_under_create_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of its text, to the second order: the sum of the squares of all tensors."""

    def squares_for_test(self: Any, tensors: list[Any]) -> Any:
        total = tensors[0] * tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor * tensor
        return total

    def declared(tensors):  # type: ignore[no-untyped-def]
        pass

    monkeypatch.setattr(ArrayKernels, "squares_for_test", composed(squares_for_test), raising=False)
    declared.__name__ = "squares_for_test"
    declared.__annotations__ = {"tensors": "Sequence[Tensor]"}
    op: Op[Any, Any] = Op(declared, {"composite": True})
    x, y = (tl.tensor([value, 1.0], device="xla", requires_grad=True) for value in (3.0, 4.0))
    gx, gy = tl.autograd.grad((op([x, y]) * x).sum(), [x, y], create_graph=True)
    assert gx is not None and gy is not None
    assert gx.tolist() == [3 * 9.0 + 16, 4.0] and gy.tolist() == [24.0, 2.0]
    (second,) = tl.autograd.grad(gy.sum(), [x])
    assert second is not None and second.tolist() == [8.0, 2.0]


@pytest.mark.parametrize("device", ["cpu", "xla"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_that_names_an_op_without_a_kernel_says_so(
    monkeypatch: pytest.MonkeyPatch, device: str, create_graph: bool
) -> None:
    def lacking_for_test(input):  # type: ignore[no-untyped-def]
        pass

    lacking_for_test.__annotations__ = {"input": "Tensor"}
    monkeypatch.setitem(REGISTRY, "lacking_for_test", Op(lacking_for_test, {"namespace": None}))
    op = product()
    op.gradient(input=lambda g, ops: ops.lacking_for_test(g))
    x = tl.tensor([1.0, 2.0], device=device, requires_grad=True)
    with pytest.raises(tl.errors.UnsupportedError, match=r"^lacking_for_test: the backend '\w+' .* has no kernel for"):
        op(x, x.detach()).sum().backward(create_graph=create_graph)
    vars(OPS).pop("lacking_for_test", None)
