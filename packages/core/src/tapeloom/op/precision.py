"""The words of autocast: in which dtype an op computes in a block of mixed precision. See ``amp.autocast_mode``."""

from __future__ import annotations

from collections.abc import Mapping

#: word -> what becomes of the tensors of float32, float16 and bfloat16 among the inputs; other dtypes stay as they are
WORDS = {
    "lower": "are cast to the dtype of the block",
    "float32": "are cast to float32",
    "promote": "are cast to the widest among them",
    "as given": "stay as they are; the word for a function over ops that have other words",
}
#: PyTorch has one list of words for CUDA, and another one, which all other devices follow here
LISTS = ("cpu", "cuda")


def words_of(name: str, setting: str | Mapping[str, str] | None) -> dict[str, str]:
    """The words of the op or function ``name`` by list; ``setting`` is a word for both, or a mapping with those there are."""
    words = dict.fromkeys(LISTS, setting) if isinstance(setting, str) else dict(setting or {})
    for place, word in words.items():
        if place not in LISTS or word not in WORDS:
            valid = ", ".join(repr(word) for word in WORDS)
            raise TypeError(
                f"op {name!r}: autocast={setting!r}: each word must be one of {valid}, for 'cpu' or 'cuda'."
            )
    return words
