"""Recurrent networks: both call forms by keyword, dropout between layers, one node for each call."""

from __future__ import annotations

import pytest

import tapeloom as tl
from tapeloom.errors import ArgumentError


def weights(layers=1):
    return [tl.rand(size) - 0.5 for _ in range(layers) for size in ((12, 3), (12, 3), (12,), (12,))]


STATES = [tl.zeros(1, 2, 3), tl.zeros(1, 2, 3)]
SETTINGS = {"has_biases": True, "num_layers": 1, "dropout": 0.0, "train": False, "bidirectional": False}


def test_both_forms_by_keyword_agree():
    x, params = tl.rand(4, 2, 3), weights()
    whole = tl.lstm(input=x, hx=STATES, params=params, batch_first=False, **SETTINGS)
    packed = tl.lstm(data=x.reshape(8, 3), batch_sizes=tl.tensor([2] * 4), hx=STATES, params=params, **SETTINGS)
    assert tl.allclose(whole[0].reshape(8, 3), packed[0])
    assert all(tl.allclose(a, b) for a, b in zip(whole[1:], packed[1:], strict=True))


def test_one_call_is_one_node():
    params = [weight.requires_grad_() for weight in weights()]
    out, h, c = tl.lstm(tl.rand(4, 2, 3), STATES, params, *SETTINGS.values(), False)
    nodes = {id(result.grad_fn.next_functions[0][0]) for result in (out, h, c)}
    assert len(nodes) == 1
    leaves = [function for function, _ in out.grad_fn.next_functions[0][0].next_functions if function is not None]
    assert len(leaves) == 4 and all(leaf.next_functions == () for leaf in leaves)


def test_dropout_acts_between_layers_in_training_alone():
    x, params = tl.rand(4, 2, 3), weights(2)
    states = [tl.zeros(2, 2, 3), tl.zeros(2, 2, 3)]

    def run(dropout, train):
        return tl.lstm(x, states, params, True, 2, dropout, train, False, False)[0]

    assert tl.allclose(run(0.5, False), run(0.0, True))
    without = [*params[:4], tl.zeros(12, 3), *params[5:]]  # the second layer sees nothing of the first
    assert tl.allclose(run(1.0, True), tl.lstm(x, states, without, True, 2, 0.0, True, False, False)[0])
    with pytest.raises(ArgumentError, match="lstm: the probability must be from 0 to 1"):
        run(1.5, True)


def test_attention_drops_weights():
    q = tl.rand(2, 3, 4)
    assert tl.scaled_dot_product_attention(q, q, q, dropout_p=1.0).tolist() == tl.zeros(2, 3, 4).tolist()
    tl.manual_seed(0)
    value = tl.ones(1, 2000, 1)
    dropped = tl.scaled_dot_product_attention(tl.zeros(1, 1, 4), tl.zeros(1, 2000, 4), value, dropout_p=0.5)
    assert 0.9 < dropped.item() < 1.1 and dropped.item() != 1.0
