"""Derivatives of functions: grad, vjp, jvp and their kin.

Each call differentiates on a tape of its own: the arguments become new leaves, or new nodes behind which an outer tape
goes on. What comes back needs a gradient only where an outer tape leads to it. ``jvp`` is the gradient of a gradient: the
gradient is linear in what is pulled back, and the derivative of a linear function is itself.

Source: J. Townsend, "A new trick for calculating Jacobian vector products", 2017 (jvp by two vjps).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tapeloom.call_site import entry
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, GradientError, ShapeError
from tapeloom.func.tree import Form, flatten, mapped_tensors
from tapeloom.modes import enable_grad, is_grad_enabled
from tapeloom.op.registry import OPS
from tapeloom.tape.levels import bare, innermost, lifted
from tapeloom.tape.walk import grad as walk_back
from tapeloom.tensors.node import Leaf, Node
from tapeloom.tensors.tensor import Tensor, make, read_array

Argnums = int | tuple[int, ...]


class Inputs:
    """The arguments that a function is differentiated by, as the beginning of a tape of its own.

    ``own`` are the tensors that the function gets. ``outer``: whether results are to be recorded by an outer tape, where one
    leads to them.
    """

    def __init__(self, name: str, tensors: Sequence[Any]) -> None:
        self.outer = is_grad_enabled()
        self.own = [self._begin(name, tensor) for tensor in tensors]

    def _begin(self, name: str, tensor: Any) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise ArgumentTypeError(f"{name}: only tensors can be differentiated by, got {type(tensor).__name__}.")
        if not tensor.kind.inexact:
            raise DTypeError(
                f"{name}: only floating and complex tensors have a gradient, this one is {tensor.dtype.name}. Cast it, or leave it "
                f"out of argnums."
            )
        tensor = lifted(tensor, innermost(tensor.device))  # within vmap each sample has a gradient of its own
        if tensor.node is not None and self.outer:
            with enable_grad():
                return OPS.alias(tensor)  # type: ignore[no-any-return]
        return make(read_array(tensor), tensor.kind, Leaf(tensor.kind, tensor.shape))

    def leads_out(self, *tensors: Any) -> bool:
        """Whether results of ``tensors`` belong to an outer tape: one that leads further than to these inputs."""
        if not self.outer:
            return False
        own = {tensor.node for tensor in self.own}
        if any(type(node) is not Leaf for node in own):
            return True
        seen: set[Node] = set()
        stack = [tensor.node for tensor in tensors if isinstance(tensor, Tensor) and tensor.node is not None]
        while stack:
            node = stack.pop()
            if node in seen or node in own:
                continue
            if type(node) is Leaf:
                return True
            seen.add(node)
            stack.extend(edge for edge in node.edges if edge is not None)
        return False

    def released(self, tree: Any) -> Any:
        """``tree`` with its tensors off this tape, unless an outer one leads to them."""
        return mapped_tensors(lambda tensor: tensor if self.leads_out(tensor) else bare(tensor), tree)


def pull(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor], create: bool
) -> list[Tensor]:
    """The gradients of ``inputs`` for those of ``outputs``, zeros where nothing comes back; recorded with ``create``."""
    pairs = [(out, g) for out, g in zip(outputs, cotangents, strict=True) if out.node is not None]
    deeper = any(g.device is not out.device for out, g in pairs)  # a batch of gradients for a tape of one
    reached = [tensor for tensor in inputs if tensor.node is not None]
    found: dict[Any, Any] = {}
    if pairs and reached:
        outs, gradients = zip(*pairs, strict=True)
        created = create or deeper
        with enable_grad():
            got = walk_back(outs, reached, gradients, True, created, materialize_grads=True)
        found = {
            id(tensor): g if create or not created or g is None else bare(g)
            for tensor, g in zip(reached, got, strict=True)
        }
    return [found[id(tensor)] if id(tensor) in found else zeros_like(tensor) for tensor in inputs]


def zeros_like(tensor: Tensor) -> Tensor:
    """Zeros in the shape and kind of ``tensor``."""
    kind = tensor.kind
    return make(kind.backend.zeros(tensor.shape, kind.dtype, kind.device), kind)


# which arguments


def chosen(name: str, args: tuple[Any, ...], argnums: Any) -> tuple[int, ...]:
    """The positions that ``argnums`` names, counted from 0."""
    if not isinstance(argnums, (int, tuple)) or isinstance(argnums, bool):
        raise ArgumentTypeError(f"{name}: argnums must be an int or a tuple of ints, got {type(argnums).__name__}.")
    given = argnums if isinstance(argnums, tuple) else (argnums,)
    if not given:
        raise ArgumentError(f"{name}: argnums is empty. Name at least one argument.")
    places = []
    for place in given:
        if not isinstance(place, int):
            raise ArgumentTypeError(f"{name}: argnums must be ints, got {place!r}.")
        if not -len(args) <= place < len(args):
            raise ArgumentError(f"{name}: argnums has {place}, and {len(args)} positional arguments were given.")
        places.append(place % len(args))
    if len({*places}) < len(places):
        raise ArgumentError(f"{name}: argnums {argnums!r} names an argument twice.")
    return tuple(places)


def selected(args: tuple[Any, ...], argnums: Any, places: tuple[int, ...]) -> Any:
    """The arguments that ``argnums`` names: one for an int, else a tuple."""
    return args[places[0]] if isinstance(argnums, int) else tuple([args[place] for place in places])


def replaced(args: tuple[Any, ...], argnums: Any, places: tuple[int, ...], values: Any) -> tuple[Any, ...]:
    """``args`` with ``values`` in the place of those."""
    given = list(args)
    for place, value in zip(places, (values,) if isinstance(argnums, int) else values, strict=True):
        given[place] = value
    return tuple(given)


def split_aux(name: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    """The result of a function and what it returns besides."""
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise ArgumentTypeError(
            f"{name}: with has_aux the function must return a pair (output, aux), got {type(result).__name__}."
        )
    return result


def tensors_of(name: str, leaves: list[Any]) -> list[Tensor]:
    """The results of a function, which must be tensors, at least one."""
    if not leaves:
        raise ArgumentError(f"{name}: the function returned no tensor.")
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ArgumentTypeError(f"{name}: the function must return tensors, got {type(leaf).__name__}.")
    return leaves


# grad


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that computes the gradient of ``func``, whose result is one number, by the arguments ``argnums``.

    These may be tensors or trees of them, such as a dict of parameters. With ``has_aux``, ``func`` returns (result, aux) and the
    new function (gradient, aux).

    Example:
        >>> import tapeloom as tl
        >>> tl.func.grad(lambda x: x.sin())(tl.tensor(0.0))
        tensor(1.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @entry
    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def grad_and_value(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that computes the gradient of ``func`` and its result, ``(gradient, value)``; see ``grad``.

    With ``has_aux`` it gives ``(gradient, (value, aux))``.
    """

    @entry
    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        places = chosen("grad", args, argnums)
        leaves, form = flatten(selected(args, argnums, places))
        inputs = Inputs("grad", leaves)
        with enable_grad():
            result = func(*replaced(args, argnums, places, form.rebuild(inputs.own)), **kwargs)
            value, aux = split_aux("grad", result, has_aux)
            if not isinstance(value, Tensor):
                raise ArgumentTypeError(f"grad: the function must return a tensor, got {type(value).__name__}.")
            if value.ndim:
                raise ShapeError(
                    f"grad: the function must return one number, a tensor without dimensions, got shape {value.shape}. Reduce it, "
                    f"for instance with .sum(), or use vjp or jacrev."
                )
            if value.dtype.is_complex:
                raise DTypeError("grad: the function must return a real number. Take .real or .abs() of it.")
            create = inputs.leads_out(value)
            found = pull([value], inputs.own, [OPS.full_of(bare(value), 1)], create)
        gradients = form.rebuild(found)
        value = inputs.released(value)
        return (gradients, (value, inputs.released(aux))) if has_aux else (gradients, value)

    return both


def value_and_grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """``grad_and_value`` with its results in the other order: ``(value, gradient)``."""
    both = grad_and_value(func, argnums, has_aux)

    @entry
    @functools.wraps(func)
    def turned(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return value, found

    return turned


# vjp and jvp


class Linearization:
    """A function at a place: its results, and the tape that leads from them to its inputs."""

    def __init__(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], argnums: Any, has_aux: bool) -> None:
        places = tuple(range(len(args))) if argnums is None else chosen(name, args, argnums)
        given = args if argnums is None else selected(args, argnums, places)
        leaves, self.form = flatten(given)
        if not leaves:
            raise ArgumentError(f"{name}: no arguments to differentiate by were given.")
        self.name = name
        self.inputs = Inputs(name, leaves)
        own = self.form.rebuild(self.inputs.own)
        with enable_grad():
            result = func(*(own if argnums is None else replaced(args, argnums, places, own)))
        value, self.aux = split_aux(name, result, has_aux)
        outputs, self.out_form = flatten(value)
        self.outputs = tensors_of(name, outputs)

    @property
    def value(self) -> Any:
        """The results as the caller gets them."""
        return self.inputs.released(self.out_form.rebuild(self.outputs))

    @property
    def create(self) -> bool:
        """Whether an outer tape leads to the results, so that gradients are to be recorded too."""
        return self.inputs.leads_out(*self.outputs)

    def pulled(self, cotangents: Any, create: bool) -> list[Tensor]:
        """The gradients of the inputs, for those of the outputs as a tree of their form."""
        given, form = flatten(cotangents)
        if form != self.out_form:
            raise ArgumentError(
                f"{self.name}: the cotangents have the form {form!r}, and the outputs of the function {self.out_form!r}. They must agree."
            )
        fitting = [_fitting(self.name, "cotangent", g, out) for g, out in zip(given, self.outputs, strict=True)]
        return pull(self.outputs, self.inputs.own, fitting, create)

    def pushed(self, tangents: list[Tensor], strict: bool = False) -> list[Tensor]:
        """The derivatives of the outputs along ``tangents`` of the inputs."""
        fitting = [_fitting(self.name, "tangent", t, x) for t, x in zip(tangents, self.inputs.own, strict=True)]
        if strict and any(out.node is None for out in self.outputs):
            raise GradientError(f"{self.name}: an output does not depend on the inputs, which strict=True refuses.")
        create = self.inputs.leads_out(*self.outputs, *fitting)
        return pull(self.gradients, self.probes, fitting, create)

    @functools.cached_property
    def probes(self) -> list[Tensor]:
        """Gradients of the outputs to differentiate by: zeros, for the gradient of the inputs is linear in them."""
        made = []
        for out in self.outputs:
            probe = zeros_like(out)
            probe.node = Leaf(probe.kind, probe.shape)
            made.append(probe)
        return made

    @functools.cached_property
    def gradients(self) -> list[Tensor]:
        """The gradients of the inputs for the probes."""
        return pull(self.outputs, self.inputs.own, self.probes, create=True)


def _fitting(name: str, what: str, given: Any, tensor: Tensor) -> Tensor:
    """A cotangent or a tangent, which must be like its tensor."""
    if not isinstance(given, Tensor):
        raise ArgumentTypeError(f"{name}: a {what} must be a tensor, got {type(given).__name__}.")
    if given.shape != tensor.shape or given.dtype is not tensor.dtype:
        raise ShapeError(
            f"{name}: a {what} is {given.dtype.name}{list(given.shape)}, and what it belongs to {tensor.dtype.name}{list(tensor.shape)}. "
            f"They must agree."
        )
    return lifted(given, tensor.device)


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``(func(*primals), vjp_fn)``: ``vjp_fn(cotangents)`` pulls gradients of the results back to ``primals``.

    ``vjp_fn`` returns a tuple, with one gradient for each of ``primals`` (for a single one that gradient alone in the tuple).
    With ``has_aux``, ``func`` returns (result, aux), and aux comes third.
    """
    made = Linearization("vjp", func, primals, None, has_aux)
    for out in made.outputs:
        if not out.kind.inexact:
            raise DTypeError(f"vjp: the results of the function must be floating or complex, one is {out.dtype.name}.")

    @entry
    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        create = is_grad_enabled() if create_graph is None else create_graph
        given, _ = flatten(cotangents)
        create = create and (made.create or made.inputs.leads_out(*given))
        return made.form.rebuild(made.pulled(cotangents, create))

    return (made.value, vjp_fn, made.inputs.released(made.aux)) if has_aux else (made.value, vjp_fn)


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """``(func(*primals), derivative)``: the derivative of ``func`` at ``primals`` along ``tangents``, tuples alike.

    It costs one evaluation of ``func`` and two gradients, whatever the number of inputs and outputs. ``strict`` refuses results that do
    not depend on the inputs, whose derivative is zero. With ``has_aux``, ``func`` returns (result, aux), and aux comes third.
    """
    return jvp_of("jvp", func, primals, tangents, None, strict=strict, has_aux=has_aux)


def jvp_of(
    name: str,
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    argnums: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """``jvp`` by the arguments ``argnums``."""
    if not isinstance(primals, tuple):
        raise ArgumentTypeError(f"{name}: primals must be a tuple of the arguments, got {type(primals).__name__}.")
    made = Linearization(name, func, primals, argnums, has_aux)
    given, form = flatten(tangents)
    _same_form(name, form, made.form)
    derivative = made.out_form.rebuild(made.pushed(given, strict))
    return (made.value, derivative, made.inputs.released(made.aux)) if has_aux else (made.value, derivative)


def _same_form(name: str, form: Form, wanted: Form) -> None:
    if form != wanted:
        raise ArgumentError(
            f"{name}: the tangents have the form {form!r}, and the primals {wanted!r}. They must agree."
        )


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``(func(*primals), jvp_fn)``: ``jvp_fn(*tangents)`` is the derivative along them, for which ``func`` does not run again."""
    made = Linearization("linearize", func, primals, None, has_aux=False)

    @entry
    def jvp_fn(*tangents: Any) -> Any:
        given, form = flatten(tangents)
        _same_form("linearize", form, made.form)
        return made.out_form.rebuild(made.pushed(given))

    return made.value, jvp_fn
