"""The random family, compiled: the shared texts, whose bits are the same on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

from tapeloom.backend.arrayapi.random import Random
from tapeloom_backend_jax.program import compiled

Array = Any


class CompiledRandom(Random):
    """Overrides of the random kernels; stands before ArrayAPIBackend among the bases of the backend."""

    def iterate(self, times: int, step: Callable[..., tuple[Any, ...]], state: tuple[Any, ...]) -> tuple[Any, ...]:
        return lax.fori_loop(0, times, lambda _, held: tuple(step(*held)), tuple(state))  # type: ignore[no-any-return]

    def random_words(self: Any, seed: Any, offset: Any, n: int) -> Array:
        # Placed on a device: what is made from numbers alone would belong to none, and every kernel behind it would be
        # compiled a second time for such arrays.
        seed, offset = (self.put_scalar(np.uint64(part)) if isinstance(part, int) else part for part in (seed, offset))
        return self._random_words(seed, offset, n)

    def integers_from_words(self: Any, words: Array, low: Any, span: Any, wide: bool) -> Array:
        span = np.uint64(span) if isinstance(span, int) else span  # may exceed int64, which Python ints become
        return self._integers_from_words(words, low, span, wide)

    def compile_random(self: Any) -> None:
        """Make programs of the kernels that core calls by name. Parameters annotated ``Any`` are their operands."""
        for name, text in vars(Random).items():
            if name.startswith("_") or name == "iterate" or not callable(text):
                continue
            hints = {key: hint for key, hint in text.__annotations__.items() if key != "return"}
            settings = [place for place, hint in enumerate(hints.values()) if hint != "Any"]
            program = compiled(name, text.__get__(self), len(hints), settings)
            setattr(self, f"_{name}" if name in vars(CompiledRandom) else name, program)
