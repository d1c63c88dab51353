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

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, TapeloomError
from tapeloom.func import jvp, vmap
from tapeloom.func.derivatives import pull
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
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
    seed: int = _SEED,
) -> bool:
    """Compare the gradients of ``func(*inputs)`` with central differences of step ``eps``.

    The float64 and complex128 tensors among ``inputs`` that require a gradient are checked; the outputs are a tensor or a
    sequence of tensors. ``fast_mode`` takes one random direction (from ``seed``) instead of every entry. Returns True, or raises
    GradcheckError (False without ``raise_exception``) where |analytic - numeric| > atol + rtol * |numeric|.

    ``check_forward_ad`` compares ``func.jvp`` with a difference too, ``check_batched_grad`` and ``check_batched_forward_grad`` what
    vmap makes of gradients and of ``jvp`` with a loop. Two gradients of the same may differ by ``nondet_tol``, and that for an output
    alone must be that with zeros for the others (``check_undefined_grad``). A gradient has the dtype of its input here always
    (``check_grad_dtypes``), and no tensor is sparse (``masked``).
    """
    if masked:
        raise ArgumentError("gradcheck: masked=True is for sparse tensors, which there are none of. Leave it out.")
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
    failures = ""
    if check_backward_ad:
        failures = probe.direction(seed, atol, rtol) if fast_mode else probe.jacobian(atol, rtol)
        failures = failures or (probe.repeated(seed, nondet_tol) if nondet_tol < math.inf else "")
    if check_undefined_grad and check_backward_ad:
        failures = failures or probe.alone(seed, atol, rtol)
    if check_batched_grad:
        failures = failures or probe.batched(seed, atol, rtol)
    if check_forward_ad or check_batched_forward_grad:
        failures = failures or probe.forward(seed, atol, rtol, check_batched_forward_grad)
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
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
    seed: int = _SEED,
) -> bool:
    """Compare second derivatives with central differences of the gradients; see ``gradcheck``.

    ``grad_outputs``, one for each output, are drawn at random unless given, and are inputs of the check themselves. The gradient is
    differentiated by reverse mode (``check_rev_over_rev``), by ``func.jvp`` (``check_fwd_over_rev``), or both. There are no strides
    (``gen_non_contig_grad_outputs``).
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
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
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
        upstream = self._upstream(rng)
        ahead = self.values([point + self.eps * v for point, v in zip(self.points, along, strict=True)])
        behind = self.values([point - self.eps * v for point, v in zip(self.points, along, strict=True)])
        moved = sum(_inner(w, a - b) for a, b, w in zip(ahead, behind, upstream, strict=True))
        numeric = moved / (2 * self.eps)
        gradients = self.analytic(upstream, retain=True)
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

    # further checks, each by random directions

    def repeated(self, seed: int, tolerance: float) -> str:
        """Whether the same walk gives the same gradients again."""
        upstream = self._upstream(np.random.default_rng(seed))
        for place, pair in enumerate(zip(*[self.analytic(upstream, retain=True) for _ in range(2)], strict=True)):
            if np.any(np.abs(pair[0] - pair[1]) > tolerance):
                return f"gradcheck: the gradient of input {place} came out in two ways from the same tape. Inputs: {self._named()}."
        return ""

    def alone(self, seed: int, atol: float, rtol: float) -> str:
        """Whether the gradients of each output alone are those with zeros for the other outputs."""
        upstream = self._upstream(np.random.default_rng(seed))
        for number, out in enumerate(self.outputs if len(self.outputs) > 1 else []):
            if not out.requires_grad:
                continue
            zeros = [weight if n == number else np.zeros_like(weight) for n, weight in enumerate(upstream)]
            found = grad(
                out, self.checked, _host_tensor(upstream[number], out), retain_graph=True, materialize_grads=True
            )
            for place, (one, all) in enumerate(zip(found, self.analytic(zeros, retain=True), strict=True)):
                if not np.allclose(_host(one), all, rtol=rtol, atol=atol):  # type: ignore[arg-type]
                    return (
                        f"gradcheck: the gradient of input {place} for output {number} alone is not that with zeros for the other "
                        f"outputs. Inputs: {self._named()}."
                    )
        return ""

    def batched(self, seed: int, atol: float, rtol: float) -> str:
        """Whether vmap over gradients of the outputs gives what a loop gives."""
        rng = np.random.default_rng(seed)
        rows = [self._upstream(rng) for _ in range(2)]
        columns = [
            _host_tensor(np.stack(column), out)
            for column, out in zip(zip(*rows, strict=True), self.outputs, strict=True)
        ]
        found = vmap(lambda *upstream: pull(self.outputs, self.checked, upstream, create=False))(*columns)
        want = [np.stack(column) for column in zip(*[self.analytic(row, retain=True) for row in rows], strict=True)]
        for place, (a, b) in enumerate(zip(found, want, strict=True)):
            if not np.allclose(_host(a), b, rtol=rtol, atol=atol):
                return f"gradcheck: under vmap the gradient of input {place} is another than without. Inputs: {self._named()}."
        return ""

    def forward(self, seed: int, atol: float, rtol: float, batched: bool) -> str:
        """Whether ``jvp`` is the difference along a direction; with ``batched`` also under vmap."""
        rng = np.random.default_rng(seed)
        along = [_direction(rng, point.shape, np.iscomplexobj(point)) for point in self.points]
        ahead, behind = (
            self.values([point + step * v for point, v in zip(self.points, along, strict=True)])
            for step in (self.eps, -self.eps)
        )

        def pushed(*tangents: Tensor) -> list[Tensor]:
            return jvp(self.of_checked, tuple(self.checked), tangents)[1]  # type: ignore[no-any-return]

        tangents = [_host_tensor(v, tensor) for v, tensor in zip(along, self.checked, strict=True)]
        found = [pushed(*tangents)]
        if batched:
            both = vmap(pushed)(
                *[_host_tensor(np.stack([v, 2 * v]), t) for v, t in zip(along, self.checked, strict=True)]
            )
            found += [[part[0] for part in both], [part[1] / 2 for part in both]]
        for parts in found:
            for number, (part, a, b) in enumerate(zip(parts, ahead, behind, strict=True)):
                if not np.allclose(_host(part), (a - b) / (2 * self.eps), rtol=rtol, atol=atol):
                    return f"gradcheck: the jvp of output {number} is not the difference quotient. Inputs: {self._named()}."
        return ""

    def of_checked(self, *values: Tensor) -> list[Tensor]:
        """The outputs as a function of the checked inputs alone."""
        given = iter(values)
        return _inexact(
            self.func(*[next(given) if any(item is t for t in self.checked) else item for item in self.arguments])
        )

    def _upstream(self, rng: np.random.Generator) -> list[Any]:
        return [_direction(rng, out.shape, out.is_complex()) for out in self.outputs]

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
