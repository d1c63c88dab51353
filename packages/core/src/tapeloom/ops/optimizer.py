"""The bridge between optimizers and backends: it checks, groups what one call can update, and rebinds the results.

Nothing here is recorded. A backend may overwrite memory that nothing else can see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tapeloom.backend.fallback import arrays_in
from tapeloom.call.inplace import rebind
from tapeloom.dtypes import REAL_NUMBERS
from tapeloom.errors import ArgumentError, DeviceError, DTypeError, ShapeError
from tapeloom.tensors.alias import related
from tapeloom.tensors.kind import Kind
from tapeloom.tensors.tensor import Tensor, make, read_array, write_array

Column = list[Tensor | None]
#: what one call updates: the number of its step, and the positions of its parameters
Group = tuple[float | None, list[int]]


def update_parameters(
    name: str,
    formula: Callable[..., Any],
    params: list[Tensor],
    grads: list[Tensor],
    states: Mapping[str, Column | None],
    settings: Mapping[str, Any],
    *,
    steps: list[float] | None = None,
    fused: str = "",
) -> None:
    """One step of an optimizer: gives ``params`` and ``states`` their new values in place.

    Args:
        name: what messages begin with.
        formula: ``formula(ops, param, grad, *states, **settings)`` on the arrays of one parameter, in terms of ``ops`` and
            operators; it returns the new parameter and its new states. See ``Backend.update``.
        params: the parameters; two that share their values are updated one after the other.
        grads: a gradient for each.
        states: for each name of the state a tensor for each parameter. Where there is none yet stands None, which a new
            tensor replaces if the formula gives one; None for the whole list is a state that this step does not use.
        settings: bools, numbers, 0-d tensors, and tuples of these. A tensor is never read back to the host.
        steps: the number of this step for each parameter, which the formula gets as ``step``.
        fused: the backend's kernel ``fused_<fused>``, if it has one, computes what the formula does; all states then have
            the shape of their parameter.

    Raises ArgumentError, ShapeError, DTypeError or DeviceError, before anything changed, for lists that do not fit.
    """
    if not params:
        return
    same_shapes = bool(fused)
    values = dict(settings)
    for key, value in settings.items():
        if type(value) not in REAL_NUMBERS and not (type(value) is tuple and _NUMBERS.issuperset(map(type, value))):
            values[key] = raw = _raw(name, key, value, params)
            if arrays_in(raw):
                fused = ""  # such kernels take numbers
    title = fused or f"{formula.__module__}.{formula.__qualname__}"  # with a dot: no backend has a fused kernel of it
    lists: list[Column | None] = [params, grads, *states.values()]  # type: ignore[list-item]
    arrays = _arrays_of_one_group(lists, steps, same_shapes)
    if arrays is not None:
        _update(title, formula, lists, arrays, values if steps is None else {**values, "step": steps[0]})
        return
    _check(name, params, grads, states, same_shapes)
    for step, positions in _groups(params, [column for column in lists[2:] if column is not None], steps):
        part = [None if column is None else [column[i] for i in positions] for column in lists]
        arrays = [_arrays(column, len(positions)) for column in part]
        _update(title, formula, part, arrays, values if step is None else {**values, "step": step})
        for column, tensors in zip(lists[2:], part[2:], strict=True):
            if column is not None and tensors is not None:
                for i, tensor in zip(positions, tensors, strict=True):
                    column[i] = tensor


def _update(
    title: str, formula: Callable[..., Any], lists: list[Column | None], arrays: list[Any], settings: dict[str, Any]
) -> None:
    """One call of the backend, for parameters of one kind, and their new values."""
    params, _, *columns = lists
    kind = params[0].kind  # type: ignore[index, union-attr]
    new = kind.backend.update(title, formula, arrays, settings)
    for tensors, results in zip((params, *columns), new, strict=True):
        if tensors is not None:
            _assign(tensors, results, kind)


def _arrays(tensors: Column | None, count: int) -> list[Any]:
    if tensors is None or tensors[0] is None:  # then all are: see ``_groups``
        return [None] * count
    return list(map(read_array, tensors))  # type: ignore[arg-type]


def _assign(tensors: Column, arrays: Sequence[Any], kind: Kind) -> None:
    """Give each tensor its new value; None leaves it as it is, and where there were no tensors new ones begin."""
    if tensors[0] is None:
        tensors[:] = [None if array is None else make(array, kind) for array in arrays]
        return
    for tensor, array in zip(tensors, arrays, strict=True):
        if array is None:
            continue
        if tensor.extra is None:  # type: ignore[union-attr]  # as in ``rebind``, without a call for each
            write_array(tensor, array)  # type: ignore[arg-type]
        else:
            rebind(tensor, array)  # type: ignore[arg-type]


def _arrays_of_one_group(
    lists: Sequence[Column | None], steps: list[float] | None, same_shapes: bool
) -> list[Any] | None:
    """The arrays of ``lists``, where all fits and one call can update them, as usual: else None, and a longer look tells."""
    params: Any = lists[0]
    count, kind = len(params), params[0].kind
    if steps is not None and steps.count(steps[0]) != count:
        return None
    for param in params:
        if param.kind is not kind or param.extra is not None:
            return None
    arrays = _arrays(params, count)
    found, shapes = [arrays], [array.shape for array in arrays]
    for column in lists[1:]:
        arrays = [None] * count
        if column is not None:
            if len(column) != count:
                return None
            absent = column[0] is None
            for state in column:
                if (state is not None) if absent else state is None or state.kind is not kind:
                    return None
            if not absent:
                arrays = _arrays(column, count)
                if (same_shapes or len(found) == 1) and [array.shape for array in arrays] != shapes:
                    return None
        found.append(arrays)
    return found


def _check(
    name: str, params: list[Tensor], grads: list[Tensor], states: Mapping[str, Column | None], same_shapes: bool
) -> None:
    """Raise an error unless there is an entry for each parameter, on its device, in its dtype and (mostly) its shape."""
    columns: dict[str, Sequence[Tensor | None] | None] = {"gradients": grads, **states}
    for what, column in columns.items():
        if column is None:
            continue
        if len(column) != len(params):
            raise ArgumentError(
                f"{name}: {len(params)} parameters and {len(column)} {what} were given. Give one for each."
            )
        for position, (param, entry) in enumerate(zip(params, column, strict=True)):
            if entry is None:
                continue
            if entry.kind is not param.kind:
                error = DTypeError if entry.device is param.device else DeviceError
                cure = (
                    "Compute it again" if what == "gradients" else "optimizer.load_state_dict(optimizer.state_dict())"
                )
                raise error(
                    f"{name}: parameter {position} is {param.kind}, and its entry in {what} is {entry.kind}: the parameter "
                    f"was moved or cast since. {cure} brings it there."
                )
            if (same_shapes or what == "gradients") and entry.shape != param.shape:
                raise ShapeError(
                    f"{name}: parameter {position} has shape {param.shape}, and its entry in {what} has {entry.shape}."
                )


def _groups(params: list[Tensor], columns: list[Column], steps: list[float] | None) -> list[Group]:
    """What one call can update: of one kind, at one step, with the same states there.

    Of several parameters that share values, all but the first are alone: each starts from what the one before has left.
    """
    found: dict[tuple[Any, ...], list[int]] = {}
    roots: set[int] = set()
    for position, param in enumerate(params):
        alone = None
        if related(param):
            base = None if param.extra is None else param.extra.base
            root = id(param if base is None else base)
            alone = position if root in roots else None
            roots.add(root)
        there = tuple([column[position] is None for column in columns])
        step = None if steps is None else steps[position]
        found.setdefault((param.kind, step, there, alone), []).append(position)
    return [(key[1], positions) for key, positions in found.items()]


# settings


_NUMBERS = frozenset(REAL_NUMBERS)


def _raw(name: str, key: str, value: Any, params: list[Tensor]) -> Any:
    """A setting as backends get it: a rate given as a tensor is its array, a host library's float a float.

    Raises DeviceError for a rate that is on another device than a parameter.
    """
    if isinstance(value, Tensor):
        for position, param in enumerate(params):
            if value.device is not param.device:
                raise DeviceError(
                    f"{name}: {key} is on {value.device}, and parameter {position} on {param.device}. Move {key} there "
                    f"with .to('{param.device}'), or give a number."
                )
        return read_array(value)
    if isinstance(value, (tuple, list)):
        return tuple([_raw(name, key, item, params) for item in value])
    return float(value) if isinstance(value, float) else value
