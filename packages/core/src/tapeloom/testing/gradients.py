"""Gradients against differences: ``gradcheck`` and ``gradgradcheck``, in PyTorch's spelling.

The quick check takes one random direction on each side: for ``f``, a direction ``v`` of the inputs and ``w`` of the
outputs, the derivative ``<grad(<f(x), w>), v>`` is compared with the central difference of ``<f(x), w>`` along ``v``.
A wrong entry anywhere in the Jacobian changes this one number. The slow check compares the Jacobian entry by entry.

A complex number counts as two real ones, its parts: the inner product is ``<a, b> = sum(Re(conj(a) * b))``, and the slow
check takes an entry for each part. For a real loss L the gradient by z = x + iy is then ``dL/dx + i dL/dy``, as in PyTorch.

Second derivatives are first derivatives of the gradient: ``gradgradcheck`` checks the function (inputs, gradients of
the outputs) -> gradients of the inputs. The differences are taken of gradients that run on raw arrays, so that the two
ways in which a gradient rule runs are compared with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, TapeloomError
from tapeloom.modes import enable_grad, is_grad_enabled, no_grad
from tapeloom.ops.creation import from_host
from tapeloom.tape.walk import grad
from tapeloom.tensors.tensor import Tensor

_SEED = 20_240_607


class GradcheckError(TapeloomError, RuntimeError):
    """A gradient that differs from the difference quotient."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    seed: int = _SEED,
) -> bool:
    """Compare the gradients of ``func(*inputs)`` with central differences of step ``eps``.

    The float64 and complex128 tensors among ``inputs`` that require a gradient are checked; the outputs are a tensor or a
    sequence of tensors. ``fast_mode`` takes one random direction (from ``seed``) instead of every entry. Returns True, or raises
    GradcheckError (False without ``raise_exception``) where |analytic - numeric| > atol + rtol * |numeric|.
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [tensor for tensor in arguments if isinstance(tensor, Tensor) and tensor.requires_grad]
    if not checked:
        raise ArgumentError("gradcheck: none of the inputs requires a gradient. Call requires_grad_() on some.")
    for tensor in checked:
        if tensor.dtype.real is not dtypes.float64:
            cast = ".cdouble()" if tensor.is_complex() else ".double()"
            raise ArgumentError(
                f"gradcheck: the inputs to be checked must be float64 or complex128, one is {tensor.dtype.name}: differences "
                f"of numbers with fewer digits say nothing. Cast it with {cast}."
            )
    probe = _Probe(func, arguments, checked, eps)
    failures = probe.direction(seed, atol, rtol) if fast_mode else probe.jacobian(atol, rtol)
    if failures and raise_exception:
        raise GradcheckError(failures)
    return not failures


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    seed: int = _SEED,
) -> bool:
    """Compare second derivatives with central differences of the gradients; see ``gradcheck``.

    ``grad_outputs``, one for each output, are drawn at random unless given, and are inputs of the check themselves.
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    with enable_grad():
        outputs = _inexact(func(*arguments))
    if grad_outputs is None:
        rng = np.random.default_rng(seed)
        given = [_host_tensor(_direction(rng, out.shape, out.is_complex()), out).requires_grad_() for out in outputs]
    else:
        given = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    places = [i for i, item in enumerate(arguments) if isinstance(item, Tensor) and item.requires_grad]

    def gradients(*values: Any) -> tuple[Tensor, ...]:
        own, upstream = values[: len(arguments)], values[len(arguments) :]
        create = is_grad_enabled()
        with enable_grad():
            out = _inexact(func(*own))
            wanted = [own[i] for i in places]
            pairs = [(o, g) for o, g in zip(out, upstream, strict=True) if o.requires_grad]
            if not pairs:
                return ()
            roots, starts = zip(*pairs, strict=True)
            return grad(roots, wanted, starts, create_graph=create, materialize_grads=True)  # type: ignore[return-value]

    return gradcheck(
        gradients,
        [*arguments, *given],
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        fast_mode=fast_mode,
        seed=seed,
    )


class _Probe:
    """A function at a point, to be asked for derivatives in both ways."""

    def __init__(self, func: Callable[..., Any], arguments: list[Any], checked: list[Tensor], eps: float) -> None:
        self.func = func
        self.arguments = arguments
        self.checked = checked
        self.eps = eps
        self.points = [_host(tensor) for tensor in checked]
        with enable_grad():
            self.outputs = _inexact(func(*arguments))

    def values(self, points: Sequence[Any]) -> list[Any]:
        """The outputs, as host arrays, where the checked inputs are ``points``."""
        moved = iter(points)
        arguments = [
            _host_tensor(next(moved), item).requires_grad_() if any(item is tensor for tensor in self.checked) else item
            for item in self.arguments
        ]
        with no_grad():
            return [_host(out) for out in _inexact(self.func(*arguments))]

    def analytic(self, upstream: Sequence[Any], retain: bool) -> list[Any]:
        """The gradients of the checked inputs, as host arrays, for the gradients ``upstream`` of the outputs."""
        pairs = [
            (out, _host_tensor(weight, out))
            for out, weight in zip(self.outputs, upstream, strict=True)
            if out.requires_grad
        ]
        if not pairs:
            return [np.zeros_like(point) for point in self.points]
        roots, starts = zip(*pairs, strict=True)
        found = grad(roots, self.checked, starts, retain_graph=retain, materialize_grads=True)
        return [_host(gradient) for gradient in found]  # type: ignore[arg-type]

    def direction(self, seed: int, atol: float, rtol: float) -> str:
        """The quick check; what is wrong, or nothing."""
        rng = np.random.default_rng(seed)
        along = [_direction(rng, point.shape, np.iscomplexobj(point)) for point in self.points]
        upstream = [_direction(rng, out.shape, out.is_complex()) for out in self.outputs]
        ahead = self.values([point + self.eps * v for point, v in zip(self.points, along, strict=True)])
        behind = self.values([point - self.eps * v for point, v in zip(self.points, along, strict=True)])
        moved = sum(_inner(w, a - b) for a, b, w in zip(ahead, behind, upstream, strict=True))
        numeric = moved / (2 * self.eps)
        gradients = self.analytic(upstream, retain=False)
        analytic = sum(_inner(g, v) for g, v in zip(gradients, along, strict=True))
        if abs(analytic - numeric) <= atol + rtol * abs(numeric):
            return ""
        return (
            f"gradcheck: along a random direction (seed {seed}) the derivative is {numeric:.10g} by differences and "
            f"{analytic:.10g} by the tape. Inputs: {self._named()}."
        )

    def jacobian(self, atol: float, rtol: float) -> str:
        """The slow check, entry by entry; what is wrong first, or nothing."""
        columns = [(entry, self._column(*entry)) for entry in _entries(self.points)]
        for number, place, unit in _entries([np.zeros(out.shape, _dtype_of(out)) for out in self.outputs]):
            upstream = [np.zeros(out.shape, _dtype_of(out)) for out in self.outputs]
            upstream[number][place] = unit
            gradients = self.analytic(upstream, retain=True)
            for (source, where, direction), column in columns:
                analytic = _inner(gradients[source][where], direction)
                numeric = _inner(unit, column[number][place])
                if not abs(analytic - numeric) <= atol + rtol * abs(numeric):
                    return (
                        f"gradcheck: the derivative of output {number} at {place}{_PART[unit]} by input {source} at "
                        f"{where}{_PART[direction]} is {numeric:.10g} by differences and {analytic:.10g} by the tape. "
                        f"Inputs: {self._named()}."
                    )
        return ""

    def _column(self, number: int, place: tuple[int, ...], unit: complex) -> list[Any]:
        """How the outputs change with one entry of the inputs, along ``unit``."""
        moved: list[list[Any]] = []
        for step in (self.eps * unit, -self.eps * unit):
            points = [point.copy() for point in self.points]
            points[number][place] += step
            moved.append(self.values(points))
        return [(a - b) / (2 * self.eps) for a, b in zip(*moved, strict=True)]

    def _named(self) -> str:
        return ", ".join(f"{tensor.dtype.name}{list(tensor.shape)} on {tensor.device}" for tensor in self.checked)


#: the units that an entry of a Jacobian is about, as messages name them
_PART: dict[complex, str] = {1.0: "", 1j: " (imaginary part)"}


def _entries(arrays: Sequence[Any]) -> list[tuple[int, tuple[int, ...], complex]]:
    """Each real number in ``arrays``: which array, the place in it, and 1, or 1j for an imaginary part."""
    return [
        (number, place, unit)
        for number, array in enumerate(arrays)
        for place in np.ndindex(array.shape)
        for unit in ((1.0, 1j) if np.iscomplexobj(array) else (1.0,))
    ]


def _inner(a: Any, b: Any) -> float:
    """The inner product of real numbers, of which a complex one is two."""
    return float(np.sum(np.real(np.conj(a) * b)))


def _direction(rng: np.random.Generator, shape: tuple[int, ...], complex: bool) -> Any:
    """Random numbers, none of them near 0: every entry of the Jacobian weighs."""
    numbers = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return numbers + 1j * _direction(rng, shape, False) if complex else numbers


def _inexact(outputs: Any) -> list[Tensor]:
    several = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    return [out for out in several if isinstance(out, Tensor) and out.dtype.inexact]


def _dtype_of(tensor: Tensor) -> Any:
    return np.complex128 if tensor.is_complex() else np.float64


def _host(tensor: Tensor) -> Any:
    return np.array(tensor.numpy(force=True), dtype=_dtype_of(tensor))


def _host_tensor(values: Any, like: Tensor) -> Tensor:
    dtype = dtypes.complex128 if like.is_complex() else dtypes.float64
    return from_host(np.asarray(values, dtype=_dtype_of(like)), dtype, like.device)
