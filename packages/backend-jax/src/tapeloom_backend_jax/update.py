"""An optimizer's formula as one program over all parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tapeloom_backend_jax.program import OPERAND, SETTING, VALUE, compiled

if TYPE_CHECKING:
    from tapeloom.backend.runtime import Backend

Array = Any
Columns = Sequence[Sequence[Array | None]]


class Update:
    """Runs one formula: bools and text are settings, numbers and 0-d arrays are handed over at each call.

    Half types are computed in float32. What comes back has the dtype of what it replaces; a new state that of its
    parameter.
    """

    def __init__(self, name: str, formula: Callable[..., Any], backend: Backend) -> None:
        self.name = name
        self.formula = formula
        self.backend = backend
        self.programs: dict[Any, Callable[..., Any]] = {}

    def __call__(self, arrays: Columns, settings: dict[str, Any]) -> list[list[Any]]:
        key = tuple([(name, isinstance(value, (bool, str))) for name, value in settings.items()])
        program = self.programs.get(key)
        if program is None:
            chosen = [SETTING if fixed else VALUE for _, fixed in key]
            program = self.programs[key] = compiled(self.name, self._text(list(settings)), [OPERAND, *chosen])
        return program(arrays, *settings.values())  # type: ignore[no-any-return]

    def _text(self, names: list[str]) -> Callable[..., list[list[Any]]]:
        backend = self.backend

        def text(arrays: Columns, *values: Any) -> list[list[Any]]:
            settings = dict(zip(names, values, strict=True))
            results = []
            for param, gradient, *states in zip(*arrays, strict=True):
                wide = backend.widened([param, gradient, *states])
                new = self.formula(backend.kernels, *wide, **settings)
                results.append([self._rounded(*each, param) for each in zip(new, [param, *states], strict=True)])
            return [list(column) for column in zip(*results, strict=True)]

        return text

    def _rounded(self, new: Array | None, old: Array | None, param: Array) -> Array | None:
        """``new`` in the dtype of ``old``, which it replaces."""
        backend = self.backend
        if new is None or old is None:
            return backend.narrowed(new, backend.dtype_of(param))
        return backend.kernels.cast(new, backend.dtype_of(old))
