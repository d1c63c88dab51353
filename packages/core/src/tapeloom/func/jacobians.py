"""Jacobians and Hessians: a pull or a push for each direction, all directions at once by vmap."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tapeloom.call_site import entry
from tapeloom.errors import ArgumentError, DTypeError
from tapeloom.func.batching import vmap
from tapeloom.func.derivatives import Argnums, Linearization, chosen, jvp_of, selected
from tapeloom.func.tree import Form, flatten, mapped_tensors
from tapeloom.op.registry import OPS
from tapeloom.ops.creation import eye
from tapeloom.tape.levels import Level, enter, leave, running
from tapeloom.tensors.tensor import Tensor


def jacrev(
    func: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """A function that computes the Jacobian of ``func`` row by row, by reverse mode: for few results of many inputs.

    For a result of shape (m,) and an argument of shape (n,) it has the shape (m, n); for trees of them it is a tree of the
    form of the result, each leaf a tree of the form of the arguments ``argnums``. ``chunk_size``: how many rows are computed at
    once.
    """
    if chunk_size is not None and not (isinstance(chunk_size, int) and chunk_size > 0):
        raise ArgumentError(f"jacrev: chunk_size must be None or an int above 0, got {chunk_size!r}.")

    @entry
    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        leaves, form = flatten(selected(args, argnums, chosen("jacrev", args, argnums)))
        real("jacrev", leaves)
        begin = functools.partial(Linearization, "jacrev", functools.partial(func, **kwargs), args, argnums, has_aux)
        if chunk_size is None:
            made, rows, aux = _at_once(begin, leaves)
        else:
            made = begin()
            real("jacrev", made.outputs)
            aux = made.inputs.released(made.aux)
            pulled = vmap(lambda *basis: made.pulled(made.out_form.rebuild(basis), made.create), chunk_size=chunk_size)
            rows = pulled(*basis_of(made.outputs))
        result = made.out_form.rebuild([form.rebuild(parts) for parts in by_output(rows, made.outputs)])
        return (result, aux) if has_aux else result

    return jacobian


def _at_once(begin: Callable[[], Linearization], leaves: Sequence[Tensor]) -> tuple[Linearization, list[Tensor], Any]:
    """All rows in one walk. The function runs within the level of their vmap, so that the walk is one on plain arrays."""
    with running(leaves[0].device, 1, "same") as level:
        made = begin()
        real("jacrev", made.outputs)
        level.size = sum(out.numel() for out in made.outputs)
        basis = [enter(part, level, 0) for part in basis_of(made.outputs, level)]
        rows = [leave(g, level, 0) for g in made.pulled(made.out_form.rebuild(basis), made.create)]
        aux = mapped_tensors(lambda tensor: leave(tensor, level, 0)[0], made.inputs.released(made.aux))
    return made, rows, aux


def basis_of(tensors: Sequence[Tensor], level: Level | None = None) -> list[Tensor]:
    """The unit vectors of all elements of ``tensors`` together, along dimension 0, each tensor's part in its shape."""
    total = sum(tensor.numel() for tensor in tensors)
    parts, start = [], 0
    for tensor in tensors:
        whole = eye(total, dtype=tensor.dtype, device=tensor.device if level is None else level.device.home)
        part = OPS.narrow(whole, 1, start, tensor.numel())
        parts.append(OPS.reshape(part, (total, *tensor.shape)))
        start += tensor.numel()
    return parts


def by_output(rows: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[list[Tensor]]:
    """For each output the Jacobians by all inputs, cut out of the rows of each input."""
    parts, start = [], 0
    for out in outputs:
        own = [OPS.narrow(row, 0, start, out.numel()) for row in rows]
        parts.append([OPS.reshape(part, (*out.shape, *part.shape[1:])) for part in own])
        start += out.numel()
    return parts


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """``jacrev`` column by column, by forward mode: for many results of few inputs.

    ``randomness``: as in ``vmap``, for the directions.
    """

    @entry
    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        leaves, form = flatten(selected(args, argnums, chosen("jacfwd", args, argnums)))
        real("jacfwd", leaves)
        forms: list[Form] = []

        def push(*direction: Tensor) -> Any:
            pushed = jvp_of(
                "jacfwd", functools.partial(func, **kwargs), args, form.rebuild(direction), argnums, has_aux=has_aux
            )
            columns, out_form = flatten(pushed[1])
            real("jacfwd", columns)
            forms.append(out_form)
            return columns, pushed[2] if has_aux else ()

        columns, aux = vmap(push, randomness=randomness)(*basis_of(leaves))
        result = forms[0].rebuild([form.rebuild(by_input(column, leaves)) for column in columns])
        return (result, mapped_tensors(lambda tensor: tensor[0], aux)) if has_aux else result

    return jacobian


def by_input(column: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The Jacobians of one output by each input, from its derivatives along all directions (dimension 0)."""
    last = OPS.permute(column, (*range(1, column.ndim), 0))
    parts, start = [], 0
    for tensor in inputs:
        part = OPS.narrow(last, column.ndim - 1, start, tensor.numel())
        parts.append(OPS.reshape(part, (*column.shape[1:], *tensor.shape)))
        start += tensor.numel()
    return parts


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that computes the matrix of the second derivatives of ``func``: ``jacfwd(jacrev(func))``."""
    return jacfwd(jacrev(func, argnums), argnums)


def real(name: str, tensors: Sequence[Any]) -> None:
    """Raise DTypeError for a complex tensor: a Jacobian has an entry for each number, not for each part of one."""
    if any(isinstance(tensor, Tensor) and tensor.dtype.is_complex for tensor in tensors):
        raise DTypeError(f"{name}: complex tensors have no Jacobian of this form. Use view_as_real, or vjp and jvp.")
