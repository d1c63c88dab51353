"""How a list of samples becomes a batch.

Samples may be Tensors, host arrays, numbers, strings, and tuples, lists and dicts of these. The walk over their
structure is written once; a ``Maker`` says what the leaves become: Tensors here, in a worker process host arrays that
turn into Tensors where the batch arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import tapeloom as tl
from tapeloom import Tensor, host
from tapeloom.dtypes import REAL_NUMBERS, DType
from tapeloom.errors import DataError, DTypeError, ShapeError

__all__ = ["default_collate", "default_convert"]


class Maker(Protocol):
    """What the leaves of a batch become."""

    def stack(self, tensors: list[Tensor]) -> Any:
        """Tensors of one shape as one, along a new first dimension."""

    def stack_arrays(self, arrays: list[Any]) -> Any:
        """Host arrays of one shape, likewise."""

    def array(self, array: Any) -> Any:
        """One host array."""

    def numbers(self, numbers: list[Any], dtype: DType) -> Any:
        """Python numbers as a batch of one dimension."""


class TensorMaker:
    """Leaves become Tensors: Tensors stay on their device, all else goes to the default device."""

    def stack(self, tensors: list[Tensor]) -> Any:
        return tl.stack(tensors)

    def stack_arrays(self, arrays: list[Any]) -> Any:
        return self.array(host.stack(arrays))

    def array(self, array: Any) -> Any:
        return tl.as_tensor(array)

    def numbers(self, numbers: list[Any], dtype: DType) -> Any:
        return tl.tensor(numbers, dtype=dtype)


def default_collate(batch: list[Any]) -> Any:
    """Makes a batch of a list of samples of one structure; every leaf gets a new first dimension ``len(batch)``.

    ===================================  =================================================================
    samples                              batch
    ===================================  =================================================================
    Tensors or host arrays, shape (...)  Tensor (len(batch), ...) of the same dtype
    float, int, bool                     Tensor (len(batch),) of float64, int64, bool, as in PyTorch
    str, bytes                           the list of them
    tuples or lists of n                 list of n batches (a named tuple gives one of its type)
    dicts                                dict of one batch a key
    ===================================  =================================================================

    Raises ShapeError for arrays of different shapes, DataError for samples of different structure, and DTypeError
    for a type that has no batch; each names the first sample that does not fit.
    """
    return collate(batch, TensorMaker())


def default_convert(data: Any) -> Any:
    """Makes Tensors of the host arrays in one sample and leaves the rest as it is: for ``batch_size=None``."""
    return convert(data, TensorMaker())


def collate(batch: list[Any], maker: Maker, path: str = "") -> Any:
    """``default_collate`` with the leaves of ``maker``; ``path`` says where in the sample we are, for messages."""
    if not batch:
        raise DataError("default_collate: the batch has no samples. Leave out empty batches.")
    first = batch[0]
    if isinstance(first, Tensor):
        _same_type(batch, Tensor, path)
        _same_shape(batch, path)
        return maker.stack(batch)
    if host.is_array(first):
        for position, sample in enumerate(batch):
            if not host.is_array(sample):
                _different(path, position, f"a {type(sample).__name__}", f"a {type(first).__name__}")
        _same_shape(batch, path)
        if first.dtype.kind not in "OSUMm":  # objects, text and times are no numbers
            return maker.stack_arrays(batch)
        raise DTypeError(
            f"default_collate: {_at(path)}host arrays of dtype {first.dtype} cannot become Tensors. "
            f"Turn them into numbers in the dataset, or pass a collate_fn."
        )
    if isinstance(first, REAL_NUMBERS):
        _same_type(batch, REAL_NUMBERS, path)
        return maker.numbers(batch, _number_dtype(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _collate_mapping(batch, maker, path)
    if isinstance(first, Sequence):
        return _collate_sequence(batch, maker, path)
    raise DTypeError(
        f"default_collate: {_at(path)}a sample of type {type(first).__name__} has no batch. Return Tensors, host "
        f"arrays, numbers, strings, or tuples, lists and dicts of these, or pass a collate_fn."
    )


def _collate_mapping(batch: list[Any], maker: Maker, path: str) -> Any:
    first = batch[0]
    for position, sample in enumerate(batch):
        if not isinstance(sample, Mapping) or sample.keys() != first.keys():
            came = f"the keys {list(sample)}" if isinstance(sample, Mapping) else f"a {type(sample).__name__}"
            _different(path, position, came, f"the keys {list(first)}")
    made = {key: collate([sample[key] for sample in batch], maker, f"{path}[{key!r}]") for key in first}
    return _rebuilt(first, made)


def _collate_sequence(batch: list[Any], maker: Maker, path: str) -> Any:
    first = batch[0]
    for position, sample in enumerate(batch):
        if not isinstance(sample, Sequence) or isinstance(sample, (str, bytes)):
            _different(path, position, f"a {type(sample).__name__}", f"a {type(first).__name__}")
        if len(sample) != len(first):
            _different(path, position, f"{len(sample)} items", f"{len(first)}")
    made = [collate(list(column), maker, f"{path}[{index}]") for index, column in enumerate(zip(*batch, strict=True))]
    return _rebuilt(first, made)


def convert(data: Any, maker: Maker) -> Any:
    """``default_convert`` with the leaves of ``maker``."""
    if host.is_array(data):
        return data if data.dtype.kind in "OSUMm" else maker.array(data)
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _rebuilt(data, {key: convert(value, maker) for key, value in data.items()})
    if isinstance(data, tuple):
        made = [convert(value, maker) for value in data]
        return type(data)(*made) if hasattr(data, "_fields") else tuple(made)
    if isinstance(data, Sequence):
        return _rebuilt(data, [convert(value, maker) for value in data])
    return data


def _number_dtype(numbers: list[Any]) -> DType:
    if isinstance(numbers[0], float):
        return tl.float64
    if any(isinstance(number, float) for number in numbers):
        return tl.get_default_dtype()
    return tl.bool if all(isinstance(number, bool) for number in numbers) else tl.int64


def _rebuilt(like: Any, made: Any) -> Any:
    """``made`` as the type of ``like`` where that can be built from it: a named tuple, a dict subclass, a list."""
    if hasattr(like, "_fields"):
        return type(like)(*made)
    if isinstance(like, tuple) or type(like) in (dict, list):
        return made  # a batch of tuples is a list, as in PyTorch
    try:
        return type(like)(made)
    except TypeError:
        return made


def _same_type(batch: list[Any], kinds: Any, path: str) -> None:
    for position, sample in enumerate(batch):
        if not isinstance(sample, kinds):
            _different(path, position, f"a {type(sample).__name__}", f"a {type(batch[0]).__name__}")


def _same_shape(batch: list[Any], path: str) -> None:
    shape = batch[0].shape
    for position, sample in enumerate(batch):
        if sample.shape != shape:
            raise _located(
                ShapeError(
                    f"default_collate: {_at(path)}sample {position} of the batch has the shape {sample.shape}, "
                    f"sample 0 has {shape}. Give all samples one shape, or pass a collate_fn that pads them."
                ),
                position,
            )


def _different(path: str, position: int, came: str, expected: str) -> None:
    raise _located(
        DataError(
            f"default_collate: {_at(path)}sample {position} of the batch has {came}, sample 0 has {expected}. "
            f"Give all samples one structure, or pass a collate_fn."
        ),
        position,
    )


def _located(error: Exception, position: int) -> Exception:
    """Notes which sample was at fault, so that the loader, which knows its index in the dataset, can say so."""
    error.position = position  # type: ignore[attr-defined]
    return error


def _at(path: str) -> str:
    return f"at sample{path}, " if path else ""
