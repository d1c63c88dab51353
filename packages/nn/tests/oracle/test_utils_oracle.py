"""nn.utils beside PyTorch: reparametrised weights, packed sequences, initialisers."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.nn.utils import parametrizations, rnn

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")


def theirs(value):
    return torch.tensor(value.detach().numpy())


def close(mine, twin, tolerance=1e-8):
    np.testing.assert_allclose(mine.detach().numpy(), twin.detach().numpy(), rtol=tolerance, atol=tolerance)


#: how each is made of `nn` and its parametrizations, and the shape of an input
MADE = {
    "weight norm": (lambda nn, p: p.weight_norm(nn.Linear(4, 3)), (2, 4)),
    "weight norm of the whole": (lambda nn, p: p.weight_norm(nn.Linear(4, 3), dim=None), (2, 4)),
    "spectral norm": (lambda nn, p: p.spectral_norm(nn.Linear(4, 3)), (2, 4)),
    "spectral norm of a transpose": (lambda nn, p: p.spectral_norm(nn.ConvTranspose2d(4, 3, 2)), (2, 4, 5, 5)),
    "spectral norm of a vector": (lambda nn, p: p.spectral_norm(nn.Linear(4, 3), name="bias"), (2, 4)),
    "orthogonal": (lambda nn, p: p.orthogonal(nn.Linear(4, 4)), (2, 4)),
    "orthogonal, tall": (lambda nn, p: p.orthogonal(nn.Linear(3, 5)), (2, 3)),
    "orthogonal, cayley": (lambda nn, p: p.orthogonal(nn.Linear(5, 3), orthogonal_map="cayley"), (2, 5)),
    "orthogonal, plain": (
        lambda nn, p: p.orthogonal(nn.Linear(5, 3), orthogonal_map="householder", use_trivialization=False),
        (2, 5),
    ),
    "older weight norm": (lambda nn, p: nn.utils.weight_norm(nn.Conv2d(4, 3, 2), dim=1), (2, 4, 5, 5)),
    "older spectral norm": (lambda nn, p: nn.utils.spectral_norm(nn.Linear(4, 3)), (2, 4)),
}


@pytest.mark.parametrize("name", MADE)
def test_reparametrised_weights(name):
    make, size = MADE[name]
    mine, twin = make(nn, parametrizations).double(), make(torch.nn, torch.nn.utils.parametrizations).double()
    described = [(key, tuple(value.shape)) for key, value in mine.state_dict().items()]
    assert described == [(key, tuple(value.shape)) for key, value in twin.state_dict().items()]
    assert repr(mine) == repr(twin)
    twin.load_state_dict({key: theirs(value) for key, value in mine.state_dict().items()})
    x = tl.randn(*size, dtype=tl.float64)
    for training in (True, False):
        mine.train(training)
        twin.train(training)
        output, expected = mine(x), twin(theirs(x))
        close(output, expected)
        (output * output).sum().backward()
        (expected * expected).sum().backward()
    for parameter, other in zip(mine.parameters(), twin.parameters(), strict=True):
        close(parameter.grad, other.grad)
    for key, value in mine.state_dict().items():
        close(value, twin.state_dict()[key])

    if name.startswith("older"):
        remove = nn.utils.remove_weight_norm if "weight" in name else nn.utils.remove_spectral_norm
        plain = remove(mine)
    else:
        close(copy.deepcopy(mine)(x), expected)
        plain = nn.utils.parametrize.remove_parametrizations(mine, "bias" if "vector" in name else "weight")
    assert sorted(plain.state_dict()) == ["bias", "weight"]
    close(plain(x), expected)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_packed_sequences(kind):
    sequences = [tl.randn(length, 2) for length in (2, 5, 3)]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    other = torch.nn.utils.rnn.pack_sequence([theirs(each) for each in sequences], enforce_sorted=False)
    assert all(mine.tolist() == twin.tolist() for mine, twin in zip(packed, other, strict=True))
    padded, lengths = rnn.pad_packed_sequence(packed, True, -1.0, 7)
    known, known_lengths = torch.nn.utils.rnn.pad_packed_sequence(other, True, -1.0, 7)
    assert (padded.tolist(), lengths.tolist()) == (known.tolist(), known_lengths.tolist())
    assert [each.tolist() for each in rnn.unpack_sequence(packed)] == [each.tolist() for each in sequences]

    mine = getattr(nn, kind)(2, 3, 2, bidirectional=True)
    twin = getattr(torch.nn, kind)(2, 3, 2, bidirectional=True)
    twin.load_state_dict({key: theirs(value) for key, value in mine.state_dict().items()})
    (output, states), (expected, known_states) = mine(packed), twin(other)
    close(output.data, expected.data, 1e-5)
    for state, known in zip(
        *((each if isinstance(each, tuple) else (each,)) for each in (states, known_states)), strict=True
    ):
        close(state, known, 1e-5)
    close(mine(packed, states)[0].data, twin(other, known_states)[0].data, 1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_pad_sequence(side):
    sequences = [tl.randn(length, 2) for length in (2, 5, 3)]
    known = torch.nn.utils.rnn.pad_sequence([theirs(each) for each in sequences], False, 9.0, side)
    close(rnn.pad_sequence(sequences, False, 9.0, side), known)


@pytest.mark.parametrize("size, groups", [((4, 3, 5), 2), ((3, 4, 2, 2), 3), ((6, 2, 3, 1, 2), 1)])
def test_dirac(size, groups):
    close(nn.init.dirac_(tl.empty(*size), groups), torch.nn.init.dirac_(torch.empty(*size), groups))


def test_clipping_by_a_known_norm():
    gradient = tl.tensor([3.0, 4.0])
    mine, twin = nn.Parameter(tl.zeros(2)), torch.nn.Parameter(torch.zeros(2))
    mine.grad, twin.grad = gradient, theirs(gradient)
    nn.utils.clip_grads_with_norm_([mine], 1.0, tl.tensor(5.0))
    torch.nn.utils.clip_grads_with_norm_([twin], 1.0, torch.tensor(5.0))
    close(mine.grad, twin.grad)


def test_names():
    for module, twin in (
        (nn.utils, torch.nn.utils),
        (nn.init, torch.nn.init),
        (rnn, torch.nn.utils.rnn),
        (parametrizations, torch.nn.utils.parametrizations),
        (nn.utils.parametrize, torch.nn.utils.parametrize),
    ):
        assert [name for name in module.__all__ if not hasattr(twin, name)] == []
