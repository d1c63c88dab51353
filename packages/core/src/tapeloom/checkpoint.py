"""Saving and loading: nested Python data with Tensors in it, as one safetensors file.

The tensors are stored under readable names, the path to them (``model.conv1.weight``), so that any program that
reads safetensors can take them out. Their structure is JSON in the file's metadata: numbers, strings,
None and containers as they are, a tensor as ``{"tensor": name, "device": device}``. Nothing in it is ever executed.

A save writes a new file next to the old one and then takes its place, so at every moment the path leads to a whole file.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapeloom import dtypes, host
from tapeloom.backend.plugins import default_device, resolve_device
from tapeloom.call_site import entry
from tapeloom.devices import Device
from tapeloom.errors import (
    ArgumentTypeError,
    BackendError,
    CheckpointError,
    DeviceError,
    DTypeError,
    MissingCheckpointError,
)
from tapeloom.ops.creation import from_host
from tapeloom.tensors.tensor import Tensor, host_array, read_array

__all__ = ["load", "save"]

FORMAT = 2  # the version of the structure in the metadata: 2 where complex numbers stand in it, else 1

_KEY = "tapeloom"  # the metadata entry
_RESERVED = "__metadata__"  # the one name that safetensors keeps for itself
_LONGEST = 8192  # bits of an int; Python refuses to read much longer ones from text
_STALE = 3600.0  # seconds without a write after which an unfinished file is what a killed save left behind

MapLocation = Device | str | Mapping[str, Device | str] | None


@entry
def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Save nested data with Tensors in it to one safetensors file, in place of any file of that name.

    Args:
        obj: Tensors, numbers, strings, bools and None, in dicts, lists and tuples to any depth: the state of modules,
            optimizers, loaders and generators, an epoch. Of a Tensor the values, the dtype and the device are saved,
            not its gradient or history. Dict keys may be strings, numbers, bools, None and tuples of them.
        path: where to write. The folder must exist.

    Raises:
        CheckpointError: something in ``obj`` cannot be saved, or the file cannot be written. A file that was there
            before is then unchanged, as it is when the program is killed while it saves.
    """
    target = _as_path("save", path)
    writer = _Writer()
    structure = writer.encode(obj, ())
    text = json.dumps({"format": writer.format, "structure": structure}, separators=(",", ":"), allow_nan=False)
    arrays = {name: host.contiguous(host_array(tensor)) for name, tensor in writer.tensors.items()}
    arrays |= {name: host.as_pairs(arrays[name]) for name in writer.pairs}
    _write_atomically(target, arrays, {_KEY: text})


@entry
def load(path: str | os.PathLike[str], map_location: MapLocation = None) -> Any:
    """Load what ``save`` wrote; from any other safetensors file, a dict of its tensors by name.

    Args:
        path: the file.
        map_location: the device to load the tensors on, or a dict from saved devices to new ones. None loads each
            where it was saved from, and those of a file from another program on the default device.

    Returns:
        Data equal to what was saved, with new Tensors that require no gradient.

    Raises:
        MissingCheckpointError: there is no such file. It is also a FileNotFoundError.
        CheckpointError: the file is truncated, damaged, no safetensors file or of a newer format, or a device in it
            cannot be used here.
    """
    source = _as_path("load", path)
    arrays, metadata = _read(source)
    reader = _Reader(source, arrays, map_location)
    if _KEY not in metadata:
        return {name: reader.tensor(name, None) for name in arrays}
    try:
        content = json.loads(metadata[_KEY])
        version = content["format"]
        if version not in range(1, FORMAT + 1):
            raise CheckpointError(
                f"load: {source} has checkpoint format {version}, this tapeloom reads formats 1 to {FORMAT}. "
                f"Upgrade tapeloom, or save the file again with the version that reads it."
            )
        return reader.decode(content["structure"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"load: the description of the data in {source} is damaged ({type(error).__name__}: {error}). "
            f"Take an earlier checkpoint."
        ) from error


# What stands in the metadata for each kind of value


class _Writer:
    """Turns data into what JSON can say, and gathers the tensors by name."""

    def __init__(self) -> None:
        self.format = 1
        self.tensors: dict[str, Tensor] = {}
        self.pairs: set[str] = set()  # names of complex tensors that are stored as pairs of real numbers
        self._names: dict[int, str] = {}  # id of a backend's array -> name: what several tensors share is written once
        self._open: set[int] = set()  # the containers around the current value

    def encode(self, value: Any, way: tuple[Any, ...]) -> Any:
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            if value.bit_length() > _LONGEST:
                raise CheckpointError(
                    f"save: {_place(way)} is an int of {value.bit_length()} bits; {_LONGEST} can be saved."
                )
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": str(float(value))}
        if isinstance(value, complex):
            self.format = 2
            return {"complex": [self.encode(value.real, way), self.encode(value.imag, way)]}
        if isinstance(value, Tensor):
            entry = {"tensor": self._name(value, way), "device": str(value.device)}
            if host.stored_as_pairs(value.dtype):
                self.format = 2
                self.pairs.add(entry["tensor"])
                entry["dtype"] = value.dtype.name
            return entry
        if isinstance(value, (dict, list, tuple)) and not hasattr(value, "_fields"):
            return self._container(value, way)
        raise CheckpointError(
            f"save: {_place(way)} is of type {type(value).__qualname__}, which cannot be saved. {_advice(value)}"
        )

    def _container(self, value: Any, way: tuple[Any, ...]) -> Any:
        if id(value) in self._open:
            raise CheckpointError(f"save: {_place(way)} contains itself. Save data without circles.")
        if len(way) > 200:
            raise CheckpointError(f"save: {_place(way[:5])} … is nested more than 200 deep. Save flatter data.")
        self._open.add(id(value))
        try:
            if isinstance(value, dict):
                return self._dict(value, way)
            items = [self.encode(item, (*way, position)) for position, item in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        finally:
            self._open.discard(id(value))

    def _dict(self, value: dict[Any, Any], way: tuple[Any, ...]) -> Any:
        if all(isinstance(key, str) for key in value):
            return {"dict": {key: self.encode(item, (*way, key)) for key, item in value.items()}}
        pairs = []
        for key, item in value.items():
            if not _is_key(key):
                raise CheckpointError(
                    f"save: a key of {_place(way)} is of type {type(key).__qualname__}. Keys may be strings, numbers, bools, "
                    f"None and tuples of them."
                )
            pairs.append([self.encode(key, way), self.encode(item, (*way, key))])
        return {"items": pairs}

    def _name(self, tensor: Tensor, way: tuple[Any, ...]) -> str:
        found = self._names.get(id(read_array(tensor)))
        if found is not None and self.tensors[found].kind is tensor.kind:
            return found
        wanted = ".".join(str(step) for step in way) or "tensor"
        wanted = name = wanted.encode(errors="replace").decode()
        count = 1
        while name in self.tensors or name == _RESERVED:
            count += 1
            name = f"{wanted}#{count}"
        self.tensors[name] = tensor
        self._names[id(read_array(tensor))] = name
        return name


class _Reader:
    """Turns the structure in the metadata back into data."""

    def __init__(self, source: Path, arrays: dict[str, Any], map_location: MapLocation) -> None:
        self.source = source
        self.arrays = arrays
        self.map: Mapping[str, Device | str] = {}
        self.everywhere: Device | None = None
        self.resolved: dict[str | None, Device] = {}
        if isinstance(map_location, Mapping):
            self.map = {str(saved): new for saved, new in map_location.items()}
        elif map_location is not None:
            self.everywhere = resolve_device(map_location)

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "tensor" in value:
            return self.tensor(value["tensor"], value["device"], value.get("dtype"))
        ((what, content),) = value.items()
        if what == "dict":
            return {key: self.decode(item) for key, item in content.items()}
        if what == "items":
            return {self.decode(key): self.decode(item) for key, item in content}
        if what == "tuple":
            return tuple(self.decode(item) for item in content)
        if what == "float":
            return float(content)
        if what == "complex":
            real, imag = content
            return complex(self.decode(real), self.decode(imag))
        raise ValueError(f"unknown entry {what!r}")

    def tensor(self, name: str, saved_on: str | None, pairs_of: str | None = None) -> Tensor:
        array = self.arrays[name]
        if pairs_of is not None:
            array = host.from_pairs(array, dtypes.as_dtype(pairs_of))
        try:
            dtype = host.dtype_of(array)
        except DTypeError:
            raise CheckpointError(
                f"load: the tensor {name!r} in {self.source} is {array.dtype.name}, a dtype that tapeloom does not have. "
                f"Cast it in the program that wrote it."
            ) from None
        return from_host(array, dtype, self._device(saved_on))

    def _device(self, saved_on: str | None) -> Device:
        if self.everywhere is not None:
            return self.everywhere
        found = self.resolved.get(saved_on)
        if found is None:
            wanted = saved_on if saved_on is None else self.map.get(saved_on, saved_on)
            try:
                found = default_device() if wanted is None else resolve_device(wanted)
            except (DeviceError, BackendError) as error:
                raise CheckpointError(
                    f"load: {self.source} holds tensors for the device '{wanted}', which cannot be used here: {error} "
                    f"Or load them elsewhere, for instance with map_location='cpu'."
                ) from error
            self.resolved[saved_on] = found
        return found


def _is_key(key: Any) -> bool:
    if isinstance(key, tuple):
        return not hasattr(key, "_fields") and all(_is_key(part) for part in key)
    return key is None or isinstance(key, (str, *dtypes.NUMBERS))


def _place(way: tuple[Any, ...]) -> str:
    """A place in the data, as one would write it: ``['optimizer']['state'][0]``."""
    return "".join(f"[{step!r}]" for step in way) or "the value"


def _advice(value: Any) -> str:
    if host.is_array(value):
        return "Save tapeloom.as_tensor(x), or x.item() for a number."
    if hasattr(value, "state_dict"):
        return "Save its state_dict()."
    if hasattr(value, "get_state"):
        return "Save its get_state()."
    if hasattr(value, "_fields"):
        return "Save it as tuple(x), or as a dict with x._asdict()."
    if isinstance(value, (bytes, bytearray)):
        return "Save it as a tensor, with tapeloom.frombuffer(x, dtype=tapeloom.uint8)."
    if isinstance(value, (set, frozenset)):
        return "Save it as a list."
    return "Save Tensors, numbers, strings, bools and None, in dicts, lists and tuples."


# Files


def _as_path(what: str, path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)) or isinstance(os.fspath(path), bytes):
        raise ArgumentTypeError(f"{what}: the path must be a string or a pathlib.Path, got {type(path).__name__}.")
    return Path(path)


def _write_atomically(path: Path, arrays: dict[str, Any], metadata: dict[str, str]) -> None:
    """Write beside ``path``, have it on the disk, then take the place of ``path`` in one step."""
    goal = Path(os.path.realpath(path))  # a link goes on leading where it leads
    fresh = goal.with_name(f".{goal.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    try:
        if goal.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        with fresh.open("xb") as file:
            host.write_safetensors(file, arrays, metadata)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(goal)
        _sync_folder(goal.parent)
    except OSError as error:
        raise CheckpointError(
            f"save: {path} could not be written: {_reason(error, goal)}. What was there before is unchanged."
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    _remove_leftovers(goal)


def _reason(error: OSError, goal: Path) -> str:
    if not goal.parent.is_dir():
        return f"the folder {goal.parent} does not exist; create it first"
    return error.strerror or str(error)


def _sync_folder(folder: Path) -> None:
    """Have the new name of a file on the disk too."""
    if os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_leftovers(goal: Path) -> None:
    """Delete what killed saves of this path left behind."""
    from glob import escape

    for leftover in goal.parent.glob(f".{escape(goal.name)}.*-*.tmp"):
        try:
            if time.time() - leftover.stat().st_mtime > _STALE:
                leftover.unlink()
        except OSError:  # another process was faster
            continue


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        return host.read_safetensors(str(path))
    except FileNotFoundError:
        raise MissingCheckpointError(
            f"load: there is no file {path}. Check the path and the working directory."
        ) from None
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else error.strerror or str(error)
        raise CheckpointError(f"load: {path} could not be read: {reason}.") from error
    except DTypeError as error:
        raise CheckpointError(f"load: {path}: {error}") from error
    except ValueError as error:
        raise CheckpointError(f"load: {path} {_diagnosis(path)}") from error


def _diagnosis(path: Path) -> str:
    """Why a file is no whole safetensors file, and what to do: a header length, a JSON header, then the data."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(9)
    if not size:
        return "is empty. The save was cut off; take an earlier checkpoint."
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return (
            "is a pickle or a zip archive, such as PyTorch writes; tapeloom never unpickles, since that can run any "
            "program. Save the tensors there with safetensors.torch.save_file and load that file."
        )
    if start[8:] == b"{":
        needed = 8 + int.from_bytes(start[:8], "little")
        if needed > size:
            return (
                f"is truncated: its header alone takes {needed} bytes, the file has {size}. Take an earlier checkpoint."
            )
        with path.open("rb") as file:
            if b'"C64"' in file.read(needed) and host.stored_as_pairs(dtypes.complex64):
                return "holds complex64 tensors, which only safetensors 0.7 or newer reads. Upgrade safetensors."
        return f"is truncated or damaged: its header does not fit its {size} bytes. Take an earlier checkpoint."
    return "is not a safetensors file. Give a file that tapeloom.save or another safetensors program wrote."
