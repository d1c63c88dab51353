"""Embeddings: tables of vectors, looked up by number."""

from __future__ import annotations

from typing import Any, Self

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, as_count, as_int, new_parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What the embeddings share: the table and how it is looked up."""

    weight: Parameter

    def _set(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
    ) -> None:
        name = type(self).__name__
        self.num_embeddings = as_count(name, "num_embeddings", num_embeddings)
        self.embedding_dim = as_count(name, "embedding_dim", embedding_dim)
        self.padding_idx = _row(name, padding_idx, self.num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if sparse:
            raise ArgumentError(f"{name}: sparse gradients do not exist here. Leave sparse=False.")
        self.sparse = sparse

    def _add_weight(self, given: Tensor | None, freeze: bool, device: DeviceLike, dtype: DTypeLike) -> None:
        size = (self.num_embeddings, self.embedding_dim)
        if given is None:
            self.weight = new_parameter(*size, device=device, dtype=dtype)
            self.weight.requires_grad = not freeze
            self.reset_parameters()
        elif tuple(given.shape) != size:
            raise ShapeError(f"{type(self).__name__}: _weight must have shape {size}, got {tuple(given.shape)}.")
        else:
            self.weight = Parameter(given, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draws new values for the table."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with tl.no_grad():
                self.weight[self.padding_idx] = 0.0

    def _shown(self, *names: str) -> str:
        """The sizes, and the settings of these names that are not the usual ones."""
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "sparse": False}
        shown = [f", {name}={getattr(self, name)!r}" for name in names if getattr(self, name) != usual.get(name)]
        return f"{self.num_embeddings}, {self.embedding_dim}{''.join(shown)}"


class Embedding(_Table):
    """A table of vectors, looked up by number.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: size of each vector.
        padding_idx: a row that starts as zeros and gets no gradient.
        max_norm: rows that are used, and longer, are scaled to this norm first, in the table itself.
        norm_type: which norm that is.
        scale_grad_by_freq: divide the gradient of each row by how often it is used.
        sparse: must be False; there are no sparse gradients.
        _weight, _freeze: the table, and whether it is not trained.
        device, dtype: where the table lives, and its dtype.

    Shape:
        integers (*) in 0 .. num_embeddings - 1 -> (*, embedding_dim).

    Attributes:
        weight: of shape (num_embeddings, embedding_dim), from N(0, 1).

    Raises:
        ArgumentError: `padding_idx` is no row of the table, or `sparse`.
        ShapeError: a negative size of the table, or a `_weight` of another shape.
        DTypeError: a `dtype` that is not floating; when called, an input that holds no integers.
        IndexingError: when called, a number that is no row of the table.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> words = nn.Embedding(10, 3, padding_idx=0)
        >>> words(tl.tensor([[0, 4], [2, 0]])).shape
        (2, 2, 3)
        >>> words(tl.tensor([0])).tolist()
        [[0.0, 0.0, 0.0]]

    Source: Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin, "A neural probabilistic language model", JMLR 3, 2003,
    section 2.
    """

    @settings
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        self._set(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        self._add_weight(_weight, _freeze, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A layer on a given table of shape (rows, size); frozen unless `freeze` is False.

        Raises:
            ShapeError: the table has not two axes.
            ArgumentError: `padding_idx` is no row of the table.
            ArgumentTypeError: the table is no Tensor.
        """
        rows, size = _sizes(cls.__name__, embeddings)
        return cls(
            rows, size, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight=embeddings, _freeze=freeze
        )

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )
        return output

    def extra_repr(self) -> str:
        return self._shown("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")


class EmbeddingBag(_Table):
    """Sums, means or maxima of rows of a table: `Embedding`, then a reduction over each bag, in one.

    Args:
        num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, sparse, device, dtype: as for `Embedding`.
        mode: "sum", "mean" or "max".
        _weight: the table.
        include_last_offset: the offsets end with the length of the input.
        padding_idx: a row that starts as zeros, counts for nothing and gets no gradient.

    Shape:
        integers (N, L), or (M,) with `offsets` (N,), where each bag begins -> (N, embedding_dim). `forward` takes
        `per_sample_weights` of the input's shape, too, for "sum".

    Attributes:
        weight: of shape (num_embeddings, embedding_dim), from N(0, 1).

    Raises:
        ArgumentError: an unknown mode, `sparse`, or a `padding_idx` that is no row of the table.
        ShapeError: a `_weight` of another shape; when called, shapes that do not fit.
        IndexingError: when called, a number that is no row of the table.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> bags = nn.EmbeddingBag.from_pretrained(tl.tensor([[1.0], [2.0], [4.0]]), mode="sum")
        >>> bags(tl.tensor([0, 1, 2, 2]), offsets=tl.tensor([0, 2])).tolist()
        [[3.0], [8.0]]
    """

    @settings
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        if mode not in ("sum", "mean", "max"):
            raise ArgumentError(f"EmbeddingBag: mode must be 'sum', 'mean' or 'max', got {mode!r}.")
        self._set(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        self.mode = mode
        self.include_last_offset = include_last_offset
        self._add_weight(_weight, False, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """A layer on a given table; arguments and errors as for `Embedding.from_pretrained`."""
        rows, size = _sizes(cls.__name__, embeddings)
        kinds = (max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset, padding_idx)
        layer = cls(rows, size, *kinds)
        layer.weight.requires_grad = not freeze
        return layer

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        output: Tensor = F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )
        return output

    def extra_repr(self) -> str:
        return self._shown("max_norm", "norm_type", "scale_grad_by_freq", "mode", "padding_idx")


def _sizes(layer: str, table: Any) -> tuple[int, int]:
    """Rows and size of a given table."""
    if not isinstance(table, Tensor):
        raise ArgumentTypeError(f"{layer}.from_pretrained: the table must be a Tensor, got {type(table).__name__}.")
    if table.ndim != 2:
        raise ShapeError(f"{layer}.from_pretrained: needs a table (rows, size), got shape {tuple(table.shape)}.")
    rows, size = table.shape
    return rows, size


def _row(layer: str, padding_idx: int | None, rows: int) -> int | None:
    """The row, counted from 0."""
    if padding_idx is None:
        return None
    row = as_int(layer, "padding_idx", padding_idx)
    if not -rows <= row < rows:
        raise ArgumentError(f"{layer}: padding_idx={row} is no row of a table of {rows}.")
    return row % rows
