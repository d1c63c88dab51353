"""Repairing the arguments of a call: promotion by the one table, casts, numbers made tensors.

After ``repair`` the arguments fit the generated text of the op: tensors of one kind on one device.
"""

from __future__ import annotations

import math
from typing import Any

from tapeloom import dtypes
from tapeloom.call.explain import described, not_a_tensor
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, ArgumentTypeError, DeviceError, DTypeError
from tapeloom.host import python_number
from tapeloom.op.parameter import Parameter
from tapeloom.op.registry import OPS
from tapeloom.op.schema import OpSchema
from tapeloom.tape.levels import LEVELS, lift
from tapeloom.tensors.kind import Kind, kind_of
from tapeloom.tensors.tensor import Tensor, make, read_array

#: what finds the kernel of an op: the kind of its inputs, and the dtype that the call asks for, if it does
Key = Kind | tuple[Kind, DType]

#: the category of dtypes that an input that is not promoted must have
CATEGORY = {"index": dtypes.INTEGER, "mask": dtypes.BOOL}


class _Found:
    """What a look at the inputs found: the first tensor, and the dtypes that take part in promotion by their weight."""

    __slots__ = ("castable", "first", "first_value", "numbers", "strong", "zero_d")

    def __init__(self) -> None:
        self.first: Tensor | None = None
        self.first_value: Tensor | None = None
        self.strong: DType | None = None
        self.zero_d: list[DType] = []
        self.numbers: list[DType] = []
        self.castable: list[int] = []

    def take(self, op: OpSchema, parameter: Parameter, value: Any) -> None:
        """Look at one input."""
        if not isinstance(value, Tensor):
            if parameter.number and isinstance(value, dtypes.NUMBERS):
                self.numbers.append(dtypes.of_number(value))
                return
            raise ArgumentTypeError(not_a_tensor(op.name, parameter.name, value, parameter.number))
        dtype = value.kind.dtype
        if self.first is None:
            self.first = value
        elif value.kind.device is not self.first.kind.device:
            raise DeviceError(
                f"{op.name}: {parameter.name} is on {value.device}, and the first input is on {self.first.device}. "
                f"Move one of them: x = x.to(device), which gives a new tensor."
            )
        if parameter.input == "value":
            self.first_value = value if self.first_value is None else self.first_value
            if value.ndim:
                self.strong = dtype if self.strong in (None, dtype) else dtypes.promote_types(self.strong, dtype)
            else:
                self.zero_d.append(dtype)
        elif dtype.category != CATEGORY[str(parameter.input)]:
            wanted = "hold integers" if parameter.input == "index" else "be a bool tensor"
            cast = ".long()" if parameter.input == "index" else ".bool()"
            raise DTypeError(f"{op.name}: {parameter.name} must {wanted}, got {dtype.name}. Cast it with {cast}.")

    def promoted(self) -> DType:
        """The dtype that all of them promote to."""
        common = self.strong
        if self.zero_d:
            common = dtypes.weak_result(common, self.zero_d)
        if self.numbers:
            common = dtypes.weak_result(common, self.numbers)
        assert common is not None
        return common


def promoted(op: OpSchema, *values: Any) -> DType:
    """The dtype that ``values``, given for the inputs of ``op``, promote to."""
    found, given = _Found(), list(values)
    if LEVELS.get():
        lift(given)
    for parameter, value in zip(op.parameters, given, strict=True):
        found.take(op, parameter, value)
    return found.promoted()


def repair(op: OpSchema, values: list[Any]) -> Key:
    """Convert the bound arguments in place until they fit, or say what is wrong; returns what finds the kernel."""
    if LEVELS.get():
        lift(values)
    found = _Found()
    asked: DType | None = None
    castable = False
    for position, parameter in enumerate(op.parameters):
        value = values[position]
        if not parameter.input:
            if parameter.name == "dtype":
                castable = parameter.role == "Cast"
                asked = values[position] = parameter.normalise(op.name, "dtype", value, 0)  # type: ignore[misc]
            continue
        if value is None and parameter.optional:
            continue
        if parameter.many:
            value = values[position] = _listed(op, parameter, value)
        elif parameter.number:
            value = values[position] = python_number(value)
        for tensor in value if parameter.many else (value,):
            found.take(op, parameter, tensor)
        if parameter.input == "value":
            found.castable.append(position)
    first = found.first
    if first is None:
        raise ArgumentTypeError(f"{op.name}: expected at least one tensor, got {', '.join(map(described, values))}.")
    if op.dtype_rule.moves:
        kind = (first if found.first_value is None else found.first_value).kind
        _same_dtype(op, values, found.castable, kind)
        return kind if asked is None else (kind, asked)
    common = first.kind.dtype if op.dtype_rule.gives == "first" else found.promoted()
    if op.dtype_rule.gives == "bool":
        common = _comparable(values, found.castable, common)
    compute, _ = op.dtype_rule.apply(op.name, common, asked, castable)
    target = kind_of(compute, first.kind.device)
    for position in found.castable:
        value = values[position]
        if isinstance(value, list):
            values[position] = [cast(tensor, target) for tensor in value]
        elif isinstance(value, Tensor):
            values[position] = cast(value, target)
        elif value is not None:
            fitting = dtypes.fitting(op.name, value, compute)
            values[position] = make(target.backend.scalar(fitting, compute, target.device), target)
    return target if asked is None else (target, asked)


def _comparable(values: list[Any], positions: list[int], common: DType) -> DType:
    """The dtype to compare in. A number that integers of ``common`` cannot hold becomes infinite, which compares as it does."""
    for position in positions:
        value = values[position]
        if not common.inexact and isinstance(value, int) and not common.min <= value <= common.max:
            values[position] = math.inf if value > 0 else -math.inf
            return dtypes.float32
    return common


def _listed(op: OpSchema, parameter: Parameter, value: Any) -> list[Any]:
    if isinstance(value, Tensor) or not hasattr(value, "__iter__") or isinstance(value, str):
        raise ArgumentTypeError(
            f"{op.name}: {parameter.name} must be a list or tuple of tensors, got {type(value).__name__}."
        )
    given = list(value)
    if not given and parameter.input == "value":
        raise ArgumentError(f"{op.name}: expected at least one tensor, got none.")
    for position, tensor in enumerate(given):
        if not isinstance(tensor, Tensor):
            raise ArgumentTypeError(
                f"{op.name}: {parameter.name} must be tensors, got {type(tensor).__name__} at position {position}."
            )
    return given


def _same_dtype(op: OpSchema, values: list[Any], positions: list[int], kind: Kind) -> None:
    """Elements that are moved keep their dtype, so all must have the same; a number takes that of the tensor."""
    for position in positions:
        value, parameter = values[position], op.parameters[position]
        if isinstance(value, dtypes.NUMBERS):
            fitting = dtypes.fitting(op.name, value, kind.dtype)
            values[position] = make(kind.backend.scalar(fitting, kind.dtype, kind.device), kind)
            continue
        for tensor in value if isinstance(value, list) else (value,):
            if tensor is not None and tensor.kind is not kind:
                first = op.parameters[positions[0]].name
                raise DTypeError(
                    f"{op.name}: {first} is {kind.dtype.name}, and {parameter.name} is {tensor.dtype.name}; they must be the "
                    f"same. Cast one of them with .to(dtype)."
                )


def cast(tensor: Tensor, target: Kind) -> Tensor:
    """``tensor`` in the dtype of ``target``; recorded, so that its gradient is cast back."""
    if tensor.kind is target:
        return tensor
    if tensor.node is None:
        return make(target.backend.call("cast", read_array(tensor), target.dtype), target)
    return OPS.cast(tensor, target.dtype)  # type: ignore[no-any-return]


def entry_of(op: OpSchema, key: Key) -> tuple[Any, Kind]:
    """The kernel for inputs of one kind, and the kind of the result."""
    kind, asked = key if isinstance(key, tuple) else (key, None)
    compute, result = op.dtype_rule.apply(op.name, kind.dtype, asked)
    if compute is not kind.dtype:
        raise KeyError(key)
    made = kind if result is kind.dtype else kind_of(result, kind.device)
    return kind.backend.kernel_for(op, kind.dtype), made


class KernelTable(dict[Key, tuple[Any, Kind]]):
    """Kernels of one op by key, found on first use."""

    def __init__(self, op: OpSchema) -> None:
        super().__init__()
        self.op = op

    def __missing__(self, key: Key) -> tuple[Any, Kind]:
        found = self[key] = entry_of(self.op, key)
        return found
