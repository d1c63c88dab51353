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
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapeloom import atomic, dtypes, host
from tapeloom.backend.plugins import default_device, resolve_device
from tapeloom.call_site import entry
from tapeloom.devices import Device
from tapeloom.errors import (
    ArgumentError,
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

_KEY = "tapeloom"  # the metadata entry of the structure
_CHECKSUM = "tapeloom_crc32"  # and that of the checksum, which files of before lack
_RESERVED = "__metadata__"  # the one name that safetensors keeps for itself
_LONGEST = 8192  # bits of an int; Python refuses to read much longer ones from text

MapLocation = Device | str | Mapping[str, Device | str] | None


@entry
def save(obj: Any, f: str | os.PathLike[str]) -> None:
    """Save nested data with Tensors in it to one safetensors file, in place of any file of that name.

    Args:
        obj: Tensors, numbers, strings, bools and None, in dicts, lists and tuples to any depth: the state of modules,
            optimizers, loaders and generators, an epoch. Of a Tensor the values, the dtype and the device are saved,
            not its gradient or history. Dict keys may be strings, numbers, bools, None and tuples of them.
        f: the path to write to. The folder must exist. A file that is there passes on its permissions; a link goes on
            leading where it leads; a device or a pipe is written to.

    Raises:
        CheckpointError: something in ``obj`` cannot be saved, or the file cannot be written. A file that was there
            before is then unchanged, as it is when the program is killed while it saves.
    """
    target = _as_path("save", f)
    writer = _Writer()
    structure = writer.encode(obj, ())
    text = json.dumps({"format": writer.format, "structure": structure}, separators=(",", ":"), allow_nan=False)
    arrays = {name: host.contiguous(host_array(tensor)) for name, tensor in writer.tensors.items()}
    arrays |= {name: host.as_pairs(arrays[name]) for name in writer.pairs}
    metadata = {_KEY: text, _CHECKSUM: _checksum(text, arrays)}
    try:
        atomic.write(target, lambda file: host.write_safetensors(file, arrays, metadata))
    except OSError as error:
        unchanged = "" if atomic.written_directly(target) else " What was there before is unchanged."
        raise CheckpointError(f"save: {target} could not be written: {_reason(error, target)}.{unchanged}") from error


@entry
def load(f: str | os.PathLike[str], map_location: MapLocation = None, *, weights_only: bool = True) -> Any:
    """Load what ``save`` wrote; from any other safetensors file, a dict of its tensors by name.

    Args:
        f: the path of the file.
        map_location: the device to load the tensors on, or a dict from saved devices to new ones. None loads each
            where it was saved from, and those of a file from another program on the default device.
        weights_only: True, as nothing in a file is ever executed.

    Returns:
        Data equal to what was saved, with new Tensors that require no gradient.

    Raises:
        MissingCheckpointError: there is no such file. It is also a FileNotFoundError.
        CheckpointError: the file cannot be read, is truncated, damaged, no safetensors file or of a newer format, or a
            device in it cannot be used here.
    """
    if not weights_only:
        raise ArgumentError(
            f"load: weights_only={weights_only!r} asks to run what a pickle holds, and tapeloom reads no pickles. Leave it out."
        )
    source = _as_path("load", f)
    devices = _Devices(source, map_location)
    arrays, metadata = _read(source)
    reader = _Reader(source, arrays, devices)
    if _KEY not in metadata:
        _verify(source, arrays, metadata)
        return {name: reader.tensor(name, None) for name in arrays}
    try:
        content = json.loads(metadata[_KEY])
        version = content["format"]
        if version not in range(1, FORMAT + 1):
            raise CheckpointError(
                f"load: {source} has checkpoint format {version}, this tapeloom reads formats 1 to {FORMAT}. "
                f"Upgrade tapeloom, or save the file again with the version that reads it."
            )
        _verify(source, arrays, metadata)
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

    def __init__(self, source: Path, arrays: dict[str, Any], devices: _Devices) -> None:
        self.source = source
        self.arrays = arrays
        self.devices = devices

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
        return from_host(array, host.dtype_of(array), self.devices.of(saved_on))


class _Devices:
    """Where tensors are loaded to, by the devices that they were saved from."""

    def __init__(self, source: Path, map_location: MapLocation) -> None:
        self.source = source
        self.map: dict[str | None, Device] = {}
        self.everywhere: Device | None = None
        self.resolved: dict[str | None, Device] = {}
        if isinstance(map_location, Mapping):
            self.map = {str(Device(saved)): Device(new) for saved, new in map_location.items()}
        elif isinstance(map_location, (str, Device)):
            self.everywhere = resolve_device(map_location)
        elif map_location is not None:
            raise ArgumentTypeError(
                f"load: map_location must be a device, its name or a dict from saved devices to new ones, got "
                f"{type(map_location).__name__}."
            )

    def of(self, saved_on: str | None) -> Device:
        """The usable device for a tensor that was saved from ``saved_on``."""
        if self.everywhere is not None:
            return self.everywhere
        found = self.resolved.get(saved_on)
        if found is None:
            wanted = self.map.get(saved_on, saved_on)
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
    try:
        if b"\0" not in os.fsencode(path):
            return Path(path)
    except UnicodeEncodeError:
        pass
    raise ArgumentError(f"{what}: the path {os.fspath(path)!r} has a character in it that no file name can have.")


def _reason(error: OSError, path: Path) -> str:
    folder = Path(os.path.realpath(path)).parent
    if isinstance(error, FileNotFoundError) and not folder.is_dir():
        return f"the folder {folder} does not exist; create it first"
    return error.strerror or str(error)


def _checksum(text: str, arrays: Mapping[str, Any]) -> str:
    """A CRC-32 of all that a file holds: the description, and name, dtype, shape and data of each tensor."""
    found = zlib.crc32(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        found = zlib.crc32(f"{name} {array.dtype.name} {array.shape}".encode(), found)
        found = zlib.crc32(host.stored_bytes(array), found)
    return f"{found:08x}"


def _verify(source: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    expected = metadata.get(_CHECKSUM)
    if expected is not None and expected != _checksum(metadata.get(_KEY, ""), arrays):
        raise CheckpointError(
            f"load: {source} is damaged: what it holds does not match its checksum. Take an earlier checkpoint."
        )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    _check_readable(path)
    try:
        try:
            return host.read_safetensors(str(path))
        except ValueError as error:
            raise CheckpointError(f"load: {path} {_diagnosis(path)}") from error
    except DTypeError as error:
        raise CheckpointError(f"load: {path}: {error}") from error
    except OSError as error:  # the file went away meanwhile, or the system's limits are reached
        raise CheckpointError(f"load: {path} could not be read: {error.strerror or error}.") from error


def _check_readable(path: Path) -> None:
    """Raise where ``path`` cannot be read, and MissingCheckpointError only where nothing is there.

    safetensors reports every file that cannot be opened as one that does not exist, and a program that then starts
    anew would write over a good checkpoint.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
            return
    except FileNotFoundError:
        raise MissingCheckpointError(
            f"load: there is no file {path}. Check the path and the working directory."
        ) from None
    except OSError as error:
        raise CheckpointError(f"load: {path} could not be read: {error.strerror or error}.") from error
    what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe, not a file"
    raise CheckpointError(f"load: {path} could not be read: it is {what}.")


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
