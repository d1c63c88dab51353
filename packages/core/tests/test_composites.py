"""A composite without a rule has the gradient of its text, to any order: lists, helpers, residuals, several outputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import tapeloom as tl
from tapeloom.backend.kernels import ArrayKernels, composed
from tapeloom.call.op import primitive
from tapeloom.op.registry import OPS, REGISTRY
from tapeloom.testing import gradcheck, gradgradcheck


class Pair(NamedTuple):
    """Two results."""

    total: Any
    product: Any


class Kernels:
    """The texts of the ops declared below."""

    @composed
    def trial_weighted(self: Any, tensors: list[Any], weight: Any, power: float) -> Any:
        total = self._trial_helper(tensors[0], power)
        for tensor in tensors[1:]:
            total = total + self._trial_helper(tensor, power)
        return total if weight is None else total * weight

    def _trial_helper(self: Any, x: Any, power: float) -> Any:
        return self.exp(self.log(x) * power)

    @composed
    def trial_pair(self: Any, x: Any, y: Any) -> Any:
        inner = self.sin(x)
        return (inner + y, inner * y), (("anything", inner), None)

    @composed
    def trial_cube(self: Any, x: Any) -> Any:
        return x * x * x


@pytest.fixture
def ops():
    """Two composites, and their texts among the shared kernels."""
    for name in ("trial_weighted", "_trial_helper", "trial_pair", "trial_cube"):
        setattr(ArrayKernels, name, getattr(Kernels, name))

    @primitive(composite=True)
    def trial_weighted(tensors: Sequence[Tensor], weight: Tensor | None, power: float) -> Tensor:  # noqa: F821
        """The sum of powers, weighted."""

    @primitive(composite=True, outputs=Pair, residuals=("opaque", "nothing"))
    def trial_pair(input: Tensor, other: Tensor) -> Pair:  # noqa: F821
        """Two results."""

    @primitive(composite=True, complex="analytic")
    def trial_cube(input: Tensor) -> Tensor:  # noqa: F821
        """The third power."""

    yield OPS
    for name in ("trial_weighted", "_trial_helper", "trial_pair", "trial_cube"):
        delattr(ArrayKernels, name)
        REGISTRY.pop(name, None)
        OPS.__dict__.pop(name, None)


def positive(*shape: int) -> tl.Tensor:
    return (tl.rand(*shape, dtype=tl.float64) + 0.5).requires_grad_()


def test_a_list_helpers_and_an_optional_input(ops):
    x, y, w = positive(3), positive(2, 3), positive(3)

    def function(x, y, w):
        return ops.trial_weighted([x, y], w, 1.5)

    assert gradcheck(function, [x, y, w])
    assert gradgradcheck(function, [x, y, w])
    assert gradcheck(lambda x, y: ops.trial_weighted([x, y], None, 1.5), [x, y])
    assert len(function(x, y, w).grad_fn.next_functions) == 3, "one node"


def test_some_inputs_alone(ops):
    x, y, w = positive(3), positive(3).detach(), positive(3)
    ops.trial_weighted([x, y], w, 2.0).sum().backward()
    assert tl.allclose(x.grad, 2 * x * w)
    assert tl.allclose(w.grad, x * x + y * y)


def test_several_outputs_and_an_opaque_residual(ops):
    x, y = positive(3), positive(3)
    result = ops.trial_pair(x, y)
    assert type(result) is Pair
    result.product.sum().backward()
    assert tl.allclose(x.grad, x.cos() * y) and tl.allclose(y.grad, x.sin())
    assert gradcheck(lambda x, y: tuple(ops.trial_pair(x, y)), [x, y])
    assert gradgradcheck(lambda x, y: tuple(ops.trial_pair(x, y)), [x, y])


def test_complex_numbers_are_conjugated_once(ops):
    x = tl.tensor([1 + 2j, 3j], requires_grad=True)
    ops.trial_cube(x).backward(tl.tensor([1 + 0j, 1j]))
    assert x.grad.tolist() == [-9 - 12j, -27j]  # g * conj(3 x**2)
    assert gradgradcheck(ops.trial_cube, [tl.tensor([1 + 2j, 3j], dtype=tl.complex128, requires_grad=True)])


def test_half_types_are_computed_in_float32_and_rounded_once(ops):
    x = tl.tensor([200.0, 300.0]).half().requires_grad_()
    out = ops.trial_weighted([x], None, 1.0)
    assert out.dtype is tl.float16
    out.sum().backward()
    assert x.grad.dtype is tl.float16 and x.grad.tolist() == [1.0, 1.0]


def test_the_tape_is_freed_and_says_so(ops):
    x, w = positive(3), positive(3)
    out = ops.trial_weighted([x], w, 2.0).sum()
    out.backward()
    with pytest.raises(tl.errors.FreedTapeError, match="TrialWeightedBackward"):
        out.backward()


def test_second_derivatives_through_out_of_several():
    """``sin(x) + x * x`` by an op of two results: through ``out`` the second derivative is that of both."""

    class Both(NamedTuple):
        first: Any
        second: Any

    ArrayKernels.trial_both = lambda self, x: (self.sin(x), x * x)  # type: ignore[attr-defined]
    try:

        @primitive(outputs=Both)
        def trial_both(input: Tensor) -> Both:  # noqa: F821
            """Two results."""

        trial_both.gradient(
            input=lambda g, input, out, ops: (
                (0 if g.first is None else g.first * ops.cos(input))
                + (0 if g.second is None else g.second * 2 * (out.second / input))
            )
        )
        x = positive(4)
        assert gradgradcheck(lambda x: tuple(trial_both(x)), [x])
        assert gradgradcheck(lambda x: trial_both(x).second, [x])
    finally:
        del ArrayKernels.trial_both
        REGISTRY.pop("trial_both", None)


def test_an_op_without_a_rule_says_so_when_walked():
    ArrayKernels.trial_mute = lambda self, x: x * 2  # type: ignore[attr-defined]
    try:

        @primitive
        def trial_mute(input: Tensor) -> Tensor:  # noqa: F821
            """Twice the input."""

        x = positive(2)
        out = trial_mute(x)
        assert out.requires_grad
        with pytest.raises(tl.errors.GradientError, match="the op trial_mute has no gradient rule"):
            out.sum().backward()
        assert not trial_mute(x.detach()).requires_grad
    finally:
        del ArrayKernels.trial_mute
        REGISTRY.pop("trial_mute", None)
