"""That the hunt for differences from PyTorch finds those that are planted, and none where there are none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
pytest.importorskip("tqdm", reason="the hunt shows its progress; install the group `torch`")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hunt"))
from arguments import Draw  # noqa: E402
from comparing import compare  # noqa: E402
from data import Library  # noqa: E402
from programs import one_program  # noqa: E402
from subjects import subjects  # noqa: E402

LIBRARIES = Library("tapeloom", tl), Library("torch", torch)
SUBJECTS = {subject.name: subject for subject in subjects()[0]}
PLANTED = {
    "values": lambda x: tl.exp(x) * (1 + 1e-3 * tl.ones((), dtype=x.dtype)),
    "dtype": lambda x: tl.exp(x).double(),
    "shape": lambda x: tl.exp(x)[None],
    "gradient of leaf 0": lambda x: tl.exp(x.detach()) + (x - x.detach()),
    "requires_grad": lambda x: tl.exp(x).detach(),
    "refused here alone": lambda x: tl.exp(x, 1),
}


def finds(name, calls=200):
    subject = SUBJECTS[name]
    found = [compare(Draw(f"0/{name}/{n}").call(subject, n), *LIBRARIES) for n in range(calls)]
    return {find.kind for _, find in found if find is not None}, [fate for fate, _ in found]


@pytest.mark.parametrize("name", ["exp", "Tensor.sin", "Tensor.transpose", "stack"])
def test_nothing_is_found_where_nothing_differs(name):
    kinds, fates = finds(name)
    assert fates.count("compared") > len(fates) / 3
    assert not kinds - {"refused by PyTorch alone"}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_difference_is_found(kind, monkeypatch):
    monkeypatch.setattr(SUBJECTS["exp"], "ours", PLANTED[kind])
    assert kind in finds("exp")[0]


def test_a_planted_view_is_found(monkeypatch):
    monkeypatch.setattr(SUBJECTS["Tensor.clone"], "ours", lambda x: x[...])
    assert "which arguments a write to the result changes" in finds("Tensor.clone")[0]


def test_programs_find_a_planted_difference(monkeypatch):
    assert one_program(0, LIBRARIES, 0)[2] is None
    monkeypatch.setattr(tl.Tensor, "transpose", lambda x, *dims: x.permute(tuple(range(x.ndim))[::-1]).clone())
    assert any(one_program(0, LIBRARIES, number)[2] for number in range(20))
