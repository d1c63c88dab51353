"""Running an op: bind, promote, check, kernel, record, wrap.

``run`` is the general path of every op: it takes whatever a call may bring, and says what is wrong. What it finds out
for inputs of one kind it leaves in ``op.entries``, by which the short path (``shortcut``) goes on.
"""

from __future__ import annotations

from typing import Any

from tapeloom import dtypes, shapes
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, ArgumentTypeError, DeviceError, DTypeError, TapeloomError
from tapeloom.modes import MODES
from tapeloom.tape.kind import Kind, kind_of
from tapeloom.tape.node import Node, Output, next_number
from tapeloom.tape.op import OPS, Op
from tapeloom.tape.rule import Plan
from tapeloom.tape.tensor import Tensor, make

_new = object.__new__


def run(op: Op[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The general path of every op."""
    if kwargs and op.rewrites is not None and not op.extras.isdisjoint(kwargs):
        own = op.bind(args, {name: value for name, value in kwargs.items() if name not in op.extras})
        return op.rewrites(*own, **{name: value for name, value in kwargs.items() if name in op.extras})
    values = op.bind(args, kwargs)
    if op.prepare is not None:
        values = list(op.prepare(op, *values))
    kind = _normalise(op, values)
    if op.check is not None:
        op.check(op, *values)
    elif op.plain and len(values) == 2:
        shapes.broadcast(op.name, values[0].array.shape, values[1].array.shape)
    arrays: list[Any] = []
    edges: list[Node | None] = []
    need: list[Any] = []
    tracked = False
    for (role, passes, gives), value in zip(op.steps, values, strict=True):
        if role is None:
            if passes:
                arrays.append(value)
        elif value is None:
            arrays.append(None)
            need.append(False)
            edges.append(None)
        elif role == "indices":
            arrays.append([tensor.array for tensor in value])
            need.append(False)
            edges.append(None)
        elif role == "values":
            arrays.append([tensor.array for tensor in value])
            nodes = [tensor.node for tensor in value]
            edges.extend(nodes)
            need.append(tuple(node is not None for node in nodes))
            tracked = tracked or any(need[-1])
        else:
            arrays.append(value.array)
            node = value.node if gives else None
            need.append(node is not None)
            edges.append(node)
            tracked = tracked or node is not None

    kernel = op.kernels.get(kind)
    if kernel is None:
        kernel = op.kernels[kind] = kind.backend.kernel_for(op, kind.dtype)
    try:
        result = kernel(*arrays)
    except TapeloomError as error:
        error.add_note(f"in {op.name}({', '.join(_describe(value) for value in values)})")
        raise
    except (ValueError, TypeError, IndexError) as error:  # what no check of ours foresaw
        inputs = ", ".join(_describe(value) for value in values)
        raise ArgumentError(f"{op.name}: the {kind.backend.name} kernel refused ({inputs}): {error}") from error
    residuals: tuple[Any, ...] = ()
    if op.residuals:
        result, residuals = result

    node = None
    if tracked and op.differentiable and MODES.get().grad:
        plan = op.plan(tuple(need))
        node = _new(Node)
        node.plan = plan
        node.edges = tuple(edges)
        node.kept = keep(plan, values, result, residuals)
        node.number = next_number()
        node.hooks = None

    if op.outputs:
        return _wrap_outputs(op, result, kind, node)
    if node is not None:
        node.kind = kind
        node.shape = result.shape
    out = make(result, kind, node)
    if op.is_view:
        from tapeloom.tape.alias import link

        link(out, values[0], op, tuple(values[1:]))
    return out


def _normalise(op: Op[Any, Any], values: list[Any]) -> Kind:
    """Check and convert the bound arguments in place; returns the kind of the result."""
    kind = _common_kind(op, values)
    if kind is None:
        return _promote(op, values)
    ndim = (
        len(values[op.input_positions[0][0]].array.shape) if type(values[op.input_positions[0][0]]) is not list else 0
    )
    asked = _normalise_statics(op, values, ndim)
    compute, result = op.policy(op.name, kind.dtype, asked)
    if compute is not None and compute is not kind.dtype:
        return _promote(op, values)
    made = kind if result is kind.dtype else kind_of(result, kind.device)
    if asked is None and kind not in op.entries:
        op.entries[kind] = (kind.backend.kernel_for(op, made.dtype), made)
    return made


def _common_kind(op: Op[Any, Any], values: list[Any]) -> Kind | None:
    """The kind of all inputs that take part in promotion, if they are tensors of one kind and nothing is unusual."""
    kind: Kind | None = None
    for position, role, optional in op.input_positions:
        value = values[position]
        if value is None and optional:
            continue
        if not isinstance(value, Tensor):
            return None
        if kind is None:
            if role != "value":
                return None
            kind = value.kind
        elif (
            value.kind is not kind
            and (
                role == "value"
                or value.kind.device is not kind.device
                or value.kind.dtype.category != (dtypes.INTEGER if role == "index" else dtypes.BOOL)
            )
        ) or (role != "value" and value.kind is kind):
            return None
    return kind


def _normalise_statics(op: Op[Any, Any], values: list[Any], ndim: int) -> DType | None:
    """Normalise the statics in place; returns the dtype asked for, if one is."""
    asked: DType | None = None
    for position, name, normaliser in op.static_positions:
        if normaliser is not None:
            values[position] = normaliser(op.name, name, values[position], ndim)
        if name == "dtype":
            asked = values[position]
    return asked


def _promote(op: Op[Any, Any], values: list[Any]) -> Kind:
    """The whole way: every kind of input, promotion by the one table, casts."""
    strong: DType | None = None
    zero_d: list[DType] = []
    numbers: list[DType] = []
    first: Any = None  # the first input: fixes the device, and the ndim that dims count from
    first_value: Any = None
    castable: list[int] = []
    for position, (name, annotation, role) in enumerate(op.roles):
        if role is None:
            continue
        value = values[position]
        if value is None and annotation.endswith("None"):
            continue
        several = role in ("values", "indices")
        if several:
            value = values[position] = _tensors(op, name, value)
        for tensor in value if several else (value,):
            if not isinstance(tensor, Tensor):
                if annotation.startswith("TensorLike") and isinstance(tensor, dtypes.NUMBERS):
                    numbers.append(dtypes.of_number(tensor))
                    castable.append(position)
                    continue
                raise ArgumentTypeError(_not_a_tensor(op, name, annotation, tensor))
            if first is None:
                first = tensor
            elif tensor.kind.device is not first.kind.device:
                raise DeviceError(
                    f"{op.name}: {name} is on {tensor.device}, and the first input is on {first.device}. "
                    f"Move one of them with .to(device)."
                )
            if role in ("value", "values"):
                first_value = first_value or tensor.kind.dtype
                if tensor.array.shape:
                    dtype = tensor.kind.dtype
                    strong = dtype if strong is None or strong is dtype else dtypes.promote_types(strong, dtype)
                else:
                    zero_d.append(tensor.kind.dtype)
                if not castable or castable[-1] != position:
                    castable.append(position)
            elif role in ("index", "indices") and tensor.kind.dtype.category != dtypes.INTEGER:
                raise DTypeError(
                    f"{op.name}: {name} must hold integers, got {tensor.dtype.name}. Cast it with .long()."
                )
            elif role == "mask" and tensor.kind.dtype.category != dtypes.BOOL:
                raise DTypeError(
                    f"{op.name}: {name} must be a bool tensor, got {tensor.dtype.name}. Cast it with .bool()."
                )
    if first is None:
        raise ArgumentTypeError(
            f"{op.name}: expected at least one tensor, got {', '.join(_describe(v) for v in values)}."
        )

    asked = _normalise_statics(op, values, len(first.array.shape))
    common: Any = strong
    if zero_d:
        common = dtypes.weak_result(common, zero_d)
    if numbers:
        common = dtypes.weak_result(common, numbers)
    if common is None:
        common = first.kind.dtype
    compute, result = op.policy(op.name, common, asked)
    if compute is None and asked is None and first_value is not None:
        result = first_value
    device = first.kind.device
    if compute is not None:
        simple = asked is None
        target = kind_of(compute, device)
        for position in castable:
            value = values[position]
            if isinstance(value, list):
                values[position] = [cast(tensor, target) for tensor in value]
            elif isinstance(value, Tensor):
                if value.kind is not target:
                    values[position] = cast(value, target)
                    simple = False
            else:
                values[position] = make(
                    target.backend.scalar(checked_number(op.name, value, compute), compute, device), target
                )
        kind = kind_of(result, device)
        if simple:
            op.entries[target] = (target.backend.kernel_for(op, kind.dtype), kind)
        return kind
    return kind_of(result, device)


def cast(tensor: Tensor, target: Kind) -> Tensor:
    """``tensor`` in the dtype of ``target``; recorded, so that its gradient is cast back."""
    if tensor.kind is target:
        return tensor
    if tensor.node is None:
        return make(target.backend.cast(tensor.array, target.dtype), target)  # type: ignore[attr-defined]
    return OPS.cast(tensor, target.dtype)  # type: ignore[no-any-return]


def checked_number(op: str, value: Any, dtype: DType) -> Any:
    """A Python number that ``dtype`` can hold."""
    return dtypes.fitting(op, value, dtype)


def _tensors(op: Op[Any, Any], name: str, value: Any) -> list[Any]:
    if isinstance(value, Tensor) or not hasattr(value, "__iter__") or isinstance(value, str):
        raise ArgumentTypeError(f"{op.name}: {name} must be a list or tuple of tensors, got {_describe(value)}.")
    return list(value)


def _not_a_tensor(op: Op[Any, Any], name: str, annotation: str, value: Any) -> str:
    wanted = "a tensor or a number" if annotation.startswith("TensorLike") else "a tensor"
    hint = ""
    if hasattr(value, "__array__") or isinstance(value, (list, tuple, *dtypes.NUMBERS)):
        hint = f" Make it one with tapeloom.tensor({'...' if not isinstance(value, dtypes.NUMBERS) else value})."
    return f"{op.name}: {name} must be {wanted}, got {_describe(value)}.{hint}"


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, (*dtypes.NUMBERS, str, tuple)) or value is None:
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_describe(item) for item in value[:4]) + (", …]" if len(value) > 4 else "]")
    return type(value).__name__


def keep(plan: Plan, values: list[Any], result: Any, residuals: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values that the plan keeps, in the order of the op's layout."""
    kept: list[Any] = []
    for source in plan.sources:
        if source is None:
            kept.append(None)
            continue
        what, position = source
        if what == "static":
            kept.append(values[position])
        elif what == "array":
            value = values[position]
            kept.append(None if value is None else value.array)
        elif what == "out":
            kept.append(result)
        elif what == "residual":
            kept.append(residuals[position])
        elif what == "shape":
            kept.append(values[position].array.shape)
        elif what == "dtype":
            kept.append(values[position].kind.dtype)
        elif what == "arrays":
            kept.append([tensor.array for tensor in values[position]])
        elif what == "shapes":
            kept.append(tuple(tensor.array.shape for tensor in values[position]))
        else:
            kept.append(tuple(tensor.kind.dtype for tensor in values[position]))
    return tuple(kept)


def _wrap_outputs(op: Op[Any, Any], results: Any, kind: Kind, node: Node | None) -> tuple[Tensor, ...]:
    """Tensors for several outputs; those named ``indices`` hold int64 and have no gradient."""
    tensors = []
    kinds, sizes = [], []
    for position, (name, array) in enumerate(zip(op.outputs, results, strict=True)):
        its = kind_of(dtypes.int64, kind.device) if name == "indices" else kind
        kinds.append(its)
        sizes.append(array.shape)
        source = Output(node, position, its, array.shape) if node is not None and its is kind else None
        tensors.append(make(array, its, source))
    if node is not None:
        node.kind = kind
        node.shape = tuple(sizes)
    return tuple(tensors)
