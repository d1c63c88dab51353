"""The one door to NumPy and safetensors: data in, values out, files. Never a kernel.

NumPy is imported inside the functions, so that ``import tapeloom`` does not load it.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from tapeloom import dtypes, host_draws, host_random, host_windows
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, DTypeError, ShapeError


def native(dtype: DType) -> Any:
    """NumPy's dtype object for ``dtype``."""
    import numpy as np

    if dtype is dtypes.bfloat16:
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype.name)


def dtype_of(array: Any) -> DType:
    """The dtype of a NumPy array, or a DTypeError saying what to do with it."""
    name = array.dtype.name
    found = dtypes.BY_NAME.get(name)
    if found is not None:
        return found
    raise DTypeError(
        f"tensor: data of NumPy dtype {name!r} is not supported. Give bool, integer, floating or complex data."
    )


def is_array(value: object) -> bool:
    """Whether ``value`` is a NumPy array or scalar."""
    np = sys.modules.get("numpy")
    return np is not None and isinstance(value, (np.ndarray, np.generic))


def python_number(value: Any) -> Any:
    """The Python number that a NumPy scalar holds; anything else as it is."""
    np = sys.modules.get("numpy")
    return value.item() if np is not None and isinstance(value, np.generic) else value


def array_from(data: Any, dtype: DType | None) -> tuple[Any, DType]:
    """A fresh NumPy array of ``data`` and its dtype: unless given, what the numbers, arrays and tensors in it promote to.

    Raises DTypeError for numbers, also those within lists, that ``dtype`` cannot hold; arrays are cast.
    """
    import numpy as np

    if isinstance(data, np.ndarray):
        found = dtype_of(data)
        if dtype is not None and dtype is not found:
            dtypes.warn_of_discarding(found, dtype)
            data = data.real if found.is_complex and dtype.category in (dtypes.INTEGER, dtypes.FLOATING) else data
        return np.array(data, dtype=native(dtype or found), copy=True, order="C"), dtype or found
    kinds: set[Any] = set()
    data = _plain(data, kinds)
    try:
        array = np.array(data)
    except ValueError:
        raise ShapeError(
            "tensor: the nested lists have uneven lengths. All lists at one depth need the same length."
        ) from None
    except OverflowError:
        raise DTypeError("tensor: a number is too large for 64 bits.") from None
    found = dtype or _promoted(kinds or {_OF_KIND.get(array.dtype.kind, int)})
    if found is dtypes.uint64 and array.dtype.kind == "f" and not any(dtypes.as_dtype(kind).inexact for kind in kinds):
        with contextlib.suppress(OverflowError):  # of a negative number, which is said below
            array = np.array(data, dtype=np.uint64)  # where NumPy makes floats of numbers above and below 2**63
    if array.dtype.kind == "O":
        array = _widest(array, found)
    if array.dtype.kind not in "biufc":
        raise DTypeError(
            f"tensor: expected numbers, nested lists of numbers, arrays or tensors, got {type(data).__name__} {_short(data)}."
        )
    if array.dtype.kind == "c" and not found.is_complex:
        array = _real(array, found)
    if found.category == dtypes.INTEGER:
        _check_range(array, found)
    return array.astype(native(found)), found


#: types of numbers that lists are searched for at once
_PYTHON = frozenset(dtypes.NUMBERS)
_OF_KIND: dict[str, type] = {"b": bool, "f": float, "c": complex}


def _promoted(kinds: set[Any]) -> DType:
    """The dtype that ``kinds`` (dtypes, and types of Python numbers) promote to; of no data the default dtype."""
    return functools.reduce(dtypes.promote_types, map(dtypes.as_dtype, kinds))


def _plain(data: Any, kinds: set[Any]) -> Any:
    """``data`` as NumPy reads it: tensors inside lists become numbers. ``kinds`` gathers what it is made of."""
    if isinstance(data, (list, tuple)):
        types = set(map(type, data))
        if types <= _PYTHON:
            kinds |= types
            return data
        return [_plain(item, kinds) for item in data]
    if hasattr(data, "kind") and hasattr(data, "array"):
        if data.numel() != 1:
            raise ShapeError(
                f"tensor: a tensor of shape {data.shape} is among the data, where only tensors of one element, read as "
                f"numbers, can be. Use tapeloom.stack."
            )
        kinds.add(data.dtype)
        return data.item()
    if isinstance(data, range):
        kinds.add(int)
        return list(data)
    if is_array(data):
        kinds.add(dtype_of(data))
        return python_number(data)
    if isinstance(data, dtypes.NUMBERS):
        kinds.add(dtypes.of_number(data))
    return data


def _widest(array: Any, dtype: DType) -> Any:
    """An array of objects in float64, if they are numbers; NumPy makes such arrays of ints of more than 64 bits."""
    values = array.reshape(-1).tolist()
    if all(isinstance(value, dtypes.REAL_NUMBERS) for value in values):
        import numpy as np

        return np.array([dtypes.fitting("tensor", value, dtype) for value in values], "float64").reshape(array.shape)
    return array


def _check_range(array: Any, dtype: DType) -> None:
    """Raise DTypeError for a number that the integer ``dtype`` cannot hold."""
    top = float(dtype.max)
    below = array <= dtype.max if array.dtype.kind != "f" or top == dtype.max else array < top  # 2**63 - 1 is no float
    fits = below & (array >= dtype.min)
    if not fits.all():
        raise dtypes.unfit("tensor", array[~fits].reshape(-1)[0].item(), dtype, "Give a wider dtype.")


def _real(array: Any, dtype: DType) -> Any:
    """An array of Python's complex numbers for a real dtype: their real parts, or for bool whether each is not 0."""
    if dtype is dtypes.bool_:
        return array != 0
    if array.imag.any():
        raise DTypeError(
            f"tensor: complex numbers do not fit {dtype.name}. Give a complex dtype, such as {dtypes.get_default_dtype().complex}."
        )
    return array.real


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 40 else text[:37] + "..."


def asarray(value: Any, dtype: DType | None = None) -> Any:
    """``value`` as a host array; without ``dtype`` with the dtype that ``tapeloom.tensor`` would give it."""
    return array_from(value, dtype)[0]


def stack(arrays: list[Any]) -> Any:
    """Host arrays of one shape and dtype along a new first dimension."""
    import numpy as np

    return np.stack(arrays)


def broadcast(array: Any, size: tuple[int, ...]) -> Any:
    """A host array spread to ``size``."""
    import numpy as np

    return np.broadcast_to(array, size)


def lend(array: Any) -> tuple[Any, DType]:
    """``array`` itself, in native byte order, with its dtype."""
    found = dtype_of(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array, found


def from_dlpack(foreign: Any, copy: bool | None) -> Any:
    """The NumPy array of what another library hands over through DLPack, in host memory."""
    import numpy as np

    return np.from_dlpack(foreign) if copy is None else np.from_dlpack(foreign, copy=copy)


def to_dlpack(array: Any, max_version: tuple[int, int] | None = None, copy: bool | None = None, **settings: Any) -> Any:
    """The DLPack capsule of a NumPy array: its memory, marked as not to be written to, or a copy where there is no mark."""
    if max_version is None or max_version[0] < 1:
        if copy is False:
            raise BufferError("before version 1 of DLPack memory cannot be marked as not to be written to.")
        return array.copy().__dlpack__(**settings)
    return read_only(array).__dlpack__(max_version=max_version, copy=copy, **settings)


def array_from_buffer(buffer: Any, dtype: DType, count: int, offset: int) -> Any:
    """A host copy of ``count`` elements of a buffer; see ``tapeloom.frombuffer``."""
    import numpy as np

    size = memoryview(buffer).nbytes
    if offset < 0 or offset > size:
        raise ArgumentError(f"frombuffer: offset {offset} lies outside the buffer of {size} bytes.")
    if count == -1:
        if (size - offset) % dtype.itemsize:
            raise ArgumentError(
                f"frombuffer: {size - offset} bytes are not a whole number of {dtype.name} elements of {dtype.itemsize} bytes."
            )
    elif count < 0 or offset + count * dtype.itemsize > size:
        raise ArgumentError(
            f"frombuffer: {count} elements of {dtype.name} from byte {offset} need more than {size} bytes."
        )
    return np.frombuffer(buffer, dtype=native(dtype), count=count, offset=offset).copy()


def linspace(start: complex, end: complex, count: int, dtype: DType) -> Any:
    """``count`` values from ``start`` to ``end``; integers are rounded towards 0, as the ends are."""
    import numpy as np

    if dtype.inexact:
        return np.linspace(start, end, count).astype(native(dtype))
    first, last, steps = int(start.real), int(end.real), max(count - 1, 1)
    totals = [first * (steps - place) + last * place for place in range(count)]
    return np.array([abs(n) // steps * (1 if n > 0 else -1) for n in totals], native(dtype))


def logspace(start: complex, end: complex, count: int, base: float, dtype: DType) -> Any:
    """``base`` to the powers from ``start`` to ``end``; for integers these ends are rounded towards 0, and so are the results.

    Raises DTypeError for a result that an integer dtype cannot hold.
    """
    import numpy as np

    first, last = (start, end) if dtype.inexact else (int(start.real), int(end.real))
    with np.errstate(all="ignore"):  # a power of a negative base may be nan, and any may be infinite
        powers = np.power(base, np.linspace(first, last, count))
        if not dtype.inexact and count:
            for value in (powers.min().item(), powers.max().item()):
                dtypes.fitting("logspace", value, dtype)
        return powers.astype(native(dtype))


def normal(seed: int, offset: int, size: tuple[int, ...], mean: float, std: float, dtype: DType) -> Any:
    """Normal numbers of the stream of ``seed`` from block ``offset`` on."""
    import numpy as np

    count = math.prod(size)
    words = host_random.native_words(np, seed, offset, host_random.normal_words(count))
    numbers = host_random.normal_from_words(np, words, mean, std)[:count]
    return numbers.astype(native(dtype), copy=False).reshape(size)


def truncated_normal(
    seed: int, offset: int, size: tuple[int, ...], mean: float, std: float, low: float, high: float, dtype: DType
) -> Any:
    """Normal numbers from ``low`` to ``high`` of the stream of ``seed`` from block ``offset`` on."""
    import numpy as np

    words = host_random.native_words(np, seed, offset, host_random.truncated_words(math.prod(size)))
    numbers = host_random.truncated_from_words(np, words, mean, std, low, high)
    return numbers.astype(native(dtype), copy=False).reshape(size)


def drawn(kind: str, reserve: Callable[[int], tuple[int, int]], dtype: DType, *settings: Any) -> Any:
    """A draw of ``host_draws`` in ``dtype``; ``reserve`` takes so many words of a stream, and says which."""
    import numpy as np

    def uniforms(count: int) -> Any:
        words = host_draws.uniform_words(count)
        return host_draws.uniform_from_words(np, host_random.native_words(np, *reserve(words), words))

    with np.errstate(all="ignore"):
        values = getattr(host_draws, kind)(np, uniforms, *settings)
        return (
            np.minimum(values, float(dtype.max)).astype(native(dtype))
            if not dtype.inexact
            else values.astype(native(dtype))
        )


def window(shape: str, count: int, periodic: bool, dtype: DType, *settings: Any) -> Any:
    """A window of signal processing; see ``host_windows``."""
    import numpy as np

    return host_windows.window(np, shape, count, periodic, *settings).astype(native(dtype))


def read_only(array: Any) -> Any:
    """A view that cannot be written."""
    view = array.view()
    view.flags.writeable = False
    return view


def contiguous(array: Any) -> Any:
    """``array`` in C order; it may be the same one."""
    import numpy as np

    return np.asarray(array, order="C")


# files


@functools.cache
def stored_as_pairs(dtype: DType) -> bool:
    """Whether a file holds tensors of ``dtype`` as pairs of real numbers.

    complex128 it always does, since the format has no name for it. complex64 it does where the installed safetensors
    does not know the format's name yet, which came with version 0.7.
    """
    if not dtype.is_complex:
        return False
    from safetensors import SafetensorError, deserialize

    try:
        deserialize(_head({"x": {"dtype": dtype.stored, "shape": [0], "data_offsets": [0, 0]}}))  # type: ignore[no-untyped-call]
    except SafetensorError:
        return True
    return False


def as_pairs(array: Any) -> Any:
    """A complex array in C order as real numbers: a last dimension of 2 holds real and imaginary part."""
    return array.reshape(-1).view(native(dtype_of(array).real)).reshape(*array.shape, 2)


def from_pairs(array: Any, dtype: DType) -> Any:
    """What ``as_pairs`` was given. Raises ValueError for an array that is no result of it."""
    import numpy as np

    if not dtype.is_complex or array.dtype != native(dtype.real) or array.shape[-1:] != (2,):
        raise ValueError(f"{array.dtype.name} of shape {array.shape} is no array of pairs for {dtype.name}")
    return np.ascontiguousarray(array).reshape(-1).view(native(dtype)).reshape(array.shape[:-1])


def write_safetensors(file: BinaryIO, arrays: dict[str, Any], metadata: dict[str, str]) -> None:
    """Write host arrays in C order in the safetensors format: a length, a JSON header, then the data.

    Written here, array by array, since safetensors' own writer either holds the whole file in memory or opens a
    temporary file of its own, which a kill would leave behind. Wide dtypes come first, so that all data is aligned.
    """
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for name in order:
        array = arrays[name]
        ends = [offset, offset := offset + array.nbytes]
        header[name] = {"dtype": dtype_of(array).stored, "shape": array.shape, "data_offsets": ends}
    file.write(_head(header))
    for name in order:
        file.write(stored_bytes(arrays[name]))


def stored_bytes(array: Any) -> memoryview:
    """The bytes of an array in C order as they stand in a file, low ones first."""
    import numpy as np

    array = array if sys.byteorder == "little" else array.byteswap()
    found: memoryview = array.reshape(-1).view(np.uint8).data
    return found


def _head(header: dict[str, Any]) -> bytes:
    """The bytes of a file before its data: the length of the rest, and the header padded to whole words."""
    import json

    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def read_safetensors(path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a safetensors file: host arrays by name and the metadata. Raises ValueError for a file that is no whole one."""
    import contextlib

    from safetensors import SafetensorError, safe_open

    with contextlib.suppress(ImportError):  # without it only a bfloat16 tensor cannot be read
        import ml_dtypes  # noqa: F401 - teaches NumPy bfloat16
    arrays: dict[str, Any] = {}
    try:
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - the file is no dict
                try:
                    arrays[name] = file.get_tensor(name)
                except (AttributeError, KeyError, TypeError) as error:
                    raise DTypeError(f"the tensor {name!r} has a dtype that NumPy does not have ({error}).") from error
            return arrays, dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(str(error)) from error
