"""Every layer beside PyTorch's: keys, shapes, printed form, values, gradients in training and evaluation, refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
sys.path.insert(0, str(Path(__file__).parents[1]))
from layer_rows import ROWS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def ours(value):
    return tl.tensor(value) if isinstance(value, np.ndarray) else value


def theirs(value):
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def pair(row):
    """Our layer and PyTorch's with the same values, in float64."""
    tl.manual_seed(0)
    mine = row.make(nn, lambda values: tl.tensor(values, dtype=tl.float64)).double()
    twin = row.make(torch.nn, lambda values: torch.tensor(values, dtype=torch.float64)).double()
    twin.load_state_dict({key: torch.tensor(value.numpy()) for key, value in mine.state_dict().items()})
    return mine, twin


def tensors(output):
    """The tensors of a result, in order."""
    if output is None:
        return []
    return [each for part in output for each in tensors(part)] if isinstance(output, tuple) else [output]


def close(mine, twin):
    np.testing.assert_allclose(
        mine.detach().numpy(), twin.detach().numpy(), rtol=1e-7, atol=1e-9
    )  # PyTorch computes some constants in float32


@pytest.mark.parametrize("name", ROWS)
def test_keys_shapes_and_printed_form(name):
    mine, twin = pair(ROWS[name])
    described = [(key, tuple(value.shape)) for key, value in mine.state_dict().items()]
    assert described == [(key, tuple(value.shape)) for key, value in twin.state_dict().items()]
    assert repr(mine) == repr(twin).replace("NonDynamicallyQuantizableLinear", "Linear")
    assert [key for key, _ in mine.named_parameters()] == [key for key, _ in twin.named_parameters()]
    assert [key for key, _ in mine.named_modules()] == [key for key, _ in twin.named_modules()]


def called(row, layer, convert):
    """The results of a layer, and the floating inputs, of which those with a gradient are not leaves."""
    arrays, named = row.arrays()
    leaves = [convert(value) for value in arrays]
    floating = [leaf for leaf in leaves if leaf.is_floating_point()]
    if "Loss" in row.name:
        floating = floating[:1]
    for leaf in floating:
        leaf.requires_grad_()
    inputs = [leaf * 1 if leaf.requires_grad else leaf for leaf in leaves]  # a leaf cannot be changed in place
    if row.name == "CTCLoss":  # PyTorch's gradient is right behind log_softmax alone
        inputs[0] = inputs[0].log_softmax(-1)
    return tensors(layer(*inputs, **{key: convert(value) for key, value in named.items()})), floating


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients(name, training):
    row = ROWS[name]
    mine, twin = pair(row)
    mine.train(training)
    twin.train(training)
    if row.random and training:
        outputs, _ = called(row, mine, ours)
        expected, _ = called(row, twin, theirs)
        assert [tuple(each.shape) for each in outputs] == [tuple(each.shape) for each in expected]
        return
    for _ in range(2):  # twice, so that running statistics count
        outputs, leaves = called(row, mine, ours)
        expected, twins = called(row, twin, theirs)
        assert len(outputs) == len(expected)
        total, reference = 0.0, 0.0
        rng = np.random.default_rng(1)
        for output, other in zip(outputs, expected, strict=True):
            close(output, other)
            if output.requires_grad:
                weights = rng.normal(size=tuple(output.shape))
                total = total + (output * ours(weights)).sum()
                reference = reference + (other * theirs(weights)).sum()
        if isinstance(total, float):
            continue
        total.backward()
        reference.backward()
        for leaf, other in zip(leaves, twins, strict=True):
            close(leaf.grad, other.grad)
    for (key, parameter), other in zip(mine.named_parameters(), twin.parameters(), strict=True):
        assert (parameter.grad is None) == (other.grad is None), key
        if parameter.grad is not None:
            close(parameter.grad, other.grad)
    for key, value in mine.state_dict().items():
        close(value, twin.state_dict()[key])


# what PyTorch refuses when a layer is made
REFUSED = """
Linear(2.5, 3)
Bilinear(0, 2, 3)
Conv1d(3, 4, 3, groups=2)
Conv3d(1, 1, 3, stride=2, padding='same')
Conv3d(1, 1, 3, padding='full')
Conv1d(1, 1, 3, padding_mode='mirror')
ConvTranspose1d(3, 4, 3, groups=2)
ConvTranspose2d(1, 1, 3, padding_mode='circular')
FractionalMaxPool2d(2)
FractionalMaxPool2d(2, output_size=3, output_ratio=0.5)
FractionalMaxPool3d(2, output_ratio=1.5)
Hardtanh(1.0, -1.0)
GroupNorm(4, 6)
Dropout2d(1.5)
AlphaDropout(-0.1)
Embedding(3, 2, padding_idx=3)
EmbeddingBag(3, 2, padding_idx=-4)
RNN(2, 3, nonlinearity='sigmoid')
RNNBase('GRUX', 2, 3)
LSTM(0, 3)
LSTM(2, 3, 0)
LSTM(2, 3, dropout=1.5)
LSTM(2, 3, proj_size=3)
GRU(2, 3, proj_size=1)
MultiheadAttention(6, 4)
MultiheadAttention(0, 1)
TransformerEncoderLayer(6, 2, activation='sine')
LinearCrossEntropyLoss(3, 4, label_smoothing=1.5)
AdaptiveLogSoftmaxWithLoss(8, 12, [])
AdaptiveLogSoftmaxWithLoss(8, 12, [7, 3])
AdaptiveLogSoftmaxWithLoss(8, 12, [3, 12])
MultiMarginLoss(p=3)
TripletMarginLoss(margin=0.0)
TripletMarginWithDistanceLoss(margin=-1.0)
""".strip().splitlines()


@pytest.mark.parametrize("text", REFUSED)
def test_refusals(text):
    with pytest.raises(Exception):  # noqa: B017, PT011 - PyTorch raises errors of many kinds here
        eval(f"torch.nn.{text}")
    with pytest.raises(tl.errors.TapeloomError) as error:
        eval(f"nn.{text}")
    name = text.partition("(")[0]
    assert str(error.value).startswith(f"{name}: ") or name.startswith("Transformer")


def test_every_layer_has_a_row():
    """Base classes and containers stand elsewhere, and the lazy layers are compared below."""
    elsewhere = {
        *("Module ModuleList ModuleDict Sequential ParameterList ParameterDict Parameter Buffer Container".split()),
        *("UninitializedParameter UninitializedBuffer RNNBase RNNCellBase CrossMapLRN2d DataParallel".split()),
    }
    layers = {name for name in vars(torch.nn) if isinstance(getattr(torch.nn, name), type)} - elsewhere
    named = {row.name for row in ROWS.values()}
    missing = {name for name in layers - named if not name.startswith("Lazy")}
    assert missing == {"SyncBatchNorm", "LinearCrossEntropyOptions", "NLLLoss2d"}


LAZY = {
    "LazyLinear(4)": (2, 3),
    "LazyLinear(4, bias=False)": (3,),
    "LazyConv1d(4, 3, groups=2)": (2, 6, 5),
    "LazyConv2d(4, 3, padding='same', bias=False)": (6, 5, 5),
    "LazyConv3d(2, 1)": (1, 3, 2, 2, 2),
    "LazyConvTranspose1d(4, 3)": (6, 5),
    "LazyConvTranspose2d(4, 3, 2, groups=2)": (1, 6, 5, 5),
    "LazyConvTranspose3d(2, 1)": (1, 3, 2, 2, 2),
    "LazyBatchNorm1d()": (3, 4),
    "LazyBatchNorm2d(bias=False)": (3, 4, 2, 2),
    "LazyBatchNorm3d(affine=False)": (3, 4, 2, 2, 2),
    "LazyInstanceNorm1d()": (2, 4, 2),
    "LazyInstanceNorm2d(track_running_stats=False)": (2, 4, 2, 2),
    "LazyInstanceNorm3d()": (2, 4, 2, 2, 2),
}


@pytest.mark.parametrize("text", LAZY)
def test_lazy_layers(text):
    mine, twin = eval(f"nn.{text}"), eval(f"torch.nn.{text}")
    assert repr(mine) == repr(twin)
    assert list(mine.state_dict()) == list(twin.state_dict())
    x = np.random.default_rng(0).normal(size=LAZY[text]).astype(np.float32)
    mine(ours(x))
    twin(theirs(x))
    assert repr(mine) == repr(twin)
    assert [tuple(value.shape) for value in mine.state_dict().values()] == [
        tuple(value.shape) for value in twin.state_dict().values()
    ]
    late = eval(f"nn.{text}")
    late.load_state_dict(mine.state_dict())
    late.eval(), mine.eval()
    assert late(ours(x)).tolist() == mine(ours(x)).tolist()
