"""Device names. A device is a type (``cpu``, ``cuda``, ``xla``, or that of another plugin) and an index.

This file is vocabulary: which devices can be used is for the backend plugins to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from tapeloom.errors import ArgumentTypeError, DeviceError
from tapeloom.modes import enter, leave


class Device:
    """A device, interned: ``Device("cuda:1") is Device("cuda", 1)``.

    ``type`` is the device type, ``index`` its number, or None for the current one. As a context manager it is the
    default device of the tensors made inside the block.
    """

    __slots__ = ("index", "type")
    _interned: dict[tuple[str, int | None], Device] = {}
    type: str
    index: int | None
    #: the backend of a device that no plugin serves: of a level of vmap
    backend: Any = None
    #: finds the usable device that a name stands for; joined from above, see ``methods``
    resolve: Callable[[Device], Device]

    def __new__(cls, type: str | Device, index: int | None = None) -> Device:
        """The device of this type and index; there is one object for each."""
        if isinstance(type, Device):
            return type
        if not isinstance(type, str):
            raise ArgumentTypeError(f"device: expected a name such as 'cpu' or 'cuda:1', got {type!r}.")
        name, colon, number = type.partition(":")
        if colon:
            if not number.isdigit() or index is not None:
                raise DeviceError(f"device: {type!r} is not a device. Write a type and a number, such as 'cuda:1'.")
            index = int(number)
        if not name.isidentifier():
            raise DeviceError(f"device: {type!r} is not a device. Write a type and a number, such as 'cuda:1'.")
        if name == "cpu":
            index = None if index == 0 else index
        found = cls._interned.get((name, index))
        if found is None:
            found = super().__new__(cls)
            found.type, found.index = name, index
            found = cls._interned.setdefault((name, index), found)
        return found

    def __enter__(self) -> Device:
        device = Device.resolve(self)  # an unusable device fails here, not at the first tensor
        enter(self, device=device)
        return self

    def __exit__(self, *exc_info: object) -> None:
        leave(self)

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type='{self.type}')"
        return f"device(type='{self.type}', index={self.index})"

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, str) and str(self) == other)

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[object, tuple[str, int | None]]:
        return Device, (self.type, self.index)

    def __copy__(self) -> Device:
        return self

    def __deepcopy__(self, memo: object) -> Device:
        return self


CPU = Device("cpu")
#: what stands for a device; None is the default one
DeviceLike: TypeAlias = Device | str | None
