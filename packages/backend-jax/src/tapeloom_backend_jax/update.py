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
    """Runs one formula: numbers and 0-d arrays are handed over at each call, bools, text and zeros are settings.

    A formula may leave out what a zero makes idle, so a program is made for it; other numbers compile nothing anew.
    """

    def __init__(self, name: str, formula: Callable[..., Any], backend: Backend) -> None:
        self.name = name
        self.formula = formula
        self.backend = backend
        self.programs: dict[Any, Callable[..., Any]] = {}

    def __call__(self, arrays: Columns, settings: dict[str, Any]) -> Sequence[Sequence[Any]]:
        key = tuple([(name, _is_fixed(value)) for name, value in settings.items()])
        program = self.programs.get(key)
        if program is None:
            chosen = [SETTING if fixed else VALUE for _, fixed in key]
            program = self.programs[key] = compiled(self.name, self._text(list(settings)), [OPERAND, *chosen])
        return program(arrays, *settings.values())  # type: ignore[no-any-return]

    def _text(self, names: list[str]) -> Callable[..., Sequence[Sequence[Any]]]:
        def text(arrays: Columns, *values: Any) -> Sequence[Sequence[Any]]:
            return self.backend.run_formula(self.formula, arrays, dict(zip(names, values, strict=True)))

        return text


def _is_fixed(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_is_fixed(item) for item in value) and all(isinstance(item, (int, float)) for item in value)
    return isinstance(value, (bool, str)) or (isinstance(value, (int, float)) and value == 0)
