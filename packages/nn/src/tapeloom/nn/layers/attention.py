"""Attention of several heads."""

from __future__ import annotations

import math
from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.ops.arguments import as_tensor_of

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, as_count, new_parameter
from .linear import Linear

__all__ = ["MultiheadAttention"]


def additive(name: str, mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask that is added to the scores: of a bool mask True becomes -inf."""
    if mask is None:
        return None
    if as_tensor_of("MultiheadAttention", mask, name).dtype is tl.bool:
        zeros = tl.zeros(mask.shape, dtype=like.dtype, device=like.device)
        return zeros.masked_fill(mask, -math.inf)
    if not mask.is_floating_point():
        raise DTypeError(f"MultiheadAttention: {name} must be bool or floating, got {mask.dtype.name}.")
    return mask.to(like.dtype)


class MultiheadAttention(Module):
    """Attention in several subspaces at once: each head attends by its own projections, and one more joins the results.

        head_i = softmax(q_i k_i^T / sqrt(d)) v_i, with q_i, k_i, v_i projected from query, key and value
        output = W_o concat(head_1, …) + b_o

    Args:
        embed_dim: features of query and output; num_heads must divide it.
        num_heads: the heads.
        dropout: probability of dropout of the weights, in training.
        bias: whether the projections have biases.
        add_bias_kv: a learned key and value beside those given.
        add_zero_attn: a key and value of zeros beside those given.
        kdim, vdim: features of key and value; embed_dim if None.
        batch_first: the batch is the first axis of inputs and output.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim), or with N first, or without N; the result is
        (output, weights), of shapes (L, N, embed_dim) and (N, L, S).
        `forward` takes `key_padding_mask` (N, S) and `attn_mask` (L, S) or (N * num_heads, L, S), bool, True for what is
        not attended to, or floating, to be added; `need_weights`, without which weights are None and the computation is
        one op; `average_attn_weights`, without which they are (N, num_heads, L, S); and `is_causal`, a hint that
        attn_mask is the causal one.

    Attributes:
        in_proj_weight: of shape (3 * embed_dim, embed_dim), or None; then there are q_proj_weight, k_proj_weight and
            v_proj_weight. All start in Xavier's uniform distribution.
        in_proj_bias: of shape (3 * embed_dim,), 0 at first, or None.
        out_proj: the last projection, a `Linear`.
        bias_k, bias_v: of shape (1, 1, embed_dim), or None.

    Raises:
        ArgumentError: heads that do not divide embed_dim; when called, is_causal without attn_mask.
        ShapeError: when called, inputs or masks of shapes that do not fit.
        DTypeError: when called, a mask that is neither bool nor floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> x = tl.ones(5, 2, 8)
        >>> output, weights = nn.MultiheadAttention(8, 2)(x, x, x)
        >>> output.shape, weights.shape
        ((5, 2, 8), (2, 5, 5))

    Source: A. Vaswani et al., "Attention is all you need", NIPS 2017, section 3.2.2.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    @settings
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        name = "MultiheadAttention"
        self.embed_dim = as_count(name, "embed_dim", embed_dim)
        self.num_heads = as_count(name, "num_heads", num_heads)
        if not self.embed_dim or not self.num_heads or self.embed_dim % self.num_heads:
            raise ArgumentError(f"{name}: num_heads={num_heads} must divide embed_dim={embed_dim}.")
        self.kdim = self.embed_dim if kdim is None else as_count(name, "kdim", kdim)
        self.vdim = self.embed_dim if vdim is None else as_count(name, "vdim", vdim)
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = self.embed_dim // self.num_heads
        self.add_zero_attn = add_zero_attn
        same = self.kdim == self.vdim == self.embed_dim
        sizes: dict[str, tuple[int, ...]] = {"in_proj_weight": (3 * self.embed_dim, self.embed_dim)}
        if not same:
            features = {"q": self.embed_dim, "k": self.kdim, "v": self.vdim}
            sizes = {f"{each}_proj_weight": (self.embed_dim, count) for each, count in features.items()}
        if bias:
            sizes["in_proj_bias"] = (3 * self.embed_dim,)
        for each in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias"):
            wanted = each in sizes
            self.register_parameter(each, new_parameter(*sizes[each], device=device, dtype=dtype) if wanted else None)
        self.out_proj = Linear(self.embed_dim, self.embed_dim, bias, device, dtype)
        for each in ("bias_k", "bias_v"):
            pair = new_parameter(1, 1, self.embed_dim, device=device, dtype=dtype) if add_bias_kv else None
            self.register_parameter(each, pair)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for pair in (self.bias_k, self.bias_v):
            if pair is not None:
                init.xavier_normal_(pair)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        if is_causal and attn_mask is None:
            raise ArgumentError("MultiheadAttention: is_causal is a hint about attn_mask; give attn_mask, too.")
        alone = self._check(query, key, value)
        axis = 1 if not self.batch_first or alone else 0
        q, k, v = (heads.unflatten(-1, (self.num_heads, -1)) for heads in self._projected(query, key, value))
        if alone:
            q, k, v = (heads.unsqueeze(axis) for heads in (q, k, v))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        order = (1, 2, 0, 3) if axis == 1 else (0, 2, 1, 3)
        q, k, v = (heads.permute(order) for heads in (q, k, v))  # (N, heads, length, head_dim)
        causal = is_causal and key_padding_mask is None and not need_weights
        mask = None if causal else self._mask(q, k, key_padding_mask, attn_mask)
        k, v, mask = self._widened(k, v, mask)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = (q * self.head_dim**-0.5) @ k.mT
            weights = F.softmax(scores if mask is None else scores + mask, -1)
            weights = F.dropout(weights, dropout) if dropout else weights
            joined = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights.squeeze(0) if alone else weights
        else:
            joined = F.scaled_dot_product_attention(q, k, v, mask, dropout, causal)
        joined = joined.permute((2, 0, 1, 3) if axis == 1 else (0, 2, 1, 3)).flatten(-2)
        output: Tensor = self.out_proj(joined.squeeze(axis) if alone else joined)
        return output, weights

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> bool:
        """Whether the inputs, which must fit, are without a batch."""
        name = "MultiheadAttention"
        shapes = [tuple(as_tensor_of(name, each).shape) for each in (query, key, value)]
        features = (self.embed_dim, self.kdim, self.vdim)
        batch = 0 if self.batch_first else 1
        if (
            len({len(shape) for shape in shapes}) > 1
            or len(shapes[0]) not in (2, 3)
            or any(shape[-1] != size for shape, size in zip(shapes, features, strict=True))
            or shapes[1][:-1] != shapes[2][:-1]
            or (len(shapes[0]) == 3 and shapes[0][batch] != shapes[1][batch])
        ):
            form = "(N, L, features)" if self.batch_first else "(L, N, features)"
            raise ShapeError(
                f"{name}: query, key and value must be {form} or (L, features) with {features} features, and key as "
                f"long as value, got shapes {shapes[0]}, {shapes[1]} and {shapes[2]}."
            )
        return len(shapes[0]) == 2

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        bias = self.in_proj_bias
        if self.in_proj_weight is not None:
            if query is key and key is value:
                return list(F.linear(query, self.in_proj_weight, bias).chunk(3, -1))
            matrices: list[Any] = list(self.in_proj_weight.chunk(3))
        else:
            matrices = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None] * 3 if bias is None else bias.chunk(3)
        each = zip((query, key, value), matrices, biases, strict=True)
        return [F.linear(input, matrix, offset) for input, matrix, offset in each]

    def _mask(self, q: Tensor, k: Tensor, key_padding_mask: Tensor | None, attn_mask: Tensor | None) -> Tensor | None:
        """Both masks as one that is added, and broadcasts to (N, heads, L, S)."""
        batch, heads, length, _ = q.shape
        span = k.shape[2]
        mask = additive("attn_mask", attn_mask, q)
        if mask is not None:
            if tuple(mask.shape) not in ((length, span), (batch * heads, length, span)):
                raise ShapeError(
                    f"MultiheadAttention: attn_mask must have shape {(length, span)} or "
                    f"{(batch * heads, length, span)}, got {tuple(mask.shape)}."
                )
            mask = mask.reshape(batch, heads, length, span) if mask.ndim == 3 else mask
        padding = additive("key_padding_mask", key_padding_mask, q)
        if padding is None:
            return mask
        if tuple(padding.shape) != (batch, span):
            raise ShapeError(
                f"MultiheadAttention: key_padding_mask must have shape {(batch, span)}, got {tuple(padding.shape)}."
            )
        padding = padding[:, None, None, :]
        return padding if mask is None else mask + padding

    def _widened(self, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys and values with the learned pair and the zeros behind them, if asked for."""
        size = (k.shape[0], self.num_heads, 1, self.head_dim)
        pairs = []
        if self.bias_k is not None and self.bias_v is not None:
            pairs.append([pair.reshape(1, *size[1:]).expand(size) for pair in (self.bias_k, self.bias_v)])
        if self.add_zero_attn:
            pairs.append([tl.zeros(size, dtype=k.dtype, device=k.device)] * 2)
        for extra_k, extra_v in pairs:
            k, v = tl.cat([k, extra_k], 2), tl.cat([v, extra_v], 2)
        return k, v, mask if mask is None or not pairs else F.pad(mask, (0, len(pairs)))
