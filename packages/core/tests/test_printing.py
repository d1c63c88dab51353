"""How tensors print: values truncated, and what cannot be seen in them said."""

from __future__ import annotations

import pytest

import tapeloom as tl
from tapeloom import printing
from tapeloom.errors import ArgumentError, ArgumentTypeError


@pytest.fixture(autouse=True)
def _options():
    before = dict(printing._options)
    yield
    printing._options.update(before)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tl.tensor(3.0), "tensor(3.)"),
        (lambda: tl.tensor([1, 2]), "tensor([1, 2])"),
        (lambda: tl.tensor([[1.0, 2.5], [3.0, 4.0]]), "tensor([[1.0000, 2.5000],\n        [3.0000, 4.0000]])"),
        (lambda: tl.tensor([0.1, 0.22, 1 / 3]), "tensor([0.1000, 0.2200, 0.3333])"),
        (lambda: tl.tensor([True, False]), "tensor([ True, False])"),
        (lambda: tl.tensor([1.0], dtype=tl.float64), "tensor([1.], dtype=tapeloom.float64)"),
        (lambda: tl.ones(2, dtype=tl.bfloat16), "tensor([1., 1.], dtype=tapeloom.bfloat16)"),
        (lambda: tl.tensor([1], dtype=tl.uint8), "tensor([1], dtype=tapeloom.uint8)"),
        (lambda: tl.tensor([]), "tensor([])"),
        (lambda: tl.zeros(0, 3), "tensor([], size=(0, 3))"),
        (lambda: tl.zeros(2, 0, dtype=tl.int64), "tensor([], size=(2, 0), dtype=tapeloom.int64)"),
        (lambda: tl.tensor([float("nan"), float("-inf")]), "tensor([nan, -inf])"),
        (lambda: tl.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: tl.ones(1, requires_grad=True) * 2, "tensor([2.], grad_fn=<MultiplyBackward>)"),
    ],
)
def test_text(make, text):
    assert repr(make()) == text and str(make()) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (1j, "tensor(0.+1.j)"),
        ([1 + 2j], "tensor([1.+2.j])"),
        ([0j, complex(0.0, -0.0)], "tensor([0.+0.j, 0.-0.j])"),
        ([1 + 2j, 3.5 - 4.25j], "tensor([1.0000+2.0000j, 3.5000-4.2500j])"),
        ([[1 + 1j, 2], [3j, -4 - 4j]], "tensor([[ 1.+1.j,  2.+0.j],\n        [ 0.+3.j, -4.-4.j]])"),
        ([1 / 3 + 1j / 3, 100 - 2j], "tensor([  0.3333+0.3333j, 100.0000-2.0000j])"),
        ([10 + 1j, 1 + 10j], "tensor([10.+1.j,  1.+10.j])"),
        ([1e-3j, 1], "tensor([0.+0.0010j, 1.+0.0000j])"),
        ([1e10 + 1j, 1], "tensor([1.0000e+10+1.j, 1.0000e+00+0.j])"),
        ([complex("nan+1j"), complex("1+nanj")], "tensor([nan+1.j, 1.+nanj])"),
        ([complex("inf-infj"), 1], "tensor([inf-infj, 1.+0.j])"),
    ],
)
def test_complex_numbers_are_pytorchs_text(values, text):
    assert repr(tl.tensor(values)) == text


def test_what_is_said_of_complex_tensors():
    assert repr(tl.tensor([1j], dtype=tl.complex128)) == "tensor([0.+1.j], dtype=tapeloom.complex128)"
    assert repr(tl.zeros(0, 3, dtype=tl.cfloat)) == "tensor([], size=(0, 3), dtype=tapeloom.complex64)"
    assert repr(tl.tensor([1j], requires_grad=True)) == "tensor([0.+1.j], requires_grad=True)"
    tl.set_default_dtype(tl.float64)
    try:
        assert repr(tl.tensor([1j])) == "tensor([0.+1.j])"
        assert repr(tl.tensor([1j], dtype=tl.cfloat)) == "tensor([0.+1.j], dtype=tapeloom.complex64)"
    finally:
        tl.set_default_dtype(tl.float32)


def test_options_hold_for_complex_numbers():
    tl.set_printoptions(precision=2, threshold=5, edgeitems=1)
    assert repr(tl.tensor([1 / 3, 2j / 3])) == "tensor([0.33+0.00j, 0.00+0.67j])"
    # what does not show has no say in the form
    assert repr(tl.tensor([1, 1e9j, 0.5, 0.5, 0.5, 2])) == "tensor([1.+0.j,  ..., 2.+0.j])"


def test_large_tensors_are_truncated():
    assert repr(tl.arange(2000)) == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"
    assert len(repr(tl.zeros(300, 400)).splitlines()) == 7


def test_options():
    tl.set_printoptions(precision=2, threshold=5, edgeitems=1)
    assert repr(tl.tensor([1 / 3, 2 / 3])) == "tensor([0.33, 0.67])"
    assert repr(tl.arange(10)) == "tensor([0,  ..., 9])"


def test_more_options():
    tl.set_printoptions(profile="full", sci_mode=True)
    assert "..." not in repr(tl.zeros(2000))
    assert repr(tl.tensor([1.5])) == "tensor([1.5000e+00])"
    tl.set_printoptions(profile="short", linewidth=30)
    assert repr(tl.tensor([1.5])) == "tensor([1.50])"
    assert repr(tl.zeros(20).requires_grad_()) == (
        "tensor([0., 0., 0., 0., 0., 0., 0.,\n        0., 0., 0., 0., 0., 0., 0.,\n        0., 0., 0., 0., 0., 0.],\n"
        "       requires_grad=True)"
    )
    tl.set_printoptions(threshold=0, edgeitems=0)
    assert repr(tl.ones(2, 3)) == "tensor([...], size=(2, 3))"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"precision": "a"}, ArgumentTypeError, "precision must be an int, got 'a'."),
        ({"precision": 2.5}, ArgumentTypeError, "precision must be an int, got 2.5."),
        ({"precision": True}, ArgumentTypeError, "precision must be an int, got True."),
        ({"precision": -1}, ArgumentError, "precision must be from 0 to 1000, got -1."),
        ({"precision": 10**10}, ArgumentError, "precision must be from 0 to 1000, got 10000000000."),
        ({"threshold": float("nan")}, ArgumentTypeError, "threshold must be an int, got nan."),
        ({"threshold": -1}, ArgumentError, "threshold must be 0 or more, got -1."),
        ({"edgeitems": -1}, ArgumentError, "edgeitems must be 0 or more, got -1."),
        ({"edgeitems": [3]}, ArgumentTypeError, "edgeitems must be an int, got [3]."),
        ({"linewidth": 0}, ArgumentError, "linewidth must be 1 or more, got 0."),
        ({"profile": "long"}, ArgumentError, "profile must be one of default, short, full, got 'long'."),
        ({"profile": []}, ArgumentError, "profile must be one of default, short, full, got []."),
        ({"sci_mode": "yes"}, ArgumentTypeError, "sci_mode must be True, False or None, got 'yes'."),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_at_once_and_none_is_set(options, kind, message):
    before = dict(printing._options)
    with pytest.raises(kind) as caught:
        tl.set_printoptions(**{"precision": 7, "threshold": 8, "edgeitems": 9} | options)
    assert str(caught.value) == f"set_printoptions: {message}"
    assert printing._options == before


def test_formatting_a_number():
    assert f"{tl.tensor(3.14159):.2f}" == "3.14" and f"{tl.tensor([1])}" == "tensor([1])"


def test_names_of_dtypes_and_devices():
    assert repr(tl.float32) == "tapeloom.float32"
    assert str(tl.device("cuda:1")) == "cuda:1" and repr(tl.device("cuda:1")) == "device(type='cuda', index=1)"
    assert repr(tl.device("cpu")) == "device(type='cpu')"


@pytest.mark.parametrize(
    ("make", "spec", "text"),
    [
        (lambda: tl.tensor(1.5), "", "1.5"),
        (lambda: tl.tensor(1.5, requires_grad=True) * 2, "", "3.0"),
        (lambda: tl.tensor(2.0) / 3, ".3f", "0.667"),
        (lambda: tl.tensor(3), "5d", "    3"),
        (lambda: tl.tensor(True), "", "True"),
        (lambda: tl.tensor(1 + 2j), "", "(1+2j)"),
        (lambda: tl.tensor(1.1, dtype=tl.bfloat16), "", "1.1015625"),
        (lambda: tl.ones(1), "", "tensor([1.])"),
        (lambda: tl.ones(2), "", "tensor([1., 1.])"),
    ],
)
def test_a_0d_tensor_in_an_f_string_is_its_number(make, spec, text):
    assert format(make(), spec) == text


def test_a_format_of_several_elements():
    for x in (tl.ones(1), tl.ones(2, 3)):
        with pytest.raises(tl.errors.ArgumentTypeError) as caught:
            f"{x:.2f}"
        assert str(caught.value) == (
            f"format: '.2f' is for one number, and this tensor has shape {x.shape}. Format the .item() of one element, "
            f"or set how tensors print with tapeloom.set_printoptions."
        )
    with pytest.raises(ValueError, match="Unknown format code 'd'"):
        f"{tl.tensor(1.5):d}"
