"""vmap: a function of one sample as a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tapeloom.call.inplace import inplace
from tapeloom.call_site import entry
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.func.tree import Form, flatten, spread
from tapeloom.op.registry import OPS
from tapeloom.tape.levels import Level, enter, leave, lifted, running
from tapeloom.tensors.tensor import Tensor, read_array

RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """``func``, written for one sample, as a function of a batch, which runs all samples at once.

    ``in_dims`` names the dimension of each argument that the samples lie along, None for what they share: one int for all, or
    a tuple in the form of the arguments. ``out_dims`` says where the results have it. ``randomness``: whether random numbers
    are refused ("error"), "different" for each sample, or the "same". ``chunk_size``: how many samples run at once.

    Raises ArgumentError or ShapeError for arguments that do not fit ``in_dims``, StateError where ``func`` reads a value.
    """
    if randomness not in RANDOMNESS:
        raise ArgumentError(f"vmap: randomness must be one of {', '.join(map(repr, RANDOMNESS))}, got {randomness!r}.")
    if chunk_size is not None and not (isinstance(chunk_size, int) and chunk_size > 0):
        raise ArgumentError(f"vmap: chunk_size must be None or an int above 0, got {chunk_size!r}.")

    @entry
    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, form = flatten(args)
        dims = _in_dims(in_dims, leaves, form)
        count = _count(leaves, dims)
        own = functools.partial(_run, func, form, kwargs, out_dims, randomness)
        if chunk_size is None or chunk_size >= count:
            return own(leaves, dims, count)
        return _chunked(own, leaves, dims, count, chunk_size, out_dims)

    return mapped


def _run(
    func: Callable[..., Any],
    form: Form,
    kwargs: dict[str, Any],
    out_dims: Any,
    randomness: str,
    leaves: list[Any],
    dims: list[Any],
    count: int,
) -> Any:
    first = next(leaf for leaf, dim in zip(leaves, dims, strict=True) if dim is not None)
    with running(first.device, count, randomness) as level:
        inside = [leaf if dim is None else enter(leaf, level, dim) for leaf, dim in zip(leaves, dims, strict=True)]
        entered = [read_array(leaf) if isinstance(leaf, Tensor) else None for leaf in inside]
        result = func(*form.rebuild(inside), **kwargs)
        outputs, out_form = flatten(result)
        where = _out_dims(out_dims, outputs, out_form)
        done = [_left(output, level, dim) for output, dim in zip(outputs, where, strict=True)]
        changed = [
            (given, leave(own, level, dim))
            for given, own, dim, array in zip(leaves, inside, dims, entered, strict=True)
            if dim is not None and read_array(own) is not array
        ]
    for given, value in changed:  # in place by the function
        inplace("vmap", given, value)
    return out_form.rebuild(done)


def _in_dims(in_dims: Any, leaves: list[Any], form: Form) -> list[Any]:
    """The dimension of each leaf of the arguments, counted from 0."""
    if not isinstance(in_dims, (int, tuple)):
        raise ArgumentError(
            f"vmap: in_dims must be an int or a tuple in the form of the arguments, got {type(in_dims).__name__}."
        )
    if not leaves:
        raise ArgumentError("vmap: the function got no arguments, so there is nothing to map over.")
    try:
        dims = spread(in_dims, form)
    except ArgumentError as error:
        raise ArgumentError(f"vmap: in_dims {in_dims!r} does not fit the arguments, {form!r}: {error}.") from None
    for position, (leaf, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(dim, int):
            raise ArgumentTypeError(f"vmap: each of in_dims must be an int or None, got {dim!r}.")
        if not isinstance(leaf, Tensor):
            raise ArgumentTypeError(
                f"vmap: in_dims has {dim} for an argument of type {type(leaf).__name__}. Only tensors can be mapped over: give "
                f"None for it."
            )
        if not -leaf.ndim <= dim < leaf.ndim:
            raise ShapeError(
                f"vmap: in_dims has {dim} for a tensor of shape {leaf.shape}, which has no such dimension."
            )
        dims[position] = dim % leaf.ndim
    return dims


def _count(leaves: list[Any], dims: list[Any]) -> int:
    sizes = [leaf.shape[dim] for leaf, dim in zip(leaves, dims, strict=True) if dim is not None]
    if not sizes:
        raise ArgumentError("vmap: in_dims is None for all arguments, so there is nothing to map over.")
    if len({*sizes}) > 1:
        raise ShapeError(
            f"vmap: the arguments have {sizes} samples along their dimensions of in_dims. They must agree."
        )
    return int(sizes[0])


def _out_dims(out_dims: Any, outputs: list[Any], form: Form) -> list[Any]:
    if form.kind is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        out_dims = out_dims[0]
    try:
        dims = spread(out_dims, form)
    except ArgumentError as error:
        raise ArgumentError(f"vmap: out_dims {out_dims!r} does not fit the results, {form!r}: {error}.") from None
    for output, dim in zip(outputs, dims, strict=True):
        if dim is not None and not isinstance(output, Tensor):
            raise ArgumentTypeError(
                f"vmap: the function must return tensors, got {type(output).__name__}. Give None in out_dims for it."
            )
    return dims


def _left(output: Any, level: Level, dim: Any) -> Any:
    if not isinstance(output, Tensor):
        return output
    inside = lifted(output, level.device)
    if dim is None:
        if inside is output:
            raise ArgumentError("vmap: out_dims has None for a result that is not the same for all samples.")
        return output
    if not -inside.ndim - 1 <= dim <= inside.ndim:
        raise ShapeError(f"vmap: out_dims has {dim} for a result whose samples have shape {inside.shape}.")
    return leave(inside, level, dim % (inside.ndim + 1))


def _chunked(run: Callable[..., Any], leaves: list[Any], dims: list[Any], count: int, size: int, out_dims: Any) -> Any:
    """The results of one chunk of samples after the other, joined."""
    parts = []
    for start in range(0, count, size):
        length = min(size, count - start)
        chunk = [
            leaf if dim is None else OPS.narrow(leaf, dim, start, length)
            for leaf, dim in zip(leaves, dims, strict=True)
        ]
        parts.append(flatten(run(chunk, dims, length)))
    form = parts[0][1]
    where = spread(out_dims if form.kind is not None or not isinstance(out_dims, tuple) else out_dims[0], form)
    joined = [
        column[0] if dim is None else OPS.cat(list(column), dim)
        for dim, *column in zip(where, *[found for found, _ in parts], strict=True)
    ]
    return form.rebuild(joined)
