"""Sequences of several lengths in one tensor: padded to one length, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.op import explained
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences without padding, as the recurrent layers take them; `pack_sequence` and `pack_padded_sequence` make it.

    Attributes:
        data: of shape (rows, *): the first elements of all sequences, the second ones, and so on.
        batch_sizes: how many sequences have each time step.
        sorted_indices: the order, longest first, in which the sequences stand; None for the order they came in.
        unsorted_indices: the inverse of it.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        """The parts; `unsorted_indices` follows from `sorted_indices` where it is not given."""
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The same with `data.to(...)`, the indices on its device; itself where nothing changes."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = [None if each is None else each.to(data.device) for each in self[2:]]
        return type(self)(data, self.batch_sizes, *indices)

    def cpu(self) -> Self:
        """The same on the CPU."""
        return self.to("cpu")

    def cuda(self) -> Self:
        """The same on the current CUDA device."""
        return self.to("cuda")

    def float(self) -> Self:
        """The same in float32."""
        return self.to(tl.float32)

    def double(self) -> Self:
        """The same in float64."""
        return self.to(tl.float64)

    def half(self) -> Self:
        """The same in float16."""
        return self.to(tl.float16)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one; None for None."""
    return None if permutation is None else permutation.argsort()


@explained
def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Stacks sequences of shape (L, *) to (T, N, *), T being the greatest length.

    Args:
        sequences: of one dtype and device, and one shape behind the first axis.
        batch_first: give (N, T, *) instead.
        padding_value: what fills the shorter ones.
        padding_side: "right" or "left".

    Raises:
        ArgumentError: another side, or no sequence at all.
        ShapeError: shapes that differ behind the first axis.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn.utils.rnn import pad_sequence
        >>> pad_sequence([tl.tensor([1, 2, 3]), tl.tensor([4])], batch_first=True).tolist()
        [[1, 2, 3], [4, 0, 0]]
    """
    each = as_tensors_of("pad_sequence", sequences, "sequences")
    if padding_side not in ("left", "right"):
        raise ArgumentError(f"pad_sequence: padding_side must be 'left' or 'right', got {padding_side!r}.")
    if not each:
        raise ArgumentError("pad_sequence: got no sequences.")
    if any(not one.ndim for one in each):
        raise ShapeError("pad_sequence: a sequence must have at least one axis.")
    longest = max(one.shape[0] for one in each)

    def padded(one: Tensor) -> Tensor:
        lack = longest - one.shape[0]
        sides = (0, lack) if padding_side == "right" else (lack, 0)
        result: Tensor = tl.pad(one, (*(0, 0) * (one.ndim - 1), *sides), value=padding_value) if lack else one
        return result

    stacked: Tensor = tl.stack([padded(one) for one in each], 0 if batch_first else 1)
    return stacked


@explained
def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences that `pad_sequence` padded on the right, as a list.

    Args:
        padded_sequences: of shape (T, N, *), or (N, T, *) with `batch_first`.
        lengths: the N lengths.
        batch_first: see above.
    """
    padded = as_tensor_of("unpad_sequence", padded_sequences, "padded_sequences")
    batch = padded if batch_first else padded.transpose(0, 1)
    return [batch[i, :length] for i, length in enumerate(_lengths("unpad_sequence", lengths))]


@explained
def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs padded sequences: what stands behind the length of each is left out.

    Args:
        input: of shape (T, N, *), or (N, T, *) with `batch_first`.
        lengths: the N lengths.
        batch_first: see above.
        enforce_sorted: the sequences come longest first; False sorts them.

    Raises:
        ArgumentError: lengths below 1 or above T, not one for each sequence, or not sorted.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn.utils.rnn import pack_padded_sequence
        >>> packed = pack_padded_sequence(tl.tensor([[1, 2, 3], [4, 0, 0]]), [3, 1], batch_first=True)
        >>> packed.data.tolist(), packed.batch_sizes.tolist()
        ([1, 4, 2, 3], [2, 1, 1])
    """
    name = "pack_padded_sequence"
    if as_tensor_of(name, input).ndim < 2:
        raise ShapeError(f"{name}: needs an input of two axes or more, got shape {tuple(input.shape)}.")
    given = _lengths(name, lengths)
    steps = input.transpose(0, 1) if batch_first else input
    time, batch = steps.shape[:2]
    if len(given) != batch or not given or min(given) < 1 or max(given) > time:
        raise ArgumentError(f"{name}: lengths must be {batch} numbers from 1 to {time}, got {given}.")
    order = None
    if not enforce_sorted:
        places = sorted(range(batch), key=lambda place: -given[place])
        order = tl.tensor(places, device=input.device)
        steps, given = steps.index_select(1, order), [given[place] for place in places]
    elif given != sorted(given, reverse=True):
        raise ArgumentError(
            f"{name}: lengths must not rise, got {given}. Sort the sequences, or pass enforce_sorted=False."
        )
    steps = steps[: given[0]]
    present = tl.arange(given[0], device=input.device)[:, None] < tl.tensor(given, device=input.device)
    rows = present.reshape(-1).nonzero()[:, 0]
    data = steps.reshape(-1, *steps.shape[2:]).index_select(0, rows)
    return PackedSequence(data, present.sum(1), order)


@explained
def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The inverse of `pack_padded_sequence`: the padded sequences, in the order they came in, and their lengths.

    Args:
        sequence: what was packed.
        batch_first: give (N, T, *) instead of (T, N, *).
        padding_value: what fills the shorter ones.
        total_length: T, if it shall be greater than the longest sequence.

    Raises:
        ArgumentError: a total_length below the longest sequence.
    """
    name = "pad_packed_sequence"
    if not isinstance(sequence, PackedSequence):
        raise ArgumentTypeError(f"{name}: needs a PackedSequence, got {type(sequence).__name__}.")
    data, sizes = sequence.data, sequence.batch_sizes.to(sequence.data.device)
    batch = int(sizes[0].item())
    lack = 0 if total_length is None else total_length - sizes.shape[0]
    if lack < 0:
        raise ArgumentError(f"{name}: total_length={total_length} is below the longest sequence, {sizes.shape[0]}.")
    present = tl.arange(batch, device=data.device) < tl.pad(sizes, (0, lack))[:, None]
    rows = (present.reshape(-1).cumsum(0) - 1).clamp(min=0)
    values = data.index_select(0, rows).reshape(*present.shape, *data.shape[1:])
    mask = present.reshape(*present.shape, *(1,) * (data.ndim - 1))
    padded = values.masked_fill(~mask, padding_value)
    lengths = present.sum(0)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths.index_select(0, sequence.unsorted_indices)
    return padded.transpose(0, 1) if batch_first else padded, lengths


@explained
def pack_sequence(sequences: Iterable[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs a list of sequences of shape (L, *); arguments and errors as for `pack_padded_sequence`."""
    each = as_tensors_of("pack_sequence", sequences, "sequences")
    lengths = [one.shape[0] for one in each]
    return pack_padded_sequence(pad_sequence(each), lengths, enforce_sorted=enforce_sorted)


@explained
def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of `pack_sequence`: a list of the sequences."""
    padded, lengths = pad_packed_sequence(packed_sequences)
    return unpad_sequence(padded, lengths)


def _lengths(name: str, given: Any) -> list[int]:
    lengths = given.tolist() if isinstance(given, Tensor) else list(given)
    if not all(type(length) is int for length in lengths):
        raise ArgumentTypeError(f"{name}: lengths must be ints, got {lengths}.")
    return lengths
