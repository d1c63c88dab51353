"""What a model consists of: its modules, the shapes that pass through them, and their parameters."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import Tensor

from .module import Module

__all__ = ["summary"]


def summary(model: Module, *inputs: Any, **kwargs: Any) -> str:
    """A table of the modules of a model, with the shape of each one's output and the number of its parameters.

    The model is called once with the inputs, in evaluation and without gradients; afterwards it is as it was.

    Args:
        model: the model.
        inputs, kwargs: what it is called with; without them the table has no shapes.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> print(nn.summary(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), tl.ones(2, 4)))
        module      output  parameters
        Sequential  (2, 8)          40
          0 Linear  (2, 8)          40
          1 ReLU    (2, 8)           0
        40 parameters, of which 40 are trained
    """
    shapes: dict[int, str] = {}
    if inputs or kwargs:
        _run(model, inputs, kwargs, shapes)
    rows = [("module", "output", "parameters")]
    for path, module in model.named_modules():
        depth = path.count(".") + 1 if path else 0
        name = "  " * depth + f"{path.rpartition('.')[2]} {type(module).__name__}".strip()
        rows.append((name, shapes.get(id(module), ""), f"{_count(module):,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{name:{widths[0]}}  {shape:{widths[1]}}  {count:>{widths[2]}}" for name, shape, count in rows]
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return "\n".join([*lines, f"{_count(model):,} parameters, of which {trained:,} are trained"])


def _run(model: Module, inputs: tuple[Any, ...], kwargs: dict[str, Any], shapes: dict[int, str]) -> None:
    """Calls the model, and notes the shape of what each module gives."""

    def note(module: Module, args: Any, output: Any) -> None:
        shapes[id(module)] = _shape(output)

    training = [(module, module.training) for module in model.modules()]
    handles = [module.register_forward_hook(note) for module, _ in training]
    try:
        model.eval()
        with tl.no_grad():
            model(*inputs, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
        for module, was in training:
            module.training = was


def _shape(output: Any) -> str:
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return ", ".join(_shape(each) for each in output)
    return type(output).__name__


def _count(module: Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
