"""Layers: what they own, how they start, their settings and errors; the values of the ops are tested in the core."""

import math

import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError


def close(tensor, expected, tolerance=1e-5):
    got = tensor.reshape(-1).tolist()
    return len(got) == len(expected) and all(abs(a - b) <= tolerance for a, b in zip(got, expected, strict=True))


PRINTED = [
    (lambda: nn.Linear(2, 3, bias=False), "Linear(in_features=2, out_features=3, bias=False)"),
    (lambda: nn.Identity(54, unused=1), "Identity()"),
    (lambda: nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
    (lambda: nn.Unflatten(1, (2, 3)), "Unflatten(dim=1, unflattened_size=(2, 3))"),
    (lambda: nn.Conv2d(3, 8, 3), "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))"),
    (
        lambda: nn.Conv2d(4, 8, (3, 5), stride=2, padding=1, dilation=2, groups=2, bias=False),
        "Conv2d(4, 8, kernel_size=(3, 5), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False)",
    ),
    (
        lambda: nn.Conv2d(3, 4, 3, padding="same", padding_mode="reflect"),
        "Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1), padding=same, padding_mode=reflect)",
    ),
    (lambda: nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    (lambda: nn.AvgPool2d(3, stride=2, padding=1), "AvgPool2d(kernel_size=3, stride=2, padding=1)"),
    (
        lambda: nn.BatchNorm1d(4),
        "BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
    ),
    (lambda: nn.LayerNorm(4), "LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)"),
    (lambda: nn.Dropout(0.2), "Dropout(p=0.2, inplace=False)"),
    (lambda: nn.Embedding(5, 2, padding_idx=-1), "Embedding(5, 2, padding_idx=4)"),
    (lambda: nn.ReLU(), "ReLU()"),
    (lambda: nn.ReLU(inplace=True), "ReLU(inplace=True)"),
    (lambda: nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
    (lambda: nn.GELU("tanh"), "GELU(approximate='tanh')"),
    (lambda: nn.Softmax(dim=1), "Softmax(dim=1)"),
    (lambda: nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
]


@pytest.mark.parametrize("make, text", PRINTED, ids=lambda value: value if isinstance(value, str) else "")
def test_printed_form(make, text):
    assert repr(make()) == text


def test_linear_starts_within_its_bounds():
    tl.manual_seed(0)
    layer = nn.Linear(64, 128)
    bound = 1 / math.sqrt(64)
    for parameter in (layer.weight, layer.bias):
        values = parameter.reshape(-1).tolist()
        assert max(map(abs, values)) <= bound
        assert max(map(abs, values)) > 0.9 * bound
        assert abs(sum(values) / len(values)) < 0.2 * bound
    assert layer.weight.shape == (128, 64)
    assert layer.bias.shape == (128,)
    assert nn.Linear(2, 3, bias=False).bias is None


def test_one_seed_gives_one_start():
    tl.manual_seed(7)
    first = nn.Linear(3, 2).weight.tolist()
    tl.manual_seed(7)
    assert nn.Linear(3, 2).weight.tolist() == first


def test_linear_computes_and_learns():
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": tl.tensor([[2.0, 3.0]]), "bias": tl.tensor([0.5])})
    out = layer(tl.tensor([[1.0, 10.0]]))
    assert out.tolist() == [[32.5]]
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 10.0]]
    assert layer.bias.grad.tolist() == [1.0]


def test_dtype_and_device_arguments():
    for layer in (
        nn.Linear(2, 2, device="cpu", dtype=tl.float64),
        nn.Conv2d(1, 1, 1, device="cpu", dtype=tl.float64),
        nn.Embedding(2, 2, device="cpu", dtype=tl.float64),
        nn.LayerNorm(2, device="cpu", dtype=tl.float64),
        nn.BatchNorm2d(2, device="cpu", dtype=tl.float64),
    ):
        assert all(parameter.dtype is tl.float64 for parameter in layer.parameters())
        assert all(buffer.dtype in (tl.float64, tl.int64) for buffer in layer.buffers())


def test_flatten_and_unflatten():
    x = tl.arange(24.0).reshape(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(2, (2, -1))(x).shape == (2, 3, 2, 2)


def test_conv_sizes_and_start():
    tl.manual_seed(0)
    layer = nn.Conv2d(4, 6, (3, 5), groups=2)
    assert layer.weight.shape == (6, 2, 3, 5)
    bound = 1 / math.sqrt(2 * 3 * 5)
    assert layer.weight.abs().max().item() <= bound
    assert layer.bias.abs().max().item() <= bound
    assert layer(tl.ones(1, 4, 7, 9)).shape == (1, 6, 5, 5)
    assert nn.Conv2d(1, 1, (2, 4), padding="same")(tl.ones(1, 1, 5, 6)).shape == (1, 1, 5, 6)
    assert nn.Conv2d(1, 1, 3, padding="valid")(tl.ones(1, 1, 5, 5)).shape == (1, 1, 3, 3)


def test_conv_same_has_the_longer_side_last():
    layer = nn.Conv2d(1, 1, (1, 2), padding="same", bias=False)
    layer.load_state_dict({"weight": tl.tensor([[[[1.0, 10.0]]]])})
    assert layer(tl.tensor([[[[1.0, 2.0, 3.0]]]])).tolist() == [[[[21.0, 32.0, 3.0]]]]


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("zeros", [3.0, 6.0, 5.0]),
        ("reflect", [5.0, 6.0, 7.0]),
        ("replicate", [4.0, 6.0, 8.0]),
        ("circular", [6.0, 6.0, 6.0]),
    ],
)
def test_conv_padding_modes(mode, expected):
    layer = nn.Conv2d(1, 1, (1, 3), padding=(0, 1), bias=False, padding_mode=mode)
    layer.load_state_dict({"weight": tl.ones(1, 1, 1, 3)})
    assert layer(tl.tensor([[[[1.0, 2.0, 3.0]]]])).tolist() == [[[expected]]]


def test_conv_refuses_settings_that_do_not_fit():
    with pytest.raises(ArgumentError) as error:
        nn.Conv2d(3, 4, 3, groups=2)
    assert str(error.value) == "Conv2d: groups=2 must divide in_channels=3 and out_channels=4."
    with pytest.raises(ArgumentError) as error:
        nn.Conv2d(1, 1, 3, stride=2, padding="same")
    assert str(error.value) == "Conv2d: padding='same' needs stride 1, got (2, 2). Give padding in numbers."
    with pytest.raises(ArgumentError) as error:
        nn.Conv2d(1, 1, 3, padding="full")
    assert str(error.value) == "Conv2d: padding must be 'same', 'valid' or numbers, got 'full'."
    with pytest.raises(ArgumentError, match="padding_mode must be one of"):
        nn.Conv2d(1, 1, 3, padding_mode="mirror")
    with pytest.raises(ArgumentTypeError) as error_type:
        nn.Conv2d(1, 1, (3, 3, 3))
    assert str(error_type.value) == "Conv2d: kernel_size must be one int or two, got (3, 3, 3)."


def test_pools():
    x = tl.arange(16.0).reshape(1, 1, 4, 4)
    assert nn.MaxPool2d(2)(x).tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    out, indices = nn.MaxPool2d(2, return_indices=True)(x)
    assert out.tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    assert indices.tolist() == [[[[5, 7], [13, 15]]]]
    assert nn.MaxPool2d(3, stride=2, ceil_mode=True)(x).shape == (1, 1, 2, 2)
    assert nn.AvgPool2d(2, stride=1)(x).shape == (1, 1, 3, 3)
    assert nn.AvgPool2d(2, divisor_override=1)(x).tolist() == [[[[10.0, 18.0], [42.0, 50.0]]]]


def test_batch_norm_trains_and_evaluates():
    norm = nn.BatchNorm1d(1, eps=0.0)
    x = tl.tensor([[1.0], [3.0], [8.0]])  # mean 4, biased variance 26/3, unbiased 13
    deviation = math.sqrt(26 / 3)
    assert close(norm(x), [-3 / deviation, -1 / deviation, 4 / deviation])
    assert close(norm.running_mean, [0.4])
    assert close(norm.running_var, [0.9 + 1.3])
    assert norm.num_batches_tracked.item() == 1
    norm.eval()
    assert close(norm(x), [(value - 0.4) / math.sqrt(2.2) for value in (1.0, 3.0, 8.0)])
    assert norm.num_batches_tracked.item() == 1


def test_batch_norm_with_a_plain_mean_over_batches():
    norm = nn.BatchNorm1d(1, momentum=None)
    for base in (0.0, 10.0, 50.0):
        norm(tl.tensor([[base], [base + 2.0]]))
    assert close(norm.running_mean, [21.0], 1e-4)
    assert close(norm.running_var, [2.0], 1e-4)


def test_batch_norm_without_running_statistics():
    norm = nn.BatchNorm2d(2, affine=False, track_running_stats=False).eval()
    assert list(norm.state_dict()) == []
    out = norm(tl.arange(16.0).reshape(2, 2, 2, 2))
    assert close(out.mean(dim=(0, 2, 3)), [0.0, 0.0])
    assert repr(norm) == "BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)"


def test_batch_norm_without_bias():
    norm = nn.BatchNorm1d(2, bias=False)
    assert list(norm.state_dict()) == ["weight", "running_mean", "running_var", "num_batches_tracked"]
    assert norm(tl.tensor([[1.0, 2.0], [3.0, 5.0]])).shape == (2, 2)


def test_batch_norm_reset():
    norm = nn.BatchNorm1d(1)
    norm(tl.tensor([[1.0], [3.0]]))
    norm.reset_parameters()
    assert norm.running_mean.tolist() == [0.0]
    assert norm.running_var.tolist() == [1.0]
    assert norm.num_batches_tracked.item() == 0


def test_batch_norm_refuses_other_shapes():
    with pytest.raises(ShapeError) as error:
        nn.BatchNorm2d(3)(tl.ones(2, 3))
    assert str(error.value) == ("BatchNorm2d: needs an input of 4 axes with 3 channels on axis 1, got shape (2, 3).")
    with pytest.raises(ShapeError) as error:
        nn.BatchNorm1d(3)(tl.ones(2, 4))
    assert str(error.value) == (
        "BatchNorm1d: needs an input of 2 or 3 axes with 3 channels on axis 1, got shape (2, 4)."
    )


def test_batch_norm_that_fails_counts_nothing():
    norm = nn.BatchNorm1d(2)
    with pytest.raises(ValueError, match="value"):
        norm(tl.ones(1, 2))  # one value a channel has no variance
    assert norm.num_batches_tracked.item() == 0
    assert norm.running_mean.tolist() == [0.0, 0.0]


def test_layer_norm():
    norm = nn.LayerNorm((2, 2), eps=0.0)
    assert norm.weight.shape == (2, 2)
    out = norm(tl.tensor([[[1.0, 2.0], [3.0, 6.0]]]))
    deviation = math.sqrt(3.5)
    assert close(out, [-2 / deviation, -1 / deviation, 0.0, 3 / deviation])
    assert list(nn.LayerNorm(2, bias=False).state_dict()) == ["weight"]
    assert list(nn.LayerNorm(2, elementwise_affine=False).state_dict()) == []


def test_dropout_scales_what_stays():
    tl.manual_seed(0)
    layer = nn.Dropout(0.25)
    out = layer(tl.ones(4000)).tolist()
    assert {round(value, 4) for value in out} == {0.0, 1.3333}
    assert 0.2 < out.count(0.0) / 4000 < 0.3
    x = tl.ones(5)
    assert layer.eval()(x).tolist() == [1.0] * 5
    assert nn.Dropout(1.0)(x).tolist() == [0.0] * 5
    with pytest.raises(ArgumentError) as error:
        nn.Dropout(1.5)
    assert str(error.value) == "Dropout: p is 1.5; a probability lies between 0 and 1."


def test_inplace_layers_change_their_input():
    x = tl.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0.0, 2.0]
    assert nn.Dropout(1.0, inplace=True)(x) is x
    assert x.tolist() == [0.0, 0.0]
    leaf = tl.tensor([-1.0, 2.0], requires_grad=True)
    nn.ReLU(inplace=True)(leaf * 3).sum().backward()
    assert leaf.grad.tolist() == [0.0, 3.0]


def test_embedding():
    layer = nn.Embedding(4, 2, padding_idx=1)
    assert layer.weight[1].tolist() == [0.0, 0.0]
    out = layer(tl.tensor([[0, 1], [2, 2]]))
    assert out.shape == (2, 2, 2)
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [2.0, 2.0], [0.0, 0.0]]
    with pytest.raises(ArgumentError) as error:
        nn.Embedding(4, 2, padding_idx=4)
    assert str(error.value) == "Embedding: padding_idx=4 is no row of a table of 4."


def test_embedding_from_a_table():
    table = tl.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer = nn.Embedding.from_pretrained(table)
    assert layer(tl.tensor([1])).tolist() == [[3.0, 4.0]]
    assert not layer.weight.requires_grad
    assert (layer.num_embeddings, layer.embedding_dim) == (2, 2)
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    with pytest.raises(ShapeError):
        nn.Embedding.from_pretrained(tl.ones(3))


@pytest.mark.parametrize(
    "layer, expected",
    [
        (nn.ReLU(), [0.0, 0.5]),
        (nn.LeakyReLU(0.1), [-0.1, 0.5]),
        (nn.SiLU(), [-1 / (1 + math.e), 0.5 / (1 + math.exp(-0.5))]),
        (nn.Sigmoid(), [1 / (1 + math.e), 1 / (1 + math.exp(-0.5))]),
        (nn.Tanh(), [math.tanh(-1), math.tanh(0.5)]),
        (nn.GELU(), [-0.5 * (1 + math.erf(-1 / math.sqrt(2))), 0.25 * (1 + math.erf(0.5 / math.sqrt(2)))]),
        (nn.Softmax(dim=0), [1 / (1 + math.exp(1.5)), 1 / (1 + math.exp(-1.5))]),
        (nn.LogSoftmax(dim=0), [-math.log(1 + math.exp(1.5)), -math.log(1 + math.exp(-1.5))]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_activations(layer, expected):
    assert close(layer(tl.tensor([-1.0, 0.5])), expected)


def test_gelu_refuses_other_approximations():
    with pytest.raises(ArgumentError) as error:
        nn.GELU("erf")
    assert str(error.value) == "GELU: approximate must be 'none' or 'tanh', got 'erf'."


def test_losses():
    logits = tl.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]])
    target = tl.tensor([1, 2])
    rows = [[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]]
    logs = [[x - math.log(sum(map(math.exp, row))) for x in row] for row in rows]
    terms = [-logs[0][1], -logs[1][2]]
    assert close(nn.CrossEntropyLoss()(logits, target), [sum(terms) / 2])
    assert close(nn.CrossEntropyLoss(reduction="none")(logits, target), terms)
    assert close(nn.NLLLoss(reduction="sum")(nn.LogSoftmax(dim=1)(logits), target), [sum(terms)])
    weight = tl.tensor([1.0, 2.0, 3.0])
    assert close(nn.CrossEntropyLoss(weight)(logits, target), [(2 * terms[0] + 3 * terms[1]) / 5])
    assert close(nn.CrossEntropyLoss(ignore_index=2)(logits, target), [terms[0]])
    smooth = [0.7 * term + 0.1 * -sum(row) for term, row in zip(terms, logs, strict=True)]
    assert close(nn.CrossEntropyLoss(label_smoothing=0.3)(logits, target), [sum(smooth) / 2])
    a, b = tl.tensor([1.0, 2.0]), tl.tensor([4.0, 0.0])
    assert nn.MSELoss()(a, b).item() == 6.5
    assert nn.MSELoss(reduction="none")(a, b).tolist() == [9.0, 4.0]
    assert nn.L1Loss(reduction="sum")(a, b).item() == 5.0


def test_a_class_weight_moves_with_its_loss():
    loss = nn.CrossEntropyLoss(tl.ones(3)).double()
    assert loss.weight.dtype is tl.float64
    assert list(loss.parameters()) == []


def test_losses_refuse_what_does_not_fit():
    with pytest.raises(ShapeError) as error:
        nn.MSELoss()(tl.ones(3, 1), tl.ones(3))
    assert str(error.value) == (
        "mse_loss: input has shape (3, 1), and target (3,); they must be the same. "
        "Reshape one of them, for instance with .squeeze(-1) or .view_as(other)."
    )
    with pytest.raises(ArgumentError) as error:
        nn.L1Loss(reduction="avg")
    assert str(error.value) == "L1Loss: reduction must be 'none', 'mean' or 'sum', got 'avg'."
    with pytest.raises(ArgumentError) as error:
        nn.CrossEntropyLoss(label_smoothing=2)
    assert str(error.value) == "CrossEntropyLoss: label_smoothing is 2; it lies between 0 and 1."


REFUSED = [
    (lambda: nn.Linear("a", 2), ArgumentTypeError, "Linear: in_features must be an int, got 'a' of type str."),
    (lambda: nn.Linear(2, 2.5), ArgumentTypeError, "Linear: out_features must be an int, got 2.5 of type float."),
    (lambda: nn.Linear(2, -1), ArgumentError, "Linear: out_features must be 0 or more, got -1."),
    (lambda: nn.Conv2d("a", 2, 3), ArgumentTypeError, "Conv2d: in_channels must be an int, got 'a' of type str."),
    (lambda: nn.Conv2d(2, -2, 3), ArgumentError, "Conv2d: out_channels must be 0 or more, got -2."),
    (lambda: nn.Conv2d(2, 2, 2.5), ArgumentTypeError, "Conv2d: kernel_size must be an int, got 2.5 of type float."),
    (lambda: nn.Conv2d(2, 2, (3, "a")), ArgumentTypeError, "Conv2d: kernel_size must be an int, got 'a' of type str."),
    (lambda: nn.Conv2d(2, 2, -3), ArgumentError, "Conv2d: kernel_size must be 0 or more, got (-3, -3)."),
    (lambda: nn.Conv2d(2, 2, 3, groups="a"), ArgumentTypeError, "Conv2d: groups must be an int, got 'a' of type str."),
    (lambda: nn.Embedding("a", 2), ArgumentTypeError, "Embedding: num_embeddings must be an int, got 'a' of type str."),
    (lambda: nn.Embedding(2, -2), ArgumentError, "Embedding: embedding_dim must be 0 or more, got -2."),
    (
        lambda: nn.Embedding(2, 2, padding_idx="a"),
        ArgumentTypeError,
        "Embedding: padding_idx must be an int, got 'a' of type str.",
    ),
    (lambda: nn.LayerNorm("a"), ArgumentTypeError, "LayerNorm: normalized_shape must be an int, got 'a' of type str."),
    (
        lambda: nn.LayerNorm((2, 2.5)),
        ArgumentTypeError,
        "LayerNorm: normalized_shape must be an int, got 2.5 of type float.",
    ),
    (lambda: nn.LayerNorm(-1), ArgumentError, "LayerNorm: normalized_shape must be 0 or more, got -1."),
    (lambda: nn.BatchNorm1d("a"), ArgumentTypeError, "BatchNorm1d: num_features must be an int, got 'a' of type str."),
    (lambda: nn.BatchNorm2d(-1), ArgumentError, "BatchNorm2d: num_features must be 0 or more, got -1."),
]


@pytest.mark.parametrize(("make", "error", "says"), REFUSED, ids=[says for _, _, says in REFUSED])
def test_a_wrong_size_is_refused_in_the_name_of_the_layer(make, error, says):
    with pytest.raises(error) as caught:
        make()
    assert type(caught.value) is error
    assert str(caught.value) == says


def test_a_pretrained_table_checks_its_padding_row():
    table = tl.ones(3, 2)
    assert nn.Embedding.from_pretrained(table, padding_idx=-1).padding_idx == 2
    with pytest.raises(ArgumentError, match="Embedding: padding_idx=7 is no row of a table of 3"):
        nn.Embedding.from_pretrained(table, padding_idx=7)
    with pytest.raises(ArgumentTypeError, match="from_pretrained: the table must be a Tensor, got list"):
        nn.Embedding.from_pretrained([1.0])
