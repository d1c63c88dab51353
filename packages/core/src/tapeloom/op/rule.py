"""Gradient rules: functions whose argument names say what is kept for them.

A rule may name inputs, statics, ``out``, residuals, ``<input>_shape`` and ``<input>_dtype`` (which keep no array),
``need`` (which inputs need a gradient) and ``ops``, the namespace that it computes with: a backend's kernels on raw
arrays, or the Tensor ops under ``create_graph``. Only what the rules that run name is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeloom.op.schema import OpSchema


class Rule:
    """One gradient rule: its function, which input slot it serves (None: all, a joint rule), and what it names."""

    __slots__ = ("function", "names", "positions", "slot", "wants_need", "wants_ops")

    def __init__(self, op: OpSchema, slot: int | None, function: Callable[..., Any]) -> None:
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        inputs = op.inputs
        shaped = [f"{name}_{what}" for name in inputs for what in ("shape", "dtype")]
        known = {*(p.name for p in op.parameters), "out", "ops", "need", *op.residuals, *shaped}
        owner = "the joint rule" if slot is None else f"the rule for {inputs[slot]!r}"
        if not names or names[0] != "g":
            raise TypeError(f"op {op.name!r}: {owner} must take the gradient first, named g; it takes {names}.")
        for name in names[1:]:
            if name not in known:
                raise TypeError(f"op {op.name!r}: {owner} names {name!r}. Known here: {', '.join(sorted(known))}.")
            if name in op.residuals and not op.composite:
                raise TypeError(
                    f"op {op.name!r}: {owner} names the residual {name!r}, whose own derivative is not known: second "
                    f"derivatives would be wrong in silence. Make the op composite, or keep an input or the result instead."
                )
        self.slot = slot
        self.function = function
        self.wants_ops = "ops" in names
        self.wants_need = "need" in names
        self.names = tuple(name for name in names[1:] if name not in ("ops", "need"))
        expected = ("g", *(["need"] if self.wants_need else []), *self.names, *(["ops"] if self.wants_ops else []))
        if names != expected:
            raise TypeError(f"op {op.name!r}: {owner} must take its arguments in the order {', '.join(expected)}.")
        #: where its arguments are among what a node keeps
        self.positions: tuple[int, ...] = ()
