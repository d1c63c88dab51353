"""Derivatives of functions under the names of ``torch.autograd.functional``; the transforms of ``tapeloom.func`` compute them.

The inputs of a function are a tensor or a tuple of tensors, and so are its outputs. With ``create_graph`` the results are
recorded, so that they can be differentiated further; ``strict`` refuses outputs that do not depend on an input, whose derivative
would be zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from tapeloom.call_site import entry
from tapeloom.errors import ArgumentError, ArgumentTypeError, GradientError, ShapeError
from tapeloom.func.batching import vmap
from tapeloom.func.derivatives import Linearization, grad_and_value, pull
from tapeloom.func.jacobians import basis_of, by_input, by_output
from tapeloom.func.tree import mapped_tensors
from tapeloom.modes import no_grad
from tapeloom.op.registry import OPS
from tapeloom.tape.levels import bare
from tapeloom.tensors.node import Node
from tapeloom.tensors.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Tensor | tuple[Tensor, ...]
Function = Callable[..., Any]


def _tuple(name: str, what: str, value: Any) -> tuple[Tensor, ...]:
    given = (value,) if isinstance(value, Tensor) else value
    if not isinstance(given, (tuple, list)) or not all(isinstance(item, Tensor) for item in given):
        raise ArgumentTypeError(f"{name}: {what} must be a tensor or a tuple of tensors, got {type(value).__name__}.")
    return tuple(given)


def _like(given: Any, results: Sequence[Any]) -> Any:
    """``results`` in the form of ``given``: one alone, or a tuple."""
    return results[0] if isinstance(given, Tensor) else tuple(results)


def _begin(name: str, func: Function, inputs: Any, create_graph: bool, has_aux: bool = False) -> Linearization:
    """``func`` at ``inputs``; an outer tape leads to the results only with ``create_graph``."""
    own = _tuple(name, "inputs", inputs)
    with nullcontext() if create_graph else no_grad():
        return Linearization(name, func, own, None, has_aux)


def _vector(name: str, v: Any, tensors: Sequence[Tensor], what: str) -> list[Tensor]:
    """``v``, which has a part for each of ``tensors``; it may be left out for one number."""
    if v is None:
        if len(tensors) != 1 or tensors[0].numel() != 1:
            raise ArgumentError(f"{name}: v can be left out only for {what} of one element.")
        return [OPS.full_of(bare(tensors[0]), 1)]
    parts = _tuple(name, "v", v)
    if len(parts) != len(tensors):
        raise ArgumentError(
            f"{name}: v has {len(parts)} tensors, and there are {len(tensors)} {what}. They must agree."
        )
    for part, tensor in zip(parts, tensors, strict=True):
        if part.shape != tensor.shape:
            raise ShapeError(f"{name}: a part of v has shape {part.shape}, and belongs to one of shape {tensor.shape}.")
    return list(parts)


def _checked(name: str, made: Linearization, strict: bool) -> None:
    """With ``strict``, raise GradientError for an output that does not depend on an input."""
    if not strict:
        return
    for number, out in enumerate(made.outputs):
        reached = _behind(out)
        for place, own in enumerate(made.inputs.own):
            if own.node not in reached:
                raise GradientError(
                    f"{name}: output {number} does not depend on input {place}, which strict=True refuses."
                )


def _behind(tensor: Tensor) -> set[Node]:
    """The nodes that the tape leads to from ``tensor``."""
    seen: set[Node] = set()
    stack = [] if tensor.node is None else [tensor.node]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(edge for edge in node.edges if edge is not None)
    return seen


def _finished(made: Linearization, create_graph: bool, tree: Any) -> Any:
    return tree if create_graph else mapped_tensors(bare, tree)


@entry
def vjp(
    func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """``(func(*inputs), v^T J)``: the gradients of the inputs for the gradients ``v`` of the outputs."""
    made = _begin("vjp", func, inputs, create_graph)
    _checked("vjp", made, strict)
    given = _vector("vjp", v, made.outputs, "outputs")
    found = made.pulled(made.out_form.rebuild(given), create_graph)
    return _finished(made, create_graph, (made.value, _like(inputs, found)))


@entry
def jvp(
    func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """``(func(*inputs), J v)``: the derivatives of the outputs along ``v``."""
    made = _begin("jvp", func, inputs, create_graph)
    _checked("jvp", made, strict)
    found = pull(made.gradients, made.probes, _vector("jvp", v, made.inputs.own, "inputs"), create_graph)
    return _finished(made, create_graph, (made.value, made.out_form.rebuild(found)))


@entry
def jacobian(
    func: Function,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func``: for an output and an input a tensor of shape (*output.shape, *input.shape).

    For several outputs it is a tuple with an entry for each, for several inputs each entry is a tuple. ``vectorize`` computes all
    rows at once, by vmap. ``strategy`` "forward-mode" computes columns instead, and needs ``vectorize``.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise ArgumentError(f"jacobian: strategy must be 'reverse-mode' or 'forward-mode', got {strategy!r}.")
    if strategy == "forward-mode" and (not vectorize or create_graph or strict):
        raise ArgumentError(
            "jacobian: strategy='forward-mode' needs vectorize=True, create_graph=False and strict=False."
        )
    if strict and vectorize:
        raise ArgumentError("jacobian: strict=True cannot be combined with vectorize=True.")
    made = _begin("jacobian", func, inputs, create_graph)
    _checked("jacobian", made, strict)
    if strategy == "forward-mode":
        columns = vmap(lambda *v: made.pushed(list(v)))(*basis_of(made.inputs.own))
        found = [by_input(column, made.inputs.own) for column in columns]
    else:
        found = (_at_once if vectorize else _one_by_one)(made, create_graph)
    parts = [_like(inputs, entry) for entry in found]
    return _finished(made, create_graph, made.out_form.rebuild(parts))


def _at_once(made: Linearization, create_graph: bool) -> list[list[Tensor]]:
    """For each output the Jacobians by all inputs, all rows by one vmap."""
    rows = vmap(lambda *basis: made.pulled(made.out_form.rebuild(basis), create_graph))(*basis_of(made.outputs))
    return by_output(rows, made.outputs)


def _one_by_one(made: Linearization, create_graph: bool) -> list[list[Tensor]]:
    """For each output the Jacobians by all inputs, row by row."""
    found = []
    for out in made.outputs:
        (basis,) = basis_of([out])
        rows = [pull([out], made.inputs.own, [basis[n]], create_graph) for n in range(out.numel())]
        columns = zip(*rows, strict=True) if rows else [[]] * len(made.inputs.own)
        found.append([_stacked(list(column), out, own) for column, own in zip(columns, made.inputs.own, strict=True)])
    return found


def _stacked(rows: list[Tensor], out: Tensor, own: Tensor) -> Tensor:
    whole = OPS.stack(rows, 0) if rows else OPS.zeros_of((0, *own.shape), bare(own))
    return OPS.reshape(whole, (*out.shape, *own.shape))  # type: ignore[no-any-return]


@entry
def hessian(
    func: Function,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of ``func``, whose output is one number: for each two inputs a tensor of both their shapes."""
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise ArgumentError(
            f"hessian: outer_jacobian_strategy must be 'reverse-mode' or 'forward-mode', got {outer_jacobian_strategy!r}."
        )
    gradient = _gradient("hessian", func, strict)
    many = jacobian(
        lambda *own: gradient(*own)[0],
        _tuple("hessian", "inputs", inputs),
        create_graph,
        strict,
        vectorize,
        outer_jacobian_strategy,
    )
    return many[0][0] if isinstance(inputs, Tensor) else many


@entry
def vhp(
    func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """``(func(*inputs), v^T H)``: a product with the matrix of second derivatives, which is never made."""
    made = _begin("vhp", _gradient("vhp", func, strict), inputs, create_graph, has_aux=True)
    _checked("vhp", made, strict)
    given = _vector("vhp", v, made.inputs.own, "inputs")
    found = made.pulled(made.out_form.rebuild(given), create_graph)
    return _finished(made, create_graph, (made.inputs.released(made.aux), _like(inputs, found)))


@entry
def hvp(
    func: Function, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """``(func(*inputs), H v)``: as ``vhp``, along ``v``; ``vhp`` is cheaper, and the same where the matrix is symmetric."""
    made = _begin("hvp", _gradient("hvp", func, strict), inputs, create_graph, has_aux=True)
    _checked("hvp", made, strict)
    found = pull(made.gradients, made.probes, _vector("hvp", v, made.inputs.own, "inputs"), create_graph)
    return _finished(made, create_graph, (made.inputs.released(made.aux), _like(inputs, found)))


def _gradient(name: str, func: Function, strict: bool) -> Function:
    """The function (gradients of all inputs, value) of ``func``, which must give one number."""

    def number(*own: Tensor) -> Tensor:
        out = func(*own)
        if isinstance(out, tuple) and len(out) == 1:
            (out,) = out
        if not isinstance(out, Tensor) or out.numel() != 1:
            what = f"shape {out.shape}" if isinstance(out, Tensor) else type(out).__name__
            raise ShapeError(f"{name}: the function must return a tensor of one element, got {what}.")
        if strict:
            reached = _behind(out)
            for place, tensor in enumerate(own):
                if tensor.node not in reached:
                    raise GradientError(
                        f"{name}: the output does not depend on input {place}, which strict=True refuses."
                    )
        return OPS.reshape(out, ())  # type: ignore[no-any-return]

    def both(*own: Tensor) -> Any:
        found, value = grad_and_value(number, tuple(range(len(own))))(*own)
        return found, value

    return both
