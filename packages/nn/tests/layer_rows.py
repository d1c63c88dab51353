"""One row per layer and way to make it: how it is written, what it is called with, and what of it is random.

The layers are text, so that one row makes tapeloom's and PyTorch's. `test_layer_rows.py` runs the rows on each device,
`oracle/test_layers_oracle.py` compares them with PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Given:
    """An input of a kind other than standard normal numbers."""

    kind: str
    size: tuple[int, ...]
    high: int = 0

    def values(self, rng: np.random.Generator) -> np.ndarray:
        """Its values, drawn anew."""
        if self.kind == "integers":
            return rng.integers(0, self.high, self.size)
        if self.kind == "signs":
            return rng.integers(0, 2, self.size) * 2.0 - 1.0
        if self.kind == "mask":
            return rng.integers(0, 2, self.size).astype(bool) & (np.arange(self.size[-1]) > 0)
        if self.kind == "sorted":  # the values are the size itself
            return np.array(self.size)
        drawn = rng.uniform(0.05, 0.95, self.size)
        return drawn / drawn.sum(1, keepdims=True) if self.kind == "shares" else drawn


@dataclass(frozen=True)
class Row:
    """A layer as text, `nn.` left out, and its inputs."""

    layer: str
    inputs: tuple[Any, ...]
    named: dict[str, Any] = field(default_factory=dict)
    random: bool = False  # what it does in training is drawn

    @property
    def name(self) -> str:
        """The layer's class."""
        return self.layer.partition("(")[0]

    def make(self, nn: Any, tensor: Any) -> Any:
        """The layer of a library, which `tensor` makes tensors of."""
        return eval(f"nn.{self.layer}", {"nn": nn, "tensor": tensor})  # our own text

    def arrays(self) -> tuple[list[np.ndarray], dict[str, Any]]:
        """The inputs by place and by name, the same at each call; what is no tensor stays as it is."""
        rng = np.random.default_rng(0)

        def drawn(spec: Any) -> Any:
            if isinstance(spec, Given):
                return spec.values(rng)
            return rng.normal(size=spec) if isinstance(spec, tuple) else spec

        return [drawn(spec) for spec in self.inputs], {name: drawn(spec) for name, spec in self.named.items()}


ROWS: dict[str, Row] = {}


def row(layer: str, *inputs: Any, random: bool = False, **named: Any) -> None:
    """Adds a row."""
    ROWS[f"{layer} {', '.join(named)}".strip()] = Row(layer, inputs, named, random)


def integers(high: int, *size: int) -> Given:
    return Given("integers", size, high)


def signs(*size: int) -> Given:
    return Given("signs", size)


def unit(*size: int) -> Given:
    return Given("unit", size)


def shares(*size: int) -> Given:
    return Given("shares", size)


def mask(*size: int) -> Given:
    return Given("mask", size)


def these(*values: int) -> Given:
    return Given("sorted", values)


# linear and shape
row("Linear(5, 4)", (3, 5))
row("Linear(5, 4, bias=False)", (2, 3, 5))
row("Bilinear(3, 4, 5)", (6, 3), (6, 4))
row("Bilinear(3, 4, 5, bias=False)", (2, 6, 3), (2, 6, 4))
row("Identity(3, unused=1)", (3, 5))
row("Flatten()", (2, 3, 4))
row("Unflatten(1, (2, 3))", (2, 6))

# convolution
row("Conv1d(4, 6, 3)", (2, 4, 9))
row("Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False, padding_mode='circular')", (2, 4, 9))
row("Conv1d(2, 3, 2, padding='same')", (2, 9))
row("Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)", (2, 4, 7, 8))
row("Conv2d(2, 3, 3, padding=(1, 2), padding_mode='reflect')", (1, 2, 6, 7))
row("Conv3d(2, 3, (1, 2, 3), padding=1)", (2, 2, 4, 5, 6))
row("Conv3d(2, 4, 2, padding='valid', padding_mode='replicate', groups=2)", (2, 4, 5, 6))
row("ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)", (2, 4, 5))
row("ConvTranspose1d(2, 3, 3, stride=3)", (2, 5), output_size=[16])
row("ConvTranspose2d(4, 6, (3, 2), stride=(2, 1), dilation=(1, 2), bias=False)", (2, 4, 4, 5))
row("ConvTranspose2d(2, 3, 3, stride=2, padding=1)", (1, 2, 4, 5), output_size=[1, 3, 8, 9])
row("ConvTranspose3d(2, 3, 2, stride=2)", (2, 2, 2, 3, 3))

# pooling
for axes in (1, 2, 3):
    size = (2, 3, 7, 6, 8)[: axes + 2]
    row(f"MaxPool{axes}d(2)", size)
    row(f"MaxPool{axes}d(3, stride=2, padding=1, ceil_mode=True, return_indices=True)", size)
    row(f"AvgPool{axes}d(2)", size)
    row(f"AvgPool{axes}d(3, 2, padding=1, ceil_mode=True, count_include_pad=False)", size)
    row(f"LPPool{axes}d(3, 2, stride=1)", unit(*size))
    row(f"AdaptiveAvgPool{axes}d(3)", size)
    row(f"AdaptiveMaxPool{axes}d(4, return_indices=True)", size)
    row(f"MaxUnpool{axes}d(2, stride=4)", (2, 1, *(2,) * axes), integers(1, 2, 1, *(2,) * axes))
row("AvgPool2d((3, 2), divisor_override=4)", (2, 3, 6, 7))
row("LPPool2d(2.0, (2, 3), ceil_mode=True)", unit(2, 3, 6, 7))
row("AdaptiveAvgPool2d((None, 2))", (2, 3, 6, 7))
row("FractionalMaxPool2d(2, output_size=(3, 4), _random_samples=tensor([[[0.3, 0.6], [0.1, 0.9]]] * 2))", (2, 2, 7, 8))
row("FractionalMaxPool3d((2, 1, 2), output_ratio=0.5, _random_samples=tensor([[[0.3, 0.6, 0.2]]]))", (1, 1, 6, 6, 6))

# padding
for axes in (1, 2, 3):
    size = (2, 3, 4, 5, 6)[: axes + 2]
    sides = (1, 2, 0, 1, 2, 1)[: 2 * axes]
    for kind in ("Circular", "Reflection", "Replication", "Zero"):
        row(f"{kind}Pad{axes}d({sides})", size)
    row(f"ConstantPad{axes}d(1, 3.5)", size)
row("ZeroPad2d(-1)", (2, 4, 5))

# rearranging, resizing
row("Unfold((2, 3), padding=1, stride=2)", (2, 3, 5, 6))
row("Fold((4, 5), 2)", (2, 12, 12))
row("PixelShuffle(2)", (2, 8, 3, 4))
row("PixelUnshuffle(2)", (2, 2, 4, 6))
row("ChannelShuffle(3)", (2, 6, 4))
row("Upsample(scale_factor=2)", (2, 3, 4))
row("Upsample(size=(5, 7), mode='bilinear')", (2, 3, 4, 4))
row("Upsample(scale_factor=(2, 1.5), mode='bicubic', align_corners=True)", (2, 3, 4, 4))
row("Upsample(size=3, mode='trilinear')", (1, 2, 4, 5, 4))
row("UpsamplingNearest2d(scale_factor=2)", (2, 3, 4, 4))
row("UpsamplingBilinear2d(size=(7, 6))", (2, 3, 4, 4))

# activation
for name in (
    "ReLU ReLU6 SELU SiLU Mish Hardswish Hardsigmoid Sigmoid LogSigmoid Tanh Tanhshrink Softsign Hardshrink Softshrink "
    "Softplus Hardtanh ELU CELU GELU PReLU LeakyReLU"
).split():
    row(f"{name}()", (3, 5))
row("ReLU6(inplace=True)", (3, 5))
row("Hardtanh(-0.5, 0.25, True)", (3, 5))
row("ELU(0.5, inplace=True)", (3, 5))
row("CELU(2.0, True)", (3, 5))
row("Hardshrink(0.25)", (3, 5))
row("Softshrink(0.25)", (3, 5))
row("Softplus(2.0, 1.0)", (3, 5))
row("Threshold(0.1, 20.0)", (3, 5))
row("Threshold(0.1, 20.0, True)", (3, 5))
row("GELU('tanh')", (3, 5))
row("LeakyReLU(0.1, True)", (3, 5))
row("PReLU(5, init=0.1)", (3, 5, 2))
row("RReLU()", (3, 5), random=True)
row("RReLU(0.2, 0.2)", (3, 5))
row("Softmax(dim=1)", (3, 5))
row("Softmin(dim=0)", (3, 5))
row("LogSoftmax(dim=-1)", (3, 5))
row("Softmax2d()", (2, 3, 4, 5))
row("GLU()", (3, 6))
row("GLU(0)", (4, 3))

# normalisation
for axes in (1, 2, 3):
    size = (4, 3, 4, 5, 2)[: axes + 2]
    row(f"BatchNorm{axes}d(3)", size)
    row(f"InstanceNorm{axes}d(3)", size)
    row(f"InstanceNorm{axes}d(3, affine=True, track_running_stats=True, momentum=0.3)", size[1:])
row("BatchNorm1d(3, momentum=None)", (5, 3))
row("BatchNorm2d(3, bias=False)", (2, 3, 4, 5))
row("BatchNorm3d(3, affine=False, track_running_stats=False)", (2, 3, 4, 5, 2))
row("InstanceNorm2d(3, affine=True, bias=False)", (2, 3, 4, 5))
row("LayerNorm((4, 5))", (3, 4, 5))
row("LayerNorm(5, eps=1e-3, bias=False)", (3, 4, 5))
row("RMSNorm(5)", (3, 5))
row("RMSNorm((4, 5), eps=1e-3, elementwise_affine=False)", (3, 4, 5))
row("GroupNorm(2, 6)", (3, 6, 4))
row("GroupNorm(3, 6, eps=1e-3, bias=False)", (3, 6, 4, 2))
row("GroupNorm(3, 6, affine=False)", (3, 6))
row("LocalResponseNorm(3, alpha=0.1)", (2, 5, 4))

# dropout
for name, axes in {"": 1, "1d": 1, "2d": 2, "3d": 3}.items():
    row(f"Dropout{name}(0.0)", (2, 3, 4, 4, 4)[: axes + 2])
    row(f"Dropout{name}(0.3, inplace=True)", (2, 3, 4, 4, 4)[: axes + 2], random=True)
for name in ("AlphaDropout", "FeatureAlphaDropout"):
    row(f"{name}(0.0)", (2, 3, 4))
    row(f"{name}(0.3)", (2, 3, 4), random=True)

# embedding
row("Embedding(6, 3, padding_idx=2)", integers(6, 2, 4))
row("Embedding(6, 3, 1, max_norm=1.0, norm_type=1.5, scale_grad_by_freq=True)", integers(6, 2, 4))
row("EmbeddingBag(6, 3, padding_idx=2)", integers(6, 2, 4))
row(
    "EmbeddingBag(6, 3, mode='sum', include_last_offset=True)",
    integers(6, 7),
    these(0, 3, 3, 7),
    per_sample_weights=unit(7),
)
row("EmbeddingBag(6, 3, mode='max', norm_type=1.0)", integers(6, 7), these(0, 4))

# recurrence
row("RNN(3, 4, 2)", (5, 2, 3))
row("RNN(3, 4, nonlinearity='relu', bias=False, bidirectional=True, batch_first=True)", (2, 5, 3))
row("LSTM(3, 4)", (5, 2, 3))
row("LSTM(3, 4, 2, bidirectional=True, proj_size=2)", (5, 2, 3))
row("LSTM(3, 4, 2, batch_first=True, dropout=0.5, bias=False)", (2, 5, 3), random=True)
row("GRU(3, 4, 2, bidirectional=True)", (5, 2, 3))
row("GRU(3, 4)", (5, 3), (1, 4))
row("RNNCell(3, 4)", (2, 3))
row("RNNCell(3, 4, bias=False, nonlinearity='relu')", (3,), (4,))
row("LSTMCell(3, 4)", (2, 3))
row("GRUCell(3, 4)", (2, 3), (2, 4))

# attention
row("MultiheadAttention(6, 2)", (4, 2, 6), (5, 2, 6), (5, 2, 6))
row("MultiheadAttention(6, 3, bias=False, kdim=4, vdim=5)", (4, 6), (5, 4), (5, 5), average_attn_weights=False)
row(
    "MultiheadAttention(6, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True)",
    (2, 4, 6), (2, 5, 6), (2, 5, 6), key_padding_mask=mask(2, 5), attn_mask=mask(4, 5),
)  # fmt: skip
row("MultiheadAttention(6, 2)", (4, 2, 6), (5, 2, 6), (5, 2, 6), need_weights=False, attn_mask=(4, 4, 5))
row("MultiheadAttention(6, 2, dropout=0.5)", (4, 2, 6), (5, 2, 6), (5, 2, 6), random=True, need_weights=False)
row("TransformerEncoderLayer(6, 2, 8, dropout=0.0)", (4, 2, 6))
row(
    "TransformerEncoderLayer(6, 2, 8, 0.0, 'gelu', batch_first=True, norm_first=True, bias=False)",
    (2, 4, 6), src_mask=mask(4, 4), src_key_padding_mask=mask(2, 4),
)  # fmt: skip
row("TransformerDecoderLayer(6, 3, 8, dropout=0.0)", (4, 2, 6), (5, 2, 6), tgt_mask=mask(4, 4), memory_mask=(4, 5))
row("TransformerDecoderLayer(6, 3, 8, 0.1, nn.GELU(), norm_first=True)", (4, 2, 6), (5, 2, 6), random=True)
row("TransformerEncoder(nn.TransformerEncoderLayer(6, 3, 8, 0.0), 2, nn.LayerNorm(6))", (4, 2, 6), mask=mask(4, 4))
row("TransformerDecoder(nn.TransformerDecoderLayer(6, 3, 8, 0.0), 2)", (4, 2, 6), (5, 2, 6), tgt_mask=mask(4, 4))
row("Transformer(6, 3, 1, 2, 8, dropout=0.0)", (5, 2, 6), (4, 2, 6), src_mask=mask(5, 5), tgt_mask=mask(4, 4))

# losses: of classes and values
row("CrossEntropyLoss()", (5, 4), integers(4, 5))
row(
    "CrossEntropyLoss(tensor([0.5, 2.0, 1.0, 3.0]), ignore_index=1, reduction='sum', label_smoothing=0.2)",
    (5, 4, 3),
    integers(4, 5, 3),
)
row("CrossEntropyLoss(label_smoothing=0.1)", (5, 4), shares(5, 4))
row("NLLLoss(tensor([0.5, 2.0, 1.0, 3.0]), ignore_index=0)", (5, 4), integers(4, 5))
for name in "MSELoss L1Loss SmoothL1Loss HuberLoss".split():
    row(f"{name}()", (5, 3), (5, 3))
row("SmoothL1Loss(beta=0.5, reduction='sum')", (5, 3), (5, 3))
row("HuberLoss(reduction='none', delta=0.5)", (5, 3), (5, 3))
row("BCELoss()", unit(5, 3), unit(5, 3))
row("BCELoss(tensor([0.5, 2.0, 1.0]), reduction='none')", unit(5, 3), unit(5, 3))
row("BCEWithLogitsLoss(pos_weight=tensor([0.5, 2.0, 1.0]))", (5, 3), unit(5, 3))

# losses: likelihoods
row("KLDivLoss(reduction='batchmean')", (5, 3), shares(5, 3))
row("KLDivLoss(reduction='sum', log_target=True)", (5, 3), (5, 3))
row("PoissonNLLLoss()", (5, 3), unit(5, 3))
row("PoissonNLLLoss(False, True, reduction='sum')", unit(5, 3), integers(9, 5, 3))
row("GaussianNLLLoss(full=True)", (5, 3), (5, 3), unit(5, 3))
row("CTCLoss()", (7, 2, 4), integers(3, 2, 3), these(7, 6), these(3, 2))
row("LinearCrossEntropyLoss(3, 4, bias=True, label_smoothing=0.1)", (5, 3), integers(4, 5))
row("AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0, head_bias=True)", (9, 8), integers(12, 9))

# losses: margins, distances
row("SoftMarginLoss()", (5, 3), signs(5, 3))
row("HingeEmbeddingLoss(0.5)", (5, 3), signs(5, 3))
row("MarginRankingLoss(0.5, reduction='sum')", (5,), (5,), signs(5))
row("CosineEmbeddingLoss(0.1)", (5, 3), (5, 3), signs(5))
row("MultiMarginLoss(2, 0.5, tensor([0.5, 2.0, 1.0, 3.0]))", (5, 4), integers(4, 5))
row("MultiLabelMarginLoss()", (4,), these(3, 0, -1, 1))
row("MultiLabelSoftMarginLoss(tensor([0.5, 2.0, 1.0]))", (5, 3), unit(5, 3))
row("TripletMarginLoss(0.5, swap=True, reduction='none')", (5, 3), (5, 3), (5, 3))
row("TripletMarginWithDistanceLoss(distance_function=nn.CosineSimilarity())", (5, 3), (5, 3), (5, 3))
row("CosineSimilarity()", (5, 3), (5, 3))
row("CosineSimilarity(-1, 1e-3)", (2, 5, 3), (2, 5, 3))
row("PairwiseDistance()", (5, 3), (5, 3))
row("PairwiseDistance(1.0, keepdim=True)", (5, 3), (5, 3))
