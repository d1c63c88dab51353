"""Index keys: what is between the brackets of ``x[...]``, checked against a shape and made explicit.

A key splits into a *structure* (which axes are picked, sliced, new; lengths and steps) and *numbers* (positions and
starts). A compiling backend compiles one program for a structure and passes the numbers as operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapeloom.call_site import warn_user
from tapeloom.errors import ArgumentTypeError, IndexingError

#: a new axis of length 1 in a key, by NumPy's name
newaxis = None

#: the parts of a structure: a picked axis, a new axis, and ("slice", length, step) for a sliced one
PICK, NEW = ("pick",), ("new",)
Part = tuple[Any, ...]


class Key:
    """A basic key: integers, slices and new axes for every axis of a shape. Hashable; equal keys index equally."""

    __slots__ = ("numbers", "structure")

    def __init__(self, structure: tuple[Part, ...], numbers: tuple[Any, ...]) -> None:
        self.structure = structure
        self.numbers = numbers

    def native(self) -> tuple[Any, ...]:
        """The key as array libraries take it: ints, slices and None."""
        result: list[Any] = []
        numbers = iter(self.numbers)
        for part in self.structure:
            if part is NEW or part == NEW:
                result.append(None)
            elif part == PICK:
                result.append(next(numbers))
            else:
                _, length, step = part
                start = next(numbers)
                result.append(slice(start, start + (length - 1) * step + 1, step) if length else slice(0, 0))
        return tuple(result)

    def without_new(self) -> Key:
        """The key of the same places without new axes, which an array cannot be written at."""
        return Key(tuple(part for part in self.structure if part != NEW), self.numbers)

    def shape(self) -> tuple[int, ...]:
        """The shape of what the key picks out."""
        return tuple(1 if part == NEW else part[1] for part in self.structure if part != PICK)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.structure == other.structure and self.numbers == other.numbers

    def __hash__(self) -> int:
        return hash((self.structure, self.numbers))

    def __repr__(self) -> str:
        return f"Key{self.native()}"


def part(shape: tuple[int, ...], dim: int, start: int, length: int) -> Key:
    """The key of ``length`` places along ``dim`` from ``start``, and of all places along the other dimensions."""
    lengths = (*shape[:dim], length, *shape[dim + 1 :])
    numbers = tuple(start if axis == dim else 0 for axis in range(len(shape)))
    return Key(tuple(("slice", count, 1) for count in lengths), numbers)


def parse(op: str, key: Any, shape: tuple[int, ...], is_tensor: Any) -> tuple[Key | None, list[tuple[int, Any]]]:
    """``key`` for a tensor of ``shape``: its basic part (None where it changes nothing), and the advanced part.

    The advanced part lists (dimension after the basic part, tensor or list) in order. Raises IndexingError for a
    position out of range or too many indices, ArgumentTypeError for what is no index.
    """
    if _is_tuple_in_disguise(key, is_tensor):
        warn_user(
            f"{op}: a list that holds lists, tensors, slices, None or ... is read as a tuple, one index for each dimension, as in "
            f"PyTorch. Write x[tuple(key)] for that, or x[tapeloom.tensor(key)] for positions along the first dimension."
        )
        key = tuple(key)
    items: list[Any] = [
        item if type(item) is int or type(item) is slice else _read(op, item, is_tensor)
        for item in (key if isinstance(key, tuple) else (key,))
    ]
    used = 0
    for item in items:
        if item is None or item is Ellipsis or isinstance(item, bool):
            continue
        if _dtype(item) == "bool":
            used += item.ndim
        else:
            used += 1
    if used > len(shape):
        raise IndexingError(f"{op}: {used} indices were given for a tensor of {len(shape)} dimensions (shape {shape}).")
    ellipses = sum(1 for item in items if item is Ellipsis)
    if ellipses > 1:
        raise IndexingError(f"{op}: an index can have only one Ellipsis ('...'), got {ellipses}.")
    if not ellipses:
        items.append(Ellipsis)
    structure: list[Part] = []
    numbers: list[int] = []
    advanced: list[tuple[int, Any]] = []
    axis = dim = 0
    for item in items:
        if item is None:
            structure.append(NEW)
            dim += 1
            continue
        if isinstance(item, bool):  # a new axis, kept or emptied, as in PyTorch and NumPy
            structure.append(NEW)
            advanced.append((dim, item))
            dim += 1
            continue
        if item is Ellipsis:
            for length in shape[axis : axis + len(shape) - used]:
                structure.append(("slice", length, 1))
                numbers.append(0)
            axis += len(shape) - used
            dim += len(shape) - used
            continue
        if is_tensor(item) or isinstance(item, (list, tuple, range)) or hasattr(item, "__array_interface__"):
            if is_tensor(item) and not item.ndim and not item.requires_grad:
                if item.dtype.inexact:
                    raise ArgumentTypeError(
                        f"{op}: a {item.dtype.name} tensor cannot be an index. Cast it with .long()."
                    )
                item = int(item)
            else:
                spans = item.ndim if _dtype(item) == "bool" else 1
                for _ in range(spans):
                    structure.append(("slice", shape[axis], 1))
                    numbers.append(0)
                    axis += 1
                advanced.append((dim, item))
                dim += spans
                continue
        length = shape[axis]
        if isinstance(item, slice):
            step = 1 if item.step is None else _index(op, item.step)
            if step <= 0:
                raise IndexingError(f"{op}: slice step must be positive, got {step}. Use .flip() to turn the order.")
            first, last = (None if bound is None else _index(op, bound) for bound in (item.start, item.stop))
            start, stop, step = slice(first, last, step).indices(length)
            structure.append(("slice", len(range(start, stop, step)), step))
            numbers.append(start)
            dim += 1
        else:
            position = _index(op, item)
            if not -length <= position < length:
                raise IndexingError(
                    f"{op}: index {position} is out of range for dim {axis} of length {length} (shape {shape})."
                )
            structure.append(PICK)
            numbers.append(position % length)
        axis += 1
    whole = len(structure) == len(shape) and all(
        part[0] == "slice" and part[1] == length and part[2] == 1 for part, length in zip(structure, shape, strict=True)
    )
    return (None if whole else Key(tuple(structure), tuple(numbers))), advanced


def _is_tuple_in_disguise(key: Any, is_tensor: Any) -> bool:
    """Whether PyTorch and NumPy's old rule read the list ``key`` as a tuple."""
    if not isinstance(key, list) or len(key) >= 32:
        return False
    return any(
        item is None
        or item is Ellipsis
        or isinstance(item, (slice, Sequence))
        or is_tensor(item)
        or getattr(item, "shape", ())
        for item in key
    )


def _read(op: str, item: Any, is_tensor: Any) -> Any:
    """NumPy's scalars, and bools without dimensions, as Python's; a mask of uint8 as one of bools; others as they are."""
    dtype = _dtype(item)
    if dtype and not is_tensor(item) and not item.ndim:
        return item.item()
    if dtype == "uint8":
        warn_user(
            f"{op}: a uint8 tensor is read as a mask, as in PyTorch. Make it one with .bool(), or positions with .long()."
        )
        item, dtype = item != 0, "bool"
    return bool(item) if dtype == "bool" and not item.ndim else item


def _dtype(item: Any) -> str:
    """The name of the dtype of a tensor or a host array, "" of anything else."""
    return getattr(getattr(item, "dtype", None), "name", "")


def _index(op: str, value: Any) -> int:
    index = getattr(type(value), "__index__", None)
    if index is None:
        raise ArgumentTypeError(
            f"{op}: {value!r} of type {type(value).__name__} cannot be an index. "
            f"Use ints, slices, None, ..., or integer or bool tensors."
        )
    return int(index(value))
