"""The functions of the Array API for batches: those of an array library, with the samples along one more axis in front.

What is needed for that depends on the class of a function and not on what it computes: whether it takes more dimensions in
front by itself (``LEADING``), works along axes that are given (``ALONG``), or is one of few that shape and join arrays. Any
other function runs for one sample after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from tapeloom.backend.batches.array import Batch, aligned, depth_of, inside, is_array, samples, spread
from tapeloom.backend.fallback import mapped

Function = Callable[..., Any]

#: functions that broadcast their arrays, and work element by element, or on the last dimensions (matrices): more
#: dimensions in front change nothing
LEADING = frozenset(
    (
        "abs acos acosh add asin asinh asarray astype atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or "
        "bitwise_right_shift bitwise_xor broadcast_arrays ceil clip conj copysign cos cosh divide empty_like equal exp exp2 "
        "expm1 floor floor_divide fmod frexp full_like gcd greater greater_equal hypot imag isfinite isinf isnan lcm less less_equal log "
        "log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor matrix_transpose maximum minimum multiply "
        "negative nextafter not_equal ones_like positive pow real reciprocal remainder round sign signbit sin sinh sqrt "
        "square subtract tan tanh tril triu trunc where zeros_like "
        "linalg.cholesky linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh linalg.inv linalg.matrix_norm "
        "linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose linalg.pinv linalg.qr linalg.slogdet linalg.svd "
        "linalg.svdvals linalg.trace linalg.eig linalg.eigvals"
    ).split()
)
_LAST, _ALL = -1, None
#: functions along axes: the parameter that names them, and what it is where it is not given (None: all axes)
ALONG: dict[str, tuple[str, Any]] = {
    **dict.fromkeys("all any count_nonzero max mean min prod std sum var".split(), ("axis", _ALL)),
    **dict.fromkeys("argsort cumulative_prod cumulative_sum diff sort vecdot".split(), ("axis", _LAST)),
    **dict.fromkeys("linalg.cross linalg.vecdot take_along_axis".split(), ("axis", _LAST)),
    **dict.fromkeys("flip linalg.vector_norm".split(), ("axis", _ALL)),
    **dict.fromkeys("fft.fft fft.hfft fft.ifft fft.ihfft fft.irfft fft.rfft".split(), ("axis", _LAST)),
    **dict.fromkeys("fft.fftn fft.fftshift fft.ifftn fft.ifftshift fft.irfftn fft.rfftn".split(), ("axes", _ALL)),
    "argmax": ("axis", _ALL),
    "argmin": ("axis", _ALL),
    "expand_dims": ("axis", 0),
    "permute_dims": ("axes", _ALL),
    "repeat": ("axis", _ALL),
    "roll": ("axis", _ALL),
    "squeeze": ("axis", _ALL),
    "unstack": ("axis", 0),
}
#: those that read the axes of the flattened array where none is given
_FLATTENED = frozenset({"argmax", "argmin", "repeat", "roll"})
#: parameters that may be given by position, after the arrays
_POSITIONAL = {"expand_dims": 1, "permute_dims": 1, "squeeze": 1, "take_along_axis": 2}


class Functions:
    """The functions of the array module ``source`` for batches of one depth. Whatever else it holds is there as it is.

    ``part`` names a namespace within it, such as ``linalg``. ``loops`` learns the names of functions that run for one sample after
    the other.
    """

    def __init__(self, source: Any, depth: int, loops: set[str], part: str = "") -> None:
        self._source = source
        self._depth = depth
        self._loops = loops
        self._part = part

    def __getattr__(self, name: str) -> Any:
        found = made = getattr(getattr(self._source, self._part) if self._part else self._source, name)
        if name in ("linalg", "fft") and not self._part:
            made = Functions(self._source, self._depth, self._loops, name)
        elif callable(found) and not isinstance(found, type) and not hasattr(found, "dtype"):  # a dtype is no function
            full = f"{self._part}.{name}" if self._part else name
            made = batched(full, found, self._depth, self._source, self._loops)
        setattr(self, name, made)
        return made


def batched(name: str, function: Function, depth: int, source: Any, loops: set[str]) -> Function:
    """``function`` for batches of ``depth``, by its class; ``loops`` learns the names of those that have none."""
    rule = _rule(name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if max(depth_of(args), depth_of([*kwargs.values()])) < depth:
            return function(*args, **kwargs)
        if rule is None:
            loops.add(f"xp.{name}")
            return looped(function, depth, source, *args, **kwargs)
        result = rule(_Call(name, function, depth, source), *args, **kwargs)
        return mapped(result, lambda array: Batch(array, depth))

    call.__name__ = call.__qualname__ = name
    return call


def _rule(name: str) -> Function | None:
    if name in LEADING:
        return _leading
    if name in ALONG:
        return _along
    return _OWN.get(name.removeprefix("linalg."))


def looped(function: Function, depth: int, source: Any, *args: Any, **kwargs: Any) -> Any:
    """``function`` of one sample after the other, its results stacked; all must have the same shape."""
    count = samples([*args, *kwargs.values()], depth)

    def own(value: Any, place: int) -> Any:
        if type(value) in (list, tuple):
            return type(value)([own(item, place) for item in value])
        if not inside(value, depth):
            return value
        return value.held[place, ...] if count else source.zeros(value.shape, dtype=value.dtype)

    rows = [
        function(*[own(arg, place) for arg in args], **{name: own(arg, place) for name, arg in kwargs.items()})
        for place in range(count or 1)  # of no samples the shapes are those of one
    ]
    result = stacked(rows, depth, source)
    return result if count else mapped(result, lambda batch: Batch(batch.held[:0, ...], depth))


def stacked(rows: Sequence[Any], depth: int, source: Any) -> Any:
    """The results of several samples, alike in form, as batches."""
    first = rows[0]
    if isinstance(first, (list, tuple)):
        parts = [stacked(list(column), depth, source) for column in zip(*rows, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return Batch(source.stack(list(rows), axis=0), depth) if is_array(first) else first


class _Call:
    """The function that is called, and what the rules need besides. Rules return arrays of the inner backend."""

    def __init__(self, name: str, function: Function, depth: int, source: Any) -> None:
        self.name = name
        self.function = function
        self.depth = depth
        self.source = source

    def whole(self, value: Any, count: int) -> Any:
        """An array with all samples, also of a value that they share."""
        if inside(value, self.depth):
            return value.held
        array = value if is_array(value) else self.source.asarray(value)
        return self.source.broadcast_to(array, (count, *array.shape))


def moved(axis: Any, ndim: int) -> Any:
    """The axes of a sample of ``ndim`` dimensions, counted behind the samples."""
    if isinstance(axis, (tuple, list)):
        return tuple(moved(one, ndim) for one in axis)
    return axis + 1 if axis >= 0 else axis


def _leading(call: _Call, *args: Any, **kwargs: Any) -> Any:
    arrays = aligned(args, call.depth)
    return call.function(*arrays, **{name: _inner(value, call.depth) for name, value in kwargs.items()})


def _inner(value: Any, depth: int) -> Any:
    return value.held if inside(value, depth) else value


def _along(call: _Call, *args: Any, **kwargs: Any) -> Any:
    parameter, default = ALONG[call.name]
    place = _POSITIONAL.get(call.name)
    if place is not None and len(args) > place:
        kwargs[parameter] = args[place]
        args = args[:place]
    axis = kwargs.pop(parameter, default)
    count, ndim = samples(args, call.depth), args[0].ndim
    most = max([len(arg.shape) for arg in args if is_array(arg)])
    arrays = [spread(call.whole(arg, count), most) if is_array(arg) else arg for arg in args]
    if axis is None and call.name in _FLATTENED:
        size = arrays[0].shape
        arrays[0], axis = call.source.reshape(arrays[0], (count, prod(size[1:]))), 0
        result = call.function(*arrays, **{parameter: 1}, **kwargs)
        if kwargs.get("keepdims"):
            return call.source.reshape(result, (count, *(1,) * ndim))
        return call.source.reshape(result, size) if call.name == "roll" else result
    if axis is None:
        length = len(kwargs.get("s") or range(ndim))
        axis = tuple(range(ndim - length, ndim))
    axis = moved(axis, ndim)
    if call.name == "permute_dims":
        axis = (0, *(one % (ndim + 1) for one in axis))
    return call.function(*arrays, **{parameter: axis}, **kwargs)


# functions that shape and join


def _reshape(call: _Call, x: Any, shape: Any, **kwargs: Any) -> Any:
    size = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if -1 in size:
        rest = prod(length for length in size if length != -1)
        size = tuple((x.size // rest if rest else 0) if length == -1 else length for length in size)
    return call.function(x.held, (x.held.shape[0], *size), **kwargs)


def _broadcast_to(call: _Call, x: Any, shape: Any) -> Any:
    return call.function(spread(x.held, len(shape)), (x.held.shape[0], *shape))


def _joined(call: _Call, arrays: Any, *, axis: int | None = 0, **kwargs: Any) -> Any:
    count = samples(arrays, call.depth)
    whole = [call.whole(array, count) for array in arrays]
    if axis is None:
        whole, axis = [call.source.reshape(array, (count, -1)) for array in whole], 0
    return call.function(whole, axis=moved(axis, 0), **kwargs)


def _take(call: _Call, x: Any, indices: Any, *, axis: int = 0) -> Any:
    if not inside(indices, call.depth):
        return call.function(x.held, indices, axis=moved(axis, x.ndim))
    count = samples([x, indices], call.depth)
    whole, axis = call.whole(x, count), axis % len(x.shape)
    size = [1] * len(whole.shape)
    size[0], size[axis + 1] = count, indices.held.shape[1]
    places = call.source.reshape(indices.held, tuple(size))
    size = [*whole.shape]
    size[axis + 1] = indices.held.shape[1]
    return call.source.take_along_axis(whole, call.source.broadcast_to(places, tuple(size)), axis=axis + 1)


def _matmul(call: _Call, x: Any, y: Any) -> Any:
    """Matrices broadcast over what is in front of them; a vector is a matrix of one row or column."""
    if not inside(y, call.depth) and len(y.shape) == 2:  # one product for all samples
        rows = call.source.reshape(x.held, (prod(x.held.shape[:-1]), x.held.shape[-1]))
        return call.source.reshape(call.function(rows, y), (*x.held.shape[:-1], y.shape[1]))
    left, right = len(x.shape) == 1, len(y.shape) == 1
    a, b = x[None, :] if left else x, y[:, None] if right else y
    a, b = aligned((a, b), call.depth)
    # outer products, such as each sample's gradient of a weight, are slow as a batch of matrix products
    out = call.source.multiply(a, b) if a.shape[-1] == 1 else call.function(a, b)
    if left and right:
        return out[..., 0, 0]
    return out[..., 0, :] if left else out[..., 0] if right else out


def _solve(call: _Call, a: Any, b: Any) -> Any:
    vector = len(b.shape) == 1
    columns = b[:, None] if vector else b
    count = samples([a, b], call.depth)
    out = call.function(
        *[call.whole(array, count) for array in (a, columns)] if vector else aligned((a, b), call.depth)
    )
    return out[..., 0] if vector else out


def _moveaxis(call: _Call, x: Any, source: Any, destination: Any) -> Any:
    ndim = x.ndim
    return call.function(x.held, moved(source, ndim), moved(destination, ndim))


def _full(call: _Call, shape: Any, fill_value: Any, **kwargs: Any) -> Any:
    size = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    made = call.source.broadcast_to(spread(fill_value.held, len(size)), (fill_value.held.shape[0], *size))
    return call.source.asarray(made, dtype=kwargs.get("dtype"), copy=True)


_OWN: dict[str, Function] = {
    "broadcast_to": _broadcast_to,
    "concat": _joined,
    "full": _full,
    "matmul": _matmul,
    "moveaxis": _moveaxis,
    "reshape": _reshape,
    "solve": _solve,
    "stack": _joined,
    "take": _take,
}
