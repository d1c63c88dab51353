"""Layers and initialisers beside PyTorch's: keys, printed forms, values, gradients."""

import math

import pytest

import tapeloom as tl
from tapeloom import nn

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")


@pytest.fixture(autouse=True)
def _seeded():
    tl.manual_seed(0)
    torch.manual_seed(0)


def theirs(tensor):
    """The PyTorch twin of one of our tensors."""
    values = torch.tensor(tensor.tolist(), dtype=getattr(torch, tensor.dtype.name))
    return values.reshape(tuple(tensor.shape))  # a list cannot say the shape of an empty tensor


def ours(tensor):
    """Our twin of one of PyTorch's tensors."""
    dtype = getattr(tl, str(tensor.dtype).removeprefix("torch."))
    return tl.tensor(tensor.tolist(), dtype=dtype).reshape(tuple(tensor.shape))


def close(mine, reference, tolerance=1e-9):
    return tuple(mine.shape) == tuple(reference.shape) and torch.allclose(
        theirs(mine.detach()), reference.detach(), rtol=tolerance, atol=tolerance
    )


def image(*size):
    return tl.randn(*size, dtype=tl.float64)


# name -> (how both libraries make it, an input)
LAYERS = {
    "Linear": (lambda nn: nn.Linear(5, 4), lambda: image(3, 5)),
    "Linear without bias": (lambda nn: nn.Linear(5, 4, bias=False), lambda: image(2, 3, 5)),
    "Identity": (lambda nn: nn.Identity(3, unused=1), lambda: image(3, 5)),
    "Flatten": (lambda nn: nn.Flatten(), lambda: image(2, 3, 4)),
    "Unflatten": (lambda nn: nn.Unflatten(1, (2, 3)), lambda: image(2, 6)),
    "Conv2d": (lambda nn: nn.Conv2d(3, 4, 3), lambda: image(2, 3, 6, 7)),
    "Conv2d with everything": (
        lambda nn: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False),
        lambda: image(2, 4, 7, 8),
    ),
    "Conv2d same": (lambda nn: nn.Conv2d(2, 3, (2, 5), padding="same"), lambda: image(1, 2, 6, 7)),
    "Conv2d valid": (lambda nn: nn.Conv2d(2, 3, 2, padding="valid"), lambda: image(2, 6, 7)),
    "Conv2d reflect": (
        lambda nn: nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="reflect"),
        lambda: image(1, 2, 6, 7),
    ),
    "Conv2d replicate": (
        lambda nn: nn.Conv2d(2, 3, (3, 2), padding="same", padding_mode="replicate"),
        lambda: image(1, 2, 6, 7),
    ),
    "Conv2d circular": (lambda nn: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), lambda: image(1, 2, 6, 7)),
    "MaxPool2d": (lambda nn: nn.MaxPool2d(2), lambda: image(2, 3, 6, 7)),
    "MaxPool2d with everything": (
        lambda nn: nn.MaxPool2d((3, 2), stride=2, padding=1, dilation=(1, 2), ceil_mode=True),
        lambda: image(2, 3, 8, 9),
    ),
    "AvgPool2d": (lambda nn: nn.AvgPool2d(2), lambda: image(2, 3, 6, 7)),
    "AvgPool2d with everything": (
        lambda nn: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        lambda: image(2, 3, 6, 7),
    ),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(4), lambda: image(5, 4)),
    "BatchNorm1d with length": (lambda nn: nn.BatchNorm1d(4, momentum=None), lambda: image(5, 4, 3)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(3, eps=1e-3, momentum=0.3), lambda: image(2, 3, 4, 5)),
    "BatchNorm2d without bias": (lambda nn: nn.BatchNorm2d(3, bias=False), lambda: image(2, 3, 4, 5)),
    "BatchNorm2d bare": (
        lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False),
        lambda: image(2, 3, 4, 5),
    ),
    "LayerNorm": (lambda nn: nn.LayerNorm((4, 5)), lambda: image(3, 4, 5)),
    "LayerNorm without bias": (lambda nn: nn.LayerNorm(5, eps=1e-3, bias=False), lambda: image(3, 4, 5)),
    "LayerNorm bare": (lambda nn: nn.LayerNorm(5, elementwise_affine=False), lambda: image(3, 5)),
    "Dropout": (lambda nn: nn.Dropout(0.0), lambda: image(3, 5)),
    "ReLU": (lambda nn: nn.ReLU(), lambda: image(3, 5)),
    "LeakyReLU": (lambda nn: nn.LeakyReLU(0.1), lambda: image(3, 5)),
    "GELU": (lambda nn: nn.GELU(), lambda: image(3, 5)),
    "GELU tanh": (lambda nn: nn.GELU("tanh"), lambda: image(3, 5)),
    "SiLU": (lambda nn: nn.SiLU(), lambda: image(3, 5)),
    "Sigmoid": (lambda nn: nn.Sigmoid(), lambda: image(3, 5)),
    "Tanh": (lambda nn: nn.Tanh(), lambda: image(3, 5)),
    "Softmax": (lambda nn: nn.Softmax(dim=1), lambda: image(3, 5)),
    "LogSoftmax": (lambda nn: nn.LogSoftmax(dim=0), lambda: image(3, 5)),
    "Sequential": (
        lambda nn: nn.Sequential(nn.Linear(5, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2)), nn.Identity()),
        lambda: image(3, 5),
    ),
}


def pair(name):
    """Our layer and PyTorch's with the same values, in float64."""
    make, data = LAYERS[name]
    mine, reference = make(nn).double(), make(torch.nn).double()
    reference.load_state_dict({key: theirs(value) for key, value in mine.state_dict().items()})
    return mine, reference, data()


@pytest.mark.parametrize("name", LAYERS)
def test_keys_shapes_dtypes_and_printed_form(name):
    make, _ = LAYERS[name]
    mine, reference = make(nn), make(torch.nn)
    described = [(key, tuple(value.shape), value.dtype.name) for key, value in mine.state_dict().items()]
    assert described == [
        (key, tuple(value.shape), str(value.dtype).removeprefix("torch."))
        for key, value in reference.state_dict().items()
    ]
    assert repr(mine) == repr(reference)
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in reference.named_parameters()]
    assert [name for name, _ in mine.named_modules()] == [name for name, _ in reference.named_modules()]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients(name, training):
    mine, reference, x = pair(name)
    mine.train(training)
    reference.train(training)
    for _ in range(2):  # twice, so that running statistics count
        mine_in, reference_in = x.detach().requires_grad_(), theirs(x).requires_grad_()
        out, expected = mine(mine_in), reference(reference_in)
        assert close(out, expected)
        weights = tl.randn(*out.shape, dtype=tl.float64)
        (out * weights).sum().backward()
        (expected * theirs(weights)).sum().backward()
        assert close(mine_in.grad, reference_in.grad)
    for parameter, twin in zip(mine.parameters(), reference.parameters(), strict=True):
        assert close(parameter.grad, twin.grad)
    for key, value in mine.state_dict().items():
        assert close(value, reference.state_dict()[key])


def test_embedding():
    mine, reference = nn.Embedding(6, 3, padding_idx=2).double(), torch.nn.Embedding(6, 3, padding_idx=2).double()
    assert repr(mine) == repr(reference)
    mine.load_state_dict({key: ours(value) for key, value in reference.state_dict().items()})
    numbers = tl.tensor([[0, 2], [5, 0]])
    out, expected = mine(numbers), reference(theirs(numbers))
    assert close(out, expected)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    assert close(mine.weight.grad, reference.weight.grad)


def test_max_pool_indices():
    x = image(2, 3, 6, 7)
    out, indices = nn.MaxPool2d(3, stride=2, padding=1, return_indices=True)(x)
    expected, positions = torch.nn.MaxPool2d(3, stride=2, padding=1, return_indices=True)(theirs(x))
    assert close(out, expected)
    assert indices.tolist() == positions.tolist()


LOSSES = {
    "cross entropy": (lambda nn, weight: nn.CrossEntropyLoss(), "classes"),
    "cross entropy, weights, ignored, smoothed": (
        lambda nn, weight: nn.CrossEntropyLoss(weight, ignore_index=1, reduction="sum", label_smoothing=0.2),
        "classes",
    ),
    "cross entropy, weights, mean": (lambda nn, weight: nn.CrossEntropyLoss(weight, label_smoothing=0.1), "classes"),
    "cross entropy, none": (lambda nn, weight: nn.CrossEntropyLoss(weight, reduction="none"), "classes"),
    "cross entropy of probabilities": (
        lambda nn, weight: nn.CrossEntropyLoss(weight, label_smoothing=0.1),
        "probabilities",
    ),
    "negative log-likelihood": (lambda nn, weight: nn.NLLLoss(weight, ignore_index=0), "classes"),
    "squares": (lambda nn, weight: nn.MSELoss(), "values"),
    "absolute values": (lambda nn, weight: nn.L1Loss(reduction="sum"), "values"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    make, sort = LOSSES[name]
    weight = tl.tensor([0.5, 2.0, 1.0, 3.0], dtype=tl.float64)
    mine, reference = make(nn, weight), make(torch.nn, theirs(weight))
    assert list(mine.state_dict()) == list(reference.state_dict())
    assert repr(mine) == repr(reference)
    x = image(5, 4, 3)
    target = {
        "classes": lambda: tl.randint(0, 4, (5, 3)),
        "probabilities": lambda: tl.softmax(image(5, 4, 3), 1),
        "values": lambda: image(5, 4, 3),
    }[sort]()
    mine_in, reference_in = x.detach().requires_grad_(), theirs(x).requires_grad_()
    out, expected = mine(mine_in, target), reference(reference_in, theirs(target))
    assert close(out, expected)
    out.sum().backward()
    expected.sum().backward()
    assert close(mine_in.grad, reference_in.grad)


def spread(tensor):
    values = theirs(tensor.detach()) if isinstance(tensor, tl.Tensor) else tensor.detach()
    return values.mean().item(), values.std().item(), values.abs().max().item()


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.Linear(50, 200),
        lambda nn: nn.Conv2d(8, 64, 5, groups=2),
        lambda nn: nn.Embedding(100, 50),
        lambda nn: nn.BatchNorm2d(8),
        lambda nn: nn.LayerNorm(8),
    ],
    ids=["Linear", "Conv2d", "Embedding", "BatchNorm2d", "LayerNorm"],
)
def test_layers_start_in_the_same_distribution(make):
    for mine, reference in zip(make(nn).parameters(), make(torch.nn).parameters(), strict=True):
        (mean, std, largest), (_, expected_std, expected_largest) = spread(mine), spread(reference)
        scale = max(expected_std, 1e-3)
        count = mine.numel()
        assert std == pytest.approx(expected_std, abs=scale * 5 / math.sqrt(count))
        assert abs(mean - spread(reference)[0]) <= 6 * scale / math.sqrt(count)
        assert largest == pytest.approx(expected_largest, rel=0.3 if count > 1000 else 0.5)


@pytest.mark.parametrize(
    "fill",
    [
        lambda init, w: init.xavier_uniform_(w, gain=2.0),
        lambda init, w: init.xavier_normal_(w),
        lambda init, w: init.kaiming_uniform_(w, a=0.3, mode="fan_out"),
        lambda init, w: init.kaiming_normal_(w, nonlinearity="relu"),
        lambda init, w: init.trunc_normal_(w, mean=0.5, std=2.0, a=-1.0, b=1.5),
        lambda init, w: init.uniform_(w, -3, 1),
        lambda init, w: init.normal_(w, 1.0, 0.1),
    ],
    ids="xavier_uniform_ xavier_normal_ kaiming_uniform_ kaiming_normal_ trunc_normal_ uniform_ normal_".split(),
)
def test_initialisers_fill_from_the_same_distribution(fill):
    mine, reference = fill(nn.init, tl.empty(60, 30, 3, 3)), fill(torch.nn.init, torch.empty(60, 30, 3, 3))
    (mean, std, largest), (expected_mean, expected_std, expected_largest) = spread(mine), spread(reference)
    assert std == pytest.approx(expected_std, rel=0.03)
    assert mean == pytest.approx(expected_mean, abs=0.05 * expected_std)
    assert largest == pytest.approx(expected_largest, rel=0.2)


@pytest.mark.parametrize("name", "linear conv2d sigmoid tanh relu leaky_relu selu".split())
def test_gains(name):
    assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def network(nn):
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, math.inf])
def test_clipping(norm_type):
    mine, reference = network(nn), network(torch.nn)
    for parameter, twin in zip(mine.parameters(), reference.parameters(), strict=True):
        parameter.grad = tl.randn(*parameter.shape, dtype=tl.float64)
        twin.grad = theirs(parameter.grad)
    total = nn.utils.clip_grad_norm_(mine.parameters(), 0.5, norm_type)
    assert close(total, torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.5, norm_type))
    for parameter, twin in zip(mine.parameters(), reference.parameters(), strict=True):
        assert close(parameter.grad, twin.grad)
    nn.utils.clip_grad_value_(mine.parameters(), 0.05)
    torch.nn.utils.clip_grad_value_(reference.parameters(), 0.05)
    for parameter, twin in zip(mine.parameters(), reference.parameters(), strict=True):
        assert close(parameter.grad, twin.grad)


def test_backward_hooks_see_the_same_gradients():
    seen = {}
    for library, net, x in ((tl, nn.Linear(3, 2).double(), image(4, 3)), (torch, torch.nn.Linear(3, 2).double(), None)):
        if library is torch:
            net.load_state_dict(seen["state"])
            x = seen["x"]
        else:
            seen["state"] = {key: theirs(value) for key, value in net.state_dict().items()}
            seen["x"] = theirs(x)
        found = seen[library.__name__] = []
        net.register_full_backward_pre_hook(lambda module, grad, found=found: found.append(grad[0]))
        net.register_full_backward_hook(lambda module, gi, go, found=found: found.extend([gi[0], go[0]]))
        x.requires_grad_()
        (net(x) ** 2).sum().backward()
        found.append(x.grad)
    assert len(seen["tapeloom"]) == len(seen["torch"]) == 4
    assert all(close(mine, reference) for mine, reference in zip(seen["tapeloom"], seen["torch"], strict=True))


def test_functional_names_are_those_of_pytorch():
    from tapeloom.nn import functional

    unknown = [name for name in functional.__all__ if not hasattr(torch.nn.functional, name)]
    assert unknown == []


def test_functional_extras():
    x, y = image(4, 3), image(4, 3)
    F, theirs_F = nn.functional, torch.nn.functional
    for beta in (0.0, 0.5, 1.0):
        assert close(
            F.smooth_l1_loss(x, y, beta=beta, reduction="none"),
            theirs_F.smooth_l1_loss(theirs(x), theirs(y), beta=beta, reduction="none"),
        )
    for p in (1.0, 2.0, 3.0):
        assert close(F.normalize(x, p=p), theirs_F.normalize(theirs(x), p=p))
