"""The base of the optimizers: parameter groups, state, and the loop around one op a group."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError

__all__ = ["Optimizer", "ParamsLike"]

ParamsLike: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]
"""Parameters, (name, parameter) pairs, or groups of them: dicts with "params" and settings of their own."""

Group: TypeAlias = dict[str, Any]


class Optimizer:
    """Base class of the optimizers.

    A subclass gives `defaults` to `__init__`, checks a group's settings in `_check`, and hands parameters, gradients
    and state to an op of the core in `_update`.

    Args:
        params: what to optimize.
        defaults: the settings of a group that does not give them itself.

    Attributes:
        param_groups: dicts of "params" and settings; settings may be changed between steps.
        state: what is remembered for each parameter, Tensors and numbers by name.

    Raises:
        ArgumentError: no parameters, one parameter twice, or a setting out of its range.
        ArgumentTypeError: something that is no parameter.
    """

    param_groups: list[Group]
    state: dict[Tensor, dict[str, Any]]

    def __init__(self, params: ParamsLike, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state = {}
        self.param_groups = []
        self._step_count = 0  # what the schedulers go by
        self._check(defaults)
        if isinstance(params, (Tensor, str, Mapping)):
            self._refuse(f"params must be an iterable of Tensors or of groups, got {type(params).__name__}", "type")
        given: list[Any] = list(params)
        if not given:
            self._refuse("there are no parameters. Has the model any, or was the generator used up?")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    # -- what a subclass gives

    def _check(self, group: Group) -> None:
        """Raises ArgumentError for settings out of their range."""

    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        """Updates the parameters of a group that have gradients, in place, by ops that record nothing."""
        raise NotImplementedError

    # -- groups

    def add_param_group(self, param_group: Group) -> None:
        """Adds parameters with settings of their own, for instance when a frozen layer is set free.

        Args:
            param_group: "params", and any setting that differs from the defaults.
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            self._refuse('a group must be a dict with "params"', "type")
        unknown = [name for name in param_group if name not in self.defaults and name not in _GROUP_KEYS]
        if unknown:
            known = ", ".join(self.defaults)
            self._refuse(f"unknown setting {unknown[0]!r} in a group; it has {known}")
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            self._refuse("the parameters of a group must have an order; pass a list, not a set", "type")
        each = [params] if isinstance(params, Tensor) else list(params)
        names = [pair[0] for pair in each if isinstance(pair, tuple)]
        tensors = [pair[1] if isinstance(pair, tuple) else pair for pair in each]
        group = {**self.defaults, **param_group, "params": tensors}
        if names:
            group["param_names"] = names
        self._check_params(tensors, names)
        self._check(group)
        self.param_groups.append(group)

    def _check_params(self, tensors: list[Any], names: list[str]) -> None:
        if not tensors:
            self._refuse("a group has no parameters")
        if names and len(names) != len(tensors):
            self._refuse("either all parameters of a group have names or none", "type")
        seen = {id(param) for group in self.param_groups for param in group["params"]}
        for index, tensor in enumerate(tensors):
            what = f"parameter {names[index]!r}" if names else f"parameter {index}"
            if not isinstance(tensor, Tensor):
                self._refuse(f"{what} must be a Tensor, got {type(tensor).__name__}", "type")
            if not tensor.is_leaf:
                self._refuse(f"{what} is the result of an operation; only leaves can be optimized. Use .detach()")
            if not tensor.is_floating_point():
                self._refuse(f"{what} is {tensor.dtype.name}; only floating-point tensors can be optimized")
            if id(tensor) in seen:
                self._refuse(f"{what} is already there; each is updated once a step. Give each parameter once")
            seen.add(id(tensor))

    # -- the loop

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zeros if `set_to_none` is False."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad = tl.zeros_like(param.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient.

        Args:
            closure: a function that clears the gradients, computes the loss, calls backward and returns the loss.

        Returns:
            What the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with tl.enable_grad():
                loss = closure()
        for group in self.param_groups:
            found = [(param, grad) for param in group["params"] if (grad := param.grad) is not None]
            if found:
                self._update(group, [param for param, _ in found], [grad for _, grad in found])
        self._step_count += 1
        return loss

    # -- state

    def state_dict(self) -> dict[str, Any]:
        """State and settings in PyTorch's layout, parameters being numbered through all groups.

        Returns:
            {"state": {number: {name: Tensor or number}}, "param_groups": [{setting: value, "params": [numbers]}]}.
            The Tensors are those of the optimizer and change with it, as in PyTorch; copy.deepcopy keeps a moment.
        """
        numbers = {param: number for number, param in enumerate(self._params())}
        groups = [
            {**{name: value for name, value in group.items() if name != "params"}}
            | {"params": [numbers[param] for param in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers[param]: dict(values) for param, values in self.state.items() if param in numbers}
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over state and settings from `state_dict()`, PyTorch's included. On an error nothing is changed.

        Floating-point state is cast to the dtype and device of its parameter; settings that this optimizer does not
        know are left out.

        Raises:
            StateError: the groups, the numbers of parameters or the shapes of the state do not fit.
            ArgumentError: a setting out of its range.
        """
        groups, state = self._fitting(state_dict)
        for group in groups:
            self._check(group)
        params = list(self._params())
        self.state = {params[number]: values for number, values in state.items()}
        for own, new in zip(self.param_groups, groups, strict=True):
            own.update(new)

    def _fitting(self, state_dict: Mapping[str, Any]) -> tuple[list[Group], dict[int, dict[str, Any]]]:
        """The settings and the state to take over, checked and converted."""
        name = type(self).__name__
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= state_dict.keys():
            raise StateError(
                f'{name}.load_state_dict: needs a dict with "state" and "param_groups", as state_dict() gives.'
            )
        own, saved = self.param_groups, state_dict["param_groups"]
        sizes = [len(group["params"]) for group in own], [len(group["params"]) for group in saved]
        if sizes[0] != sizes[1]:
            raise StateError(
                f"{name}.load_state_dict: this optimizer has groups of {sizes[0]} parameters, the state of {sizes[1]}. "
                "Build it from the same model with the same groups."
            )
        known = [
            {key: copy.copy(value) for key, value in group.items() if key in self.defaults or key in _SAVED_KEYS}
            for group in saved
        ]
        groups = [{**mine, **new, "params": mine["params"]} for mine, new in zip(own, known, strict=True)]
        order = [number for group in saved for number in group["params"]]
        params = dict(zip(order, self._params(), strict=True))
        places = {number: place for place, number in enumerate(order)}
        state: dict[int, dict[str, Any]] = {}
        for number, values in state_dict["state"].items():
            number = int(number)  # a file format may have made keys strings
            if number not in params:
                raise StateError(f"{name}.load_state_dict: the state of parameter {number} belongs to no group.")
            state[places[number]] = {
                key: self._converted(number, key, value, params[number]) for key, value in values.items()
            }
        return groups, state

    def _converted(self, number: int, key: str, value: Any, param: Tensor) -> Any:
        """One saved value as this optimizer keeps it: a Tensor like its parameter, or a number."""
        if not isinstance(value, Tensor):
            return copy.copy(value)
        if value.numel() == 1 and key == "step":
            return float(value.item())
        if value.shape != param.shape:
            raise StateError(
                f"{type(self).__name__}.load_state_dict: '{key}' of parameter {number} has shape {tuple(value.shape)}, "
                f"the parameter {tuple(param.shape)}. Build the optimizer from the same model."
            )
        if value.is_floating_point():
            value = value.to(param.device, param.dtype)
        return value.detach().clone()  # a copy: steps change it in place

    def _params(self) -> Iterator[Tensor]:
        return (param for group in self.param_groups for param in group["params"])

    # -- messages, printing

    def _refuse(self, what: str, sort: str = "value") -> NoReturn:
        error = ArgumentTypeError if sort == "type" else ArgumentError
        raise error(f"{type(self).__name__}: {what}{'' if what.endswith(('.', '?')) else '.'}")

    def _check_number(self, name: str, value: Any, low: float = 0.0, below: float = math.inf) -> None:
        """Raises ArgumentError unless `low` <= value < `below`."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._refuse(f"{name} must be a number, got {type(value).__name__}")
        if not low <= value < below:
            bounds = f"at least {low:g}" + (f" and below {below:g}" if below < math.inf else " and finite")
            self._refuse(f"{name} is {value}; it must be {bounds}")

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name not in ("params", "param_names")]
        return "\n".join([*lines, ")"])


_SAVED_KEYS = ("param_names", "initial_lr", "swa_lr")  # what others than the optimizer itself keep in a group
_GROUP_KEYS = ("params", *_SAVED_KEYS)
