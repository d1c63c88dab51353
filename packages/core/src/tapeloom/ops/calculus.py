"""Differences and integrals of values along a dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.op.parameter import Axes
    from tapeloom.tensors.tensor import Tensor


def _part(x: Any, dim: int, start: int, end: int) -> Any:
    """``x[start:end]`` along ``dim``, where ``end`` is counted from the end: 0 is the end itself."""
    length = x.shape[dim]
    return OPS.narrow(x, dim, min(start, length), max(length - start - end, 0))


@function()
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
    """The differences of neighbours along ``dim``, taken ``n`` times; of bools whether they differ.

    ``prepend`` and ``append``, joined to ``input`` before, have its shape but for ``dim``. With ``n=0`` it is ``input`` alone.
    """
    ndim = as_tensor_of("diff", input).ndim
    if not ndim:
        raise ShapeError("diff: a 0-d tensor has no neighbours. Give a tensor of at least one dimension.")
    axis, order = shapes.normalize_dim("diff", dim, ndim), shapes.as_int("diff", "n", n)
    if order < 0:
        raise ArgumentError(f"diff: n must not be negative, got {order}.")
    parts = [input]
    for name, more in (("prepend", prepend), ("append", append)):
        if more is None:
            continue
        shape = as_tensor_of("diff", more, name).shape
        if len(shape) != ndim or any(place != axis and a != b for place, (a, b) in enumerate(zip(shape, input.shape, strict=True))):
            raise ShapeError(f"diff: {name} has shape {shape}; it must have that of input, {input.shape}, but for dim {axis}.")
        parts.insert(0 if name == "prepend" else len(parts), more)
    if not order:
        return OPS.clone(input)
    joined = OPS.cat(parts, axis) if len(parts) > 1 else input
    for _ in range(min(order, joined.shape[axis])):  # then nothing is left
        ahead, behind = _part(joined, axis, 1, 0), _part(joined, axis, 0, 1)
        joined = OPS.ne(ahead, behind) if joined.dtype is dtypes.bool_ else OPS.subtract(ahead, behind)
    return joined


# integrals


def _integrable(name: str, y: Any, x: Any, dx: Any, dim: Any) -> int:
    """``dim`` counted from 0, for arguments that fit."""
    if not as_tensor_of(name, y, "y").ndim:
        raise ShapeError(f"{name}: a 0-d tensor has no dimension to integrate along. Give y at least one.")
    if y.dtype is dtypes.bool_ or (x is not None and as_tensor_of(name, x, "x").dtype is dtypes.bool_):
        raise DTypeError(f"{name}: bool tensors are not supported. Cast them with .float().")
    if x is not None and dx is not None:
        raise ArgumentError(f"{name}: x and dx were given. Give one of them.")
    return shapes.normalize_dim(name, dim, y.ndim)


def _strips(name: str, y: Any, x: Any, dx: Any, axis: int) -> Any:
    """Twice the areas of the trapezoids between neighbours along ``axis``."""
    sums = OPS.add(_part(y, axis, 0, 1), _part(y, axis, 1, 0))
    if x is None:
        return OPS.multiply(sums, _spacing(name, dx))
    if x.ndim == 1:
        x = OPS.reshape(x, (-1,) + (1,) * (y.ndim - axis - 1))
    place = axis - y.ndim + x.ndim
    if place < 0 or x.shape[place] != y.shape[axis]:
        raise ShapeError(
            f"{name}: x of shape {x.shape} must have one value for each of the {y.shape[axis]} of y of shape {y.shape} along dim {axis}."
        )
    widths = OPS.subtract(_part(x, place, 1, 0), _part(x, place, 0, 1))
    if shapes.broadcast(name, widths.shape, sums.shape) != sums.shape:
        raise ShapeError(f"{name}: x of shape {x.shape} does not broadcast to y of shape {y.shape}.")
    return OPS.multiply(sums, widths)


def _spacing(name: str, dx: Any) -> Any:
    return 1 if dx is None else as_number(name, "dx", dx)


_INTEGRALS = (
    "(y: Tensor, x: Tensor, *, dim: int = -1) -> Tensor",
    "(y: Tensor, *, dx: float = 1, dim: int = -1) -> Tensor",
)


@function(method=False, aliases=("trapz",), overloads=_INTEGRALS)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The integral of ``y`` along ``dim`` by the trapezoidal rule, over the places ``x`` or a spacing of ``dx`` (1 unless given).

    ``x`` is a vector of as many places as ``y`` has along ``dim``, or broadcasts to ``y``.
    """
    axis = _integrable("trapezoid", y, x, dx, dim)
    if not y.shape[axis]:  # zeros, in the dtype of y as in PyTorch
        return OPS.cast(OPS.sum(y, axis), y.dtype)
    if x is not None:
        return OPS.divide(OPS.sum(_strips("trapezoid", y, x, None, axis), axis), 2)
    ends = OPS.add(OPS.narrow(y, axis, 0, 1), OPS.narrow(y, axis, y.shape[axis] - 1, 1))
    return OPS.multiply(OPS.subtract(OPS.sum(y, axis), OPS.divide(OPS.squeeze(ends, axis), 2)), _spacing("trapezoid", dx))


@function(method=False, overloads=_INTEGRALS)
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The running integrals of ``y`` along ``dim``, one less than there are places; see ``trapezoid``."""
    axis = _integrable("cumulative_trapezoid", y, x, dx, dim)
    return OPS.divide(OPS.cumsum(_strips("cumulative_trapezoid", y, x, dx, axis), axis), 2)


# derivatives


@function(method=False)
def gradient(
    input: Tensor,
    *,
    spacing: float | Sequence[float] | Sequence[Tensor] = 1,
    dim: Axes | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """The derivatives of a function along each of ``dim`` (all unless given), estimated from its values ``input``.

    Inside by differences of second order, at both ends by those of ``edge_order``, 1 or 2. ``spacing`` is the distance of
    neighbours, one for each dimension, or a vector of the places along each.

    Source: A. Quarteroni, R. Sacco, F. Saleri, "Numerical mathematics", 2nd edition, Springer 2007, section 10.10.
    """
    ndim = as_tensor_of("gradient", input).ndim
    axes = tuple(range(ndim)) if dim is None else shapes.normalize_axes("gradient", "dim", dim, ndim)
    if not ndim and dim is not None and shapes.as_ints("gradient", "dim", dim):
        raise ShapeError("gradient: a 0-d tensor has no dimension to differentiate along. Leave dim out.")
    order = shapes.as_int("gradient", "edge_order", edge_order)
    if order not in (1, 2):
        raise ArgumentError(f"gradient: edge_order must be 1 or 2, got {order}.")
    if input.dtype in (dtypes.bool_, dtypes.uint8):
        raise DTypeError(f"gradient: {input.dtype.name} tensors are not supported: they have no negative numbers. Cast it with .float().")
    each = _spacings(spacing, len(axes))
    for axis in axes:
        if input.shape[axis] <= order:
            raise ShapeError(
                f"gradient: dim {axis} of input of shape {input.shape} needs at least {order + 1} places for edge_order {order}."
            )
    return tuple(_derivative(input, axis, given, order) for axis, given in zip(axes, each, strict=True))


def _spacings(spacing: Any, count: int) -> list[Any]:
    """``spacing`` for each of ``count`` dimensions."""
    if is_tensor(spacing) and spacing.ndim:
        raise ArgumentTypeError("gradient: spacing must be a number, or a list of numbers or of vectors, got a tensor. Put it into a list.")
    if not isinstance(spacing, (list, tuple)):
        return [as_number("gradient", "spacing", spacing, dtypes.NUMBERS)] * count
    if len(spacing) != count:
        raise ArgumentError(f"gradient: spacing has {len(spacing)} entries for {count} dimensions. Give one for each.")
    return list(spacing)


def _derivative(x: Any, axis: int, spacing: Any, order: int) -> Any:
    last = x.shape[axis] - 1
    if not is_tensor(spacing):
        number = as_number("gradient", "spacing", spacing, dtypes.NUMBERS)
        inner = OPS.divide(_part(x, axis, 2, 0) - _part(x, axis, 0, 2), number * 2)
        gaps: list[Any] = [number] * 4
    else:
        if spacing.shape != (x.shape[axis],):
            raise ShapeError(
                f"gradient: spacing for dim {axis} has shape {spacing.shape}; it must hold the {x.shape[axis]} places along it."
            )
        steps = OPS.reshape(OPS.subtract(spacing[1:], spacing[:-1]), (-1,) + (1,) * (x.ndim - axis - 1))
        if x.dtype.inexact and not steps.dtype.inexact:
            steps = OPS.cast(steps, dtypes.promote_types(x.dtype, dtypes.get_default_dtype()))
        left, right = _part(steps, 0, 0, 1), _part(steps, 0, 1, 0)
        near, here, far = (_part(x, axis, start, 2 - start) for start in (0, 1, 2))
        both = left + right
        inner = far * (left / (right * both)) + here * ((right - left) / (left * right)) - near * (right / (left * both))
        gaps = [_part(steps, 0, start, last - 1 - start) for start in (0, min(1, last - 1), last - 1, max(last - 2, 0))]
    if order == 1:
        first, final = _slope(x, axis, 0, gaps[0]), _slope(x, axis, last - 1, gaps[2])
    else:
        first, final = _edge(x, axis, (0, 1, 2), *gaps[:2]), _edge(x, axis, (last, last - 1, last - 2), -gaps[2], -gaps[3])
    return OPS.cat([first, inner, final], axis)


def _slope(x: Any, axis: int, start: int, gap: Any) -> Any:
    """From the place ``start`` to the next one, ``gap`` away."""
    return OPS.divide(OPS.narrow(x, axis, start + 1, 1) - OPS.narrow(x, axis, start, 1), gap)


def _edge(x: Any, axis: int, places: Any, near: Any, far: Any) -> Any:
    """The derivative at the first of three places: that of the parabola through them; ``near`` and ``far`` lie between."""
    here, next, last = (OPS.narrow(x, axis, place, 1) for place in places)
    both = near + far
    return next * (both / (near * far)) - last * (near / (far * both)) - here * ((near + both) / (near * both))
