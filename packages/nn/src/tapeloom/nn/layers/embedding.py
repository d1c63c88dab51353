"""Embedding."""

from __future__ import annotations

from typing import Self

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError, UnsupportedError

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, as_count, as_int, new_parameter

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """A table of vectors, looked up by number.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: size of each vector.
        padding_idx: a row that starts as zeros and gets no gradient.
        device, dtype: where the table lives, and its dtype.

    Shape:
        integers (*) in 0 .. num_embeddings - 1 -> (*, embedding_dim).

    Attributes:
        weight: of shape (num_embeddings, embedding_dim), from N(0, 1).

    Raises:
        ArgumentError: `padding_idx` is no row of the table.
        ShapeError: a negative size of the table.
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

    weight: Parameter

    @settings
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        num_embeddings = as_count("Embedding", "num_embeddings", num_embeddings)
        embedding_dim = as_count("Embedding", "embedding_dim", embedding_dim)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _row(padding_idx, num_embeddings)
        self.weight = new_parameter(num_embeddings, embedding_dim, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new values for the table."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with tl.no_grad():
                self.weight[self.padding_idx] = 0.0

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Self:
        """A layer on a given table of shape (rows, size); frozen unless `freeze` is False.

        Raises:
            ShapeError: the table has not two axes.
            ArgumentError: `padding_idx` is no row of the table.
            ArgumentTypeError: the table is no Tensor.
        """
        if not isinstance(embeddings, Tensor):
            raise ArgumentTypeError(
                f"Embedding.from_pretrained: the table must be a Tensor, got {type(embeddings).__name__}."
            )
        if embeddings.ndim != 2:
            raise ShapeError(
                f"Embedding.from_pretrained: needs a table (rows, size), got shape {tuple(embeddings.shape)}."
            )
        layer = cls(1, 1)
        layer.num_embeddings, layer.embedding_dim = embeddings.shape
        layer.padding_idx = _row(padding_idx, layer.num_embeddings)
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.embedding(input, self.weight, self.padding_idx)
        return output

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class EmbeddingBag(Module):
    """Sums, means or maxima of rows of a learned table: `Embedding`, then a reduction over each bag, in one.

    Args:
        num_embeddings: rows.
        embedding_dim: size of a row.
        max_norm: rows that are used and longer are scaled to this norm first.
        norm_type: which norm that is.
        scale_grad_by_freq: divide the gradient of each row by how often it is used.
        mode: "sum", "mean" or "max".
        sparse: must be False; there are no sparse gradients.
        _weight: the table.
        include_last_offset: the offsets end with the length of the input.
        padding_idx: a row that counts for nothing and gets no gradient.
        device, dtype: where the table lives, and its dtype.

    Shape:
        integers (N, L), or (M,) with `offsets` (N,), where each bag begins -> (N, embedding_dim). `forward` takes
        `per_sample_weights` of the input's shape, too, for "sum".

    Attributes:
        weight: the table, from N(0, 1), with zeros in the padding row.

    Raises:
        ArgumentError: an unknown mode, or a padding row that the table does not have.
        ShapeError: a `_weight` of another shape; when called, shapes that do not fit.
        IndexingError: when called, an index that is no row.
        UnsupportedError: `sparse`.
    """

    weight: Parameter

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
        self.num_embeddings = as_count("EmbeddingBag", "num_embeddings", num_embeddings)
        self.embedding_dim = as_count("EmbeddingBag", "embedding_dim", embedding_dim)
        if mode not in ("sum", "mean", "max"):
            raise ArgumentError(f"EmbeddingBag: mode must be 'sum', 'mean' or 'max', got {mode!r}.")
        if sparse:
            raise UnsupportedError("EmbeddingBag: sparse gradients are not supported. Leave sparse out.")
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self.padding_idx = _row(padding_idx, self.num_embeddings, "EmbeddingBag")
        size = (self.num_embeddings, self.embedding_dim)
        if _weight is None:
            self.weight = new_parameter(*size, device=device, dtype=dtype)
            self.reset_parameters()
        elif tuple(_weight.shape) != size:
            raise ShapeError(f"EmbeddingBag: _weight must have shape {size}, got {tuple(_weight.shape)}.")
        else:
            self.weight = Parameter(_weight)

    def reset_parameters(self) -> None:
        """Draws new values for the table."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with tl.no_grad():
                self.weight[self.padding_idx] = 0.0

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
        """A layer on a given table of shape (rows, size); frozen unless `freeze` is False.

        Raises:
            ShapeError: the table has not two axes.
        """
        if embeddings.ndim != 2:
            raise ShapeError(
                f"EmbeddingBag.from_pretrained: needs a table (rows, size), got shape {tuple(embeddings.shape)}."
            )
        layer = cls(
            *embeddings.shape, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset,
            padding_idx,
        )  # fmt: skip
        layer.weight.requires_grad = not freeze
        return layer

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
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
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, usual in (("max_norm", None), ("norm_type", 2), ("scale_grad_by_freq", False)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        text += f", mode={self.mode!r}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"


def _row(padding_idx: int | None, rows: int, layer: str = "Embedding") -> int | None:
    """The row, counted from 0."""
    if padding_idx is None:
        return None
    row = as_int(layer, "padding_idx", padding_idx)
    if not -rows <= row < rows:
        raise ArgumentError(f"{layer}: padding_idx={row} is no row of a table of {rows}.")
    return row % rows
