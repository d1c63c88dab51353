"""Modules as functions of their parameters. A module is whatever has the methods of ``tapeloom.nn.Module`` used here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.modes import no_grad
from tapeloom.op.registry import OPS
from tapeloom.tensors.tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with other tensors in the place of its parameters and buffers, by their names.

    ``parameter_and_buffer_dicts`` is a dict, or several with different names. The module itself is left as it is. With
    ``tie_weights`` a tensor given for one name of a shared parameter stands for all its names. ``strict`` asks for exactly the names of
    the module. Raises ArgumentError for a name that the module does not have.
    """
    given = _merged(parameter_and_buffer_dicts)
    named = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    unknown = [name for name in given if name not in named]
    if unknown:
        raise ArgumentError(
            f"functional_call: {type(module).__name__} has no parameter or buffer {', '.join(map(repr, unknown))}. It has "
            f"{', '.join(named) or 'none'}."
        )
    if tie_weights:
        given = _tied(given, named)
    missing = [name for name in named if name not in given]
    if strict and missing:
        raise ArgumentError(
            f"functional_call: with strict=True all names must be given; {', '.join(missing)} are missing."
        )
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    owners = dict(module.named_modules())
    places = [(owners[name.rpartition(".")[0]].__dict__, name.rpartition(".")[2]) for name in given]
    before = [owner[attribute] for owner, attribute in places]
    try:
        for (owner, attribute), value in zip(places, given.values(), strict=True):
            owner[attribute] = value
        return module(*arguments, **(kwargs or {}))
    finally:
        for (owner, attribute), value in zip(places, before, strict=True):
            owner[attribute] = value


def _merged(dicts: Any) -> dict[str, Tensor]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all(isinstance(part, Mapping) for part in dicts):
        raise ArgumentTypeError(
            f"functional_call: expected a dict of tensors by name, or a list of such dicts, got {type(dicts).__name__}."
        )
    merged: dict[str, Tensor] = {}
    for part in dicts:
        twice = merged.keys() & part.keys()
        if twice:
            raise ArgumentError(
                f"functional_call: {', '.join(sorted(twice))} is in two of the dicts. Give each name once."
            )
        merged |= part
    return merged


def _tied(given: dict[str, Tensor], named: dict[str, Tensor]) -> dict[str, Tensor]:
    """``given`` with the tensor of one name for all names of the same parameter."""
    chosen: dict[int, tuple[str, Tensor]] = {}
    for name, value in given.items():
        first, known = chosen.setdefault(id(named[name]), (name, value))
        if known is not value:
            raise ArgumentError(
                f"functional_call: {first!r} and {name!r} are one parameter, and different tensors were given for them. Give one, or "
                f"tie_weights=False."
            )
    return {name: chosen[id(own)][1] for name, own in named.items() if id(own) in chosen}


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """``(parameters, buffers)`` of several models of one class, each stacked along a new dimension 0: for an ensemble by vmap.

    The stacked parameters are new leaves that require a gradient if those of the models do.
    """
    listed = list(models)
    if not listed:
        raise ArgumentError("stack_module_state: expected at least one model, got none.")
    if any(type(model) is not type(listed[0]) for model in listed):
        raise ArgumentError("stack_module_state: the models are of different classes. They must all be of one.")
    if len({model.training for model in listed}) > 1:
        raise ArgumentError(
            "stack_module_state: some models are in training mode and some in eval mode. They must agree."
        )
    return (
        _stacked([dict(model.named_parameters()) for model in listed]),
        _stacked([dict(model.named_buffers()) for model in listed]),
    )


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Take the running statistics away from all batch normalisations in ``root``, in place; returns ``root``.

    Each then uses the statistics of its batch, so that nothing is written to which the samples of vmap share.
    """
    for module in root.modules():
        if any(parent.__name__ == "_BatchNorm" for parent in type(module).__mro__):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def _stacked(states: list[dict[str, Tensor]]) -> dict[str, Any]:
    made = {}
    for name, first in states[0].items():
        column = [state[name] for state in states]
        if len({tensor.requires_grad for tensor in column}) > 1:
            raise ArgumentError(f"stack_module_state: {name} requires a gradient in some models only. They must agree.")
        with no_grad():
            stacked = OPS.stack(column, 0)
        made[name] = stacked.requires_grad_() if first.requires_grad else stacked
    return made
