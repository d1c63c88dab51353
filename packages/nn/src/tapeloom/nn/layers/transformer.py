"""The transformer, from its layers to the whole."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.ops.arguments import as_tensor_of

from .. import functional as F
from .. import init
from ..arguments import settings
from ..containers import ModuleList
from ..module import Module
from .attention import MultiheadAttention
from .common import DeviceLike, DTypeLike, as_count
from .dropout import Dropout
from .linear import Linear
from .norm import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation: TypeAlias = str | Callable[[Tensor], Any]
"""The function between the two linear maps: "relu", "gelu", or any of a tensor."""


def _activation(name: str, given: Activation) -> Callable[[Tensor], Any]:
    if callable(given):
        return given
    if given not in ("relu", "gelu"):
        raise ArgumentError(f"{name}: activation must be 'relu', 'gelu' or a function, got {given!r}.")
    return F.relu if given == "relu" else F.gelu


class _Layer(Module):
    """What the two kinds of layers share: attention to oneself, two linear maps, and the norms around them."""

    def _add(
        self,
        attentions: tuple[str, ...],
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        layer_norm_eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        device: DeviceLike,
        dtype: DTypeLike,
    ) -> None:
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        for each in attentions:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **made)
            self.add_module(each, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **made)
        self.norm_first = norm_first
        numbers = range(1, len(attentions) + 2)
        for number in numbers:
            self.add_module(f"norm{number}", LayerNorm(d_model, layer_norm_eps, bias=bias, **made))
        for number in numbers:
            self.add_module(f"dropout{number}", Dropout(dropout))
        self.activation = _activation(type(self).__name__, activation)

    def _around(self, number: int, x: Tensor, block: Callable[[Tensor], Tensor]) -> Tensor:
        """`x` plus the block's value of it, with the norm before the block or behind the sum."""
        norm, dropout = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        result: Tensor = x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))
        return result

    def _feed_forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return output


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, then two linear maps; each is added to its input and normalised.

    Args:
        d_model: features of input and output.
        nhead: heads of the attention.
        dim_feedforward: features between the two linear maps.
        dropout: probability of dropout, in training.
        activation: "relu", "gelu" or a function.
        layer_norm_eps: see `LayerNorm`.
        batch_first: the batch is the first axis.
        norm_first: normalise the input of each block instead of the sum behind it.
        bias: whether linear maps and norms have biases.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        (L, N, d_model), or (N, L, d_model) with `batch_first`, or (L, d_model) -> the same. `forward` takes `src_mask`,
        `src_key_padding_mask` and `is_causal`, as `MultiheadAttention` does.

    Raises:
        ArgumentError: heads that do not divide d_model, or an unknown activation.
        ShapeError, DTypeError: when called, as for `MultiheadAttention`.

    Source: A. Vaswani et al., "Attention is all you need", NIPS 2017, section 3.1; norm_first: R. Xiong et al., "On
    layer normalization in the transformer architecture", ICML 2020.
    """

    self_attn: MultiheadAttention

    @settings
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        self._add(
            ("self_attn",), d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype,
        )  # fmt: skip

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            output: Tensor = self.self_attn(
                x, x, x, src_key_padding_mask, need_weights=False, attn_mask=src_mask, is_causal=is_causal
            )[0]
            return output

        return self._around(2, self._around(1, src, attend), self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Attention of a sequence to itself, attention to a memory, then two linear maps; each added and normalised.

    Arguments, errors and sources as for `TransformerEncoderLayer`.

    Shape:
        tgt (T, N, d_model) and memory (S, N, d_model), or with N first, or without N -> that of tgt. `forward` takes
        `tgt_mask`, `memory_mask`, `tgt_key_padding_mask`, `memory_key_padding_mask`, `tgt_is_causal` and
        `memory_is_causal`, as `MultiheadAttention` does.
    """

    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    @settings
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        self._add(
            ("self_attn", "multihead_attn"), d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps,
            batch_first, norm_first, bias, device, dtype,
        )  # fmt: skip

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def to_itself(x: Tensor) -> Tensor:
            output: Tensor = self.self_attn(
                x, x, x, tgt_key_padding_mask, need_weights=False, attn_mask=tgt_mask, is_causal=tgt_is_causal
            )[0]
            return output

        def to_memory(x: Tensor) -> Tensor:
            output: Tensor = self.multihead_attn(
                x,
                memory,
                memory,
                memory_key_padding_mask,
                need_weights=False,
                attn_mask=memory_mask,
                is_causal=memory_is_causal,
            )[0]
            return output

        x = self._around(2, self._around(1, tgt, to_itself), to_memory)
        return self._around(3, x, self._feed_forward)


class _Stack(Module):
    """Copies of one layer, one over the other, and a norm over all."""

    norm: Module | None

    def _add(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        self.num_layers = as_count(type(self).__name__, "num_layers", num_layers)
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(self.num_layers)])
        self.norm = norm

    def _through(self, x: Tensor, *args: Any) -> Tensor:
        for layer in self.layers:
            x = layer(x, *args)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """A stack of encoder layers.

    Args:
        encoder_layer: the layer; it is copied, so all start alike.
        num_layers: how many copies.
        norm: a last norm, or None.
        enable_nested_tensor, mask_check: of no effect; there are no nested tensors.

    Shape:
        src (L, N, d_model), or with N first, or without N -> the same. `forward` takes `mask`, `src_key_padding_mask`
        and `is_causal`, for each layer.

    Source: A. Vaswani et al., "Attention is all you need", NIPS 2017, section 3.1.
    """

    @settings
    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self._add(encoder_layer, num_layers, norm)
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        return self._through(src, mask, src_key_padding_mask, bool(is_causal))


class TransformerDecoder(_Stack):
    """A stack of decoder layers.

    Args:
        decoder_layer: the layer; it is copied, so all start alike.
        num_layers: how many copies.
        norm: a last norm, or None.

    Shape:
        tgt and memory as for `TransformerDecoderLayer` -> that of tgt. `forward` takes the masks of the layer, for each.

    Source: A. Vaswani et al., "Attention is all you need", NIPS 2017, section 3.1.
    """

    @settings
    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self._add(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        return self._through(tgt, memory, *masks, bool(tgt_is_causal), memory_is_causal)


class Transformer(Module):
    """An encoder of a source and a decoder of a target that attends to it.

    Args:
        d_model: features of both.
        nhead: heads of each attention.
        num_encoder_layers, num_decoder_layers: layers of the two stacks, each of which ends in a norm.
        dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias: as for
            `TransformerEncoderLayer`.
        custom_encoder, custom_decoder: modules to take instead of the stacks.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        src (S, N, d_model) and tgt (T, N, d_model), or with N first, or without N -> that of tgt. `forward` takes a mask,
        a key_padding_mask and an is_causal for each of src, tgt and memory.

    Raises:
        ArgumentError: as for `TransformerEncoderLayer`.
        ShapeError: when called, inputs of other features, or of two batches.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> model = nn.Transformer(8, 2, 1, 1, dim_feedforward=16)
        >>> model(tl.ones(5, 3, 8), tl.ones(4, 3, 8)).shape
        (4, 3, 8)

    Source: A. Vaswani et al., "Attention is all you need", NIPS 2017, section 3.
    """

    @settings
    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        layer = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device,
            dtype,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(TransformerEncoderLayer(*layer), num_encoder_layers, norm())
        self.decoder = custom_decoder or TransformerDecoder(TransformerDecoderLayer(*layer), num_decoder_layers, norm())
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        batch = 0 if self.batch_first else 1
        for name, given in (("src", src), ("tgt", tgt)):
            if as_tensor_of("Transformer", given, name).ndim not in (2, 3):
                raise ShapeError(f"Transformer: {name} must have 2 or 3 axes, got shape {tuple(given.shape)}.")
        if src.ndim == 3 and (tgt.ndim != 3 or src.shape[batch] != tgt.shape[batch]):
            raise ShapeError(
                f"Transformer: src and tgt must have one batch, got shapes {tuple(src.shape)} and {tuple(tgt.shape)}."
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(
                f"Transformer: src and tgt must have d_model={self.d_model} features, got shapes {tuple(src.shape)} and "
                f"{tuple(tgt.shape)}."
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        output: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return output

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: DeviceLike = None, dtype: DTypeLike = None) -> Tensor:
        """The causal mask of shape (sz, sz): 0 on and below the diagonal, -inf above."""
        mask: Tensor = tl.full((sz, sz), -math.inf, device=device, dtype=dtype).triu(1)
        return mask
