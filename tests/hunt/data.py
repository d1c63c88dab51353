"""Calls as data: arguments that each library makes its tensors of, and that can be printed as a program."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import tapeloom as tl
from tapeloom import host


class Library:
    """One of the two: its module, and how tensors are made there and read back."""

    def __init__(self, name: str, module: Any, device: str = "cpu") -> None:
        self.name = name
        self.module = module
        self.device = device
        self.Tensor = module.Tensor

    def tensor(self, values: np.ndarray, dtype: str, needs: bool) -> Any:
        """A new tensor on the library's device."""
        if self.module is torch:
            made = torch.from_numpy(values.copy()).to(getattr(torch, dtype))
        else:
            made = tl.tensor(values, dtype=getattr(tl, dtype), device=self.device)
        return made.requires_grad_() if needs else made

    def host(self, tensor: Any) -> np.ndarray:
        """The values of a tensor as a host array: complex128, float64, int64 or bool."""
        dtype = name_of(tensor.dtype)
        if self.module is torch:
            tensor = tensor.detach()
            if dtype == "complex32":
                tensor = tensor.to(torch.complex64)
            return wide((tensor.float() if dtype == "bfloat16" else tensor).numpy(force=True))
        return wide(tensor.numpy(force=True))


def name_of(dtype: Any) -> str:
    """The name of a dtype of either library."""
    return str(dtype).rpartition(".")[2]


def wide(array: Any) -> np.ndarray:
    """``array`` in the widest dtype of its category, without loss."""
    array = np.asarray(array)
    if array.dtype.kind in "bc":
        return array.astype(bool if array.dtype.kind == "b" else np.complex128)
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)


def fitted(values: np.ndarray, dtype: str) -> np.ndarray:
    """``values`` rounded to what ``dtype`` holds, in a wide dtype: both libraries start from the same numbers."""
    values = np.asarray(values)
    if values.dtype.kind == "c" and "complex" not in dtype:
        values = values.real
    with np.errstate(all="ignore"):
        return wide(values.astype(host.native(getattr(tl, dtype))))


class Array:
    """A tensor: the values and dtype of its base, and the methods by which the argument is taken from it as a view."""

    def __init__(self, values: np.ndarray, dtype: str, steps: tuple[Any, ...] = (), grad: str = "") -> None:
        self.values = np.asarray(values)
        self.dtype = dtype
        self.steps = steps
        #: "" for none, "leaf", or "inner": the argument is computed from the leaf, so in-place forms take it
        self.grad = grad

    def but(self, **changed: Any) -> Array:
        """The same with some fields changed."""
        fields = {"values": self.values, "dtype": self.dtype, "steps": self.steps, "grad": self.grad}
        return Array(**{**fields, **changed})

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the argument."""
        return _taken(self.values, self.steps).shape

    def seen(self) -> Array:
        """The same argument as a tensor of its own, no view."""
        return self.but(values=np.ascontiguousarray(_taken(self.values, self.steps)).reshape(self.shape), steps=())

    def make(self, library: Library, leaves: list[Any]) -> Any:
        """The tensor; what needs a gradient is entered in ``leaves``."""
        made = library.tensor(self.values, self.dtype, bool(self.grad))
        if self.grad:
            leaves.append(made)
        if self.grad == "inner":
            made = made * 1
        return _taken(made, self.steps)

    def source(self) -> str:
        """Python that makes it, with ``lib`` for the library."""
        data = literal(self.values.tolist()) if self.values.size else f"lib.zeros({self.values.shape})"
        needs = ", requires_grad=True" if self.grad else ""
        if self.values.size:
            text = f"lib.tensor({data}, dtype=lib.{self.dtype}{needs})"
        else:
            text = f"lib.zeros({self.values.shape}, dtype=lib.{self.dtype}{needs})"
        if self.grad == "inner":
            text += " * 1"
        for name, args in self.steps:
            text = f"({text})" if self.grad == "inner" and text.endswith(" * 1") else text
            text += f"[{literal(args)}]" if name == "index" else f".{name}({', '.join(map(literal, args))})"
        return text


def _taken(value: Any, steps: tuple[Any, ...]) -> Any:
    for name, args in steps:
        if name == "index":
            value = value[args]
        elif isinstance(value, np.ndarray):
            value = value.transpose(args) if name == "permute" else np.broadcast_to(value, args)
        else:
            value = getattr(value, name)(*args)
    return value


class DType:
    """A dtype as an argument."""

    def __init__(self, name: str) -> None:
        self.name = name


def literal(value: Any) -> str:
    """Python text of a plain value."""
    if isinstance(value, slice):
        parts = ["" if part is None else str(part) for part in (value.start, value.stop, value.step)]
        return ":".join(parts if parts[2] else parts[:2])
    if isinstance(value, tuple) and any(isinstance(item, slice) for item in value):
        return ", ".join(map(literal, value))
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, complex):
        return f"complex({literal(value.real)}, {literal(value.imag)})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    return "..." if value is ... else repr(value)


class Call:
    """A subject with its arguments."""

    def __init__(
        self, subject: Any, args: list[Any], kwargs: dict[str, Any], number: int = 0, odd: bool = False
    ) -> None:
        self.subject = subject
        self.args = args
        self.kwargs = kwargs
        self.number = number
        #: whether an argument was drawn that hardly fits
        self.odd = odd

    def arrays(self) -> Iterator[Array]:
        """The tensors among the arguments, in order."""
        yield from found([*self.args, *self.kwargs.values()], Array)

    def mapped(self, change: Any) -> Call:
        """The call with ``change`` of each of its tensors."""

        def walk(value: Any) -> Any:
            if isinstance(value, Array):
                return change(value)
            return type(value)(map(walk, value)) if isinstance(value, (list, tuple)) else value

        return Call(self.subject, walk(self.args), {k: walk(v) for k, v in self.kwargs.items()}, self.number, self.odd)

    def source(self) -> str:
        """A program that makes the call with both libraries."""
        made: list[str] = []

        def text(value: Any) -> str:
            if isinstance(value, Array):
                made.append(value.source())
                return f"x{len(made) - 1}"
            if isinstance(value, DType):
                return f"lib.{value.name}"
            if isinstance(value, (list, tuple)) and any(True for _ in found([value], (Array, DType))):
                inner = ", ".join(map(text, value))
                return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
            return f"slice({value.start}, {value.stop}, {value.step})" if isinstance(value, slice) else literal(value)

        args = [text(value) for value in self.args] + [f"{name}={text(value)}" for name, value in self.kwargs.items()]
        lines = [f"    x{number} = {line}" for number, line in enumerate(made)]
        return "\n".join(["def call(lib):", *lines, f"    return {self.subject.text}({', '.join(args)})"])


def found(values: Any, kind: Any) -> Iterator[Any]:
    """Everything of ``kind`` in nested lists and tuples."""
    for value in values:
        if isinstance(value, kind):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from found(value, kind)
