"""``why_no_grad``: each cause of a cut tape, by its name and its line; and errors that say where operands were made."""

from __future__ import annotations

from pathlib import Path

import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.autograd import detect_anomaly, why_no_grad


@pytest.fixture
def w(device):
    return tl.ones(2, device=device, requires_grad=True)


def line_of(marker):
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {marker}"))


def no_grad(w):
    with tl.no_grad():
        return w * 2


def inference(w):
    with tl.inference_mode():
        return w * 2


def data(w):
    return (w * 2).data + 1


CUTS = {
    "detach": (lambda w: (w * 2).detach() + 1, "detach takes the values without their history."),
    "data": (data, "detach takes the values without their history."),
    "no_grad": (no_grad, "multiply was called within no_grad (or set_grad_enabled(False)), where nothing is recorded."),
    "inference": (inference, "multiply was called within inference_mode, where nothing is recorded."),
    "integers": (
        lambda w: w.long().float() * 2,
        "cast gives int64, and only floating and complex tensors can have a gradient.",
    ),
    "comparison": (
        lambda w: (w > 0).float(),
        "gt gives bool, and only floating and complex tensors can have a gradient.",
    ),
    "positions": (lambda w: w.argmax() * 1.0, "argmax_along gives int64, and only floating"),
    "copied": (lambda w: tl.tensor(w * 2) + 1, "tensor takes the values without their history."),
}


@pytest.mark.parametrize("cut", CUTS)
def test_what_cut_it_and_where(w, cut):
    make, says = CUTS[cut]
    with detect_anomaly():
        result = make(w).sqrt()
    text = why_no_grad(result)
    assert text.startswith(f"This tensor of shape {result.shape} has no history: {says}"), text
    assert f"It was called at {__file__}, line " in text


def test_the_line_is_that_of_the_cut(w):
    with detect_anomaly():
        hidden = (w * 2).detach()  # the cut
        for _ in range(3):
            hidden = hidden * 2
    assert f"{__file__}, line {line_of('the cut')}, in test_the_line_is_that_of_the_cut" in why_no_grad(hidden)


def test_a_way_through_numpy(w):
    with detect_anomaly():
        values = w.numpy(force=True)  # read out
        result = tl.tensor(values, device=w.device) * 2
    text = why_no_grad(result)
    assert "was made by multiply" in text and "from tensors that do not require a gradient" in text
    text = why_no_grad(tl.tensor(values))
    assert "was made from data, and does not require a gradient" in text
    assert f"Values with a history were read out by numpy, called at {__file__}, line {line_of('read out')}" in text


def test_one_number_read_out(w):
    with detect_anomaly():
        scale = w.sum().item()
        result = tl.ones(2) * scale
    assert "item, called at" in why_no_grad(tl.ones(2)) and "multiply" in why_no_grad(result)


def test_a_tensor_that_was_never_asked_for_one(w):
    text = why_no_grad(tl.ones(3))
    assert text.startswith("This tensor of shape (3,) was made from data, and does not require a gradient.")
    assert "Call requires_grad_() on it." in text
    assert "is int64: only floating and complex tensors can have a gradient" in why_no_grad(tl.ones(3, dtype=tl.int64))
    with pytest.raises(tl.errors.ArgumentTypeError, match="why_no_grad: expected a tensor, got int"):
        why_no_grad(3)


def test_a_tensor_that_has_a_history(w):
    assert "is a leaf that requires a gradient, and its .grad is None: no backward has reached it" in why_no_grad(w)
    y = w * 2
    assert "requires a gradient: <MultiplyBackward> made it. Its .grad is kept only after retain_grad()" in why_no_grad(
        y
    )
    y.sum().backward()
    assert why_no_grad(w).endswith("and has one in .grad.")


def test_errors_say_where_their_operands_were_made(w):
    class Wide(nn.Module):
        def forward(self, x):
            hidden = tl.cat([x, x])  # the wide one
            return hidden + x * 3  # the narrow one

    with detect_anomaly(), pytest.raises(tl.errors.ShapeError) as caught:
        Wide()(w * 2)
    wide, narrow = (note for note in caught.value.__notes__ if note.startswith("operand"))
    assert wide.startswith(
        f"operand 0, float32[4], was made by cat at {__file__}, line {line_of('the wide one')}, in forward"
    )
    assert wide.endswith(", in module Wide")
    assert narrow.startswith(
        f"operand 1, float32[2], was made by multiply at {__file__}, line {line_of('the narrow one')}"
    )


def test_notes_go_with_their_tensors(w):
    from tapeloom.autograd import origins

    with detect_anomaly():
        kept = [w * 2 for _ in range(5)]
        known = len(origins._NOTES)
        kept.clear()
    assert len(origins._NOTES) <= known - 5
