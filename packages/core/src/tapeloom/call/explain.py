"""What to say when a call cannot run: errors that name the op, what came and what to do."""

from __future__ import annotations

from typing import Any, NoReturn

from tapeloom import shapes
from tapeloom.dtypes import NUMBERS
from tapeloom.errors import ArgumentError, TapeloomError
from tapeloom.op.parameter import Parameter
from tapeloom.op.schema import OpSchema
from tapeloom.tensors.tensor import Tensor

#: what kernels raise for arguments that they cannot take; anything else passes as it is
REFUSED = (ValueError, TypeError, IndexError)


def explain(op: OpSchema, values: tuple[Any, ...], error: Exception) -> NoReturn:
    """Raise what ``error``, raised by the kernel of ``op``, means for the user; the kernel does not run again."""
    if isinstance(error, TapeloomError):
        error.add_note(f"in {op.name}({', '.join(map(described, values))})")
        raise error
    tensors = [value for value in values if isinstance(value, Tensor)]
    if op.check is None:
        shapes_of = [tensor.shape for tensor in tensors]
        try:
            shapes.broadcast(op.name, *shapes_of)
        except TapeloomError as found:
            raise found from None
    name = tensors[0].kind.backend.name if tensors else "its"
    raise ArgumentError(
        f"{op.name}: the {name} kernel refused ({', '.join(map(described, values))}): {error}"
    ) from error


def not_a_tensor(op: OpSchema, parameter: Parameter, value: Any) -> str:
    """The message for an input that is no tensor."""
    wanted = "a tensor or a number" if parameter.number else "a tensor"
    hint = ""
    if hasattr(value, "__array__") or isinstance(value, (list, tuple, *NUMBERS)):
        hint = f" Make it one with tapeloom.tensor({value if isinstance(value, NUMBERS) else '...'})."
    return f"{op.name}: {parameter.name} must be {wanted}, got {described(value)}.{hint}"


def described(value: Any) -> str:
    """``value`` in a few words."""
    if isinstance(value, Tensor):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, (*NUMBERS, str, tuple)) or value is None:
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(described(item) for item in value[:4]) + (", …]" if len(value) > 4 else "]")
    return type(value).__name__
