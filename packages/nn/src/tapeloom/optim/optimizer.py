"""The base of the optimizers: parameter groups, state, and the loop that runs an update formula."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NoReturn, TypeAlias

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.op.parameter import Arguments
from tapeloom.ops.optimizer import update_parameters

from .arguments import IGNORED, is_zero
from .hooks import OptimizerHooks, hooked
from .pairs import real_parts, take_new

__all__ = ["Optimizer", "ParamsLike"]

ParamsLike: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]
"""Parameters, (name, parameter) pairs, or groups of them: dicts with "params" and settings of their own."""

Group: TypeAlias = dict[str, Any]


class Optimizer(OptimizerHooks):
    """Base class of the optimizers. A subclass names its state and writes the update of one parameter.

    `update` is a formula over `ops` and operators. It gets the arrays of one parameter: its value, its gradient and its
    state, an array for each name in `slots`, and as keywords the settings that it names. It returns the new value and
    the new state. It is not recorded, and computes half types in float32.

    Args:
        params: what to optimize.
        defaults: the settings of a group that does not give them itself. A number may also be a 0-d Tensor.
        differentiable: there for PyTorch's optimizers, which have it; it must be False.

    Attributes:
        slots: the names of the state of a parameter. One called "step" counts the steps of the parameter: it is no
            array, and a formula that names `step` gets the number of this step, from 1.
        only_if: for a name of the state the setting without which it is not kept; `update` then gets None.
        fused: the name of a kernel `fused_<name>` of the backend that computes the same as `update`.
        param_groups: dicts of "params" and settings; settings may be changed between steps.
        state: what is remembered for each parameter, Tensors and numbers by name.

    Raises:
        ArgumentError: no parameters, one parameter twice, or a setting out of its range.
        ArgumentTypeError: something that is no parameter, or an unknown argument.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import optim
        >>> class SignDescent(optim.Optimizer):
        ...     def __init__(self, params, lr=0.1):
        ...         super().__init__(params, {"lr": lr})
        ...
        ...     @staticmethod
        ...     def update(ops, p, g, *, lr):
        ...         return p - ops.sign(g) * lr
        >>> weight = tl.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = SignDescent([weight], lr=0.5)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, -1.5]
    """

    slots: ClassVar[tuple[str, ...]] = ()
    only_if: ClassVar[Mapping[str, str]] = {}
    fused: ClassVar[str] = ""
    _tensor_slots: ClassVar[tuple[str, ...]] = ()
    _takes: ClassVar[tuple[str, ...]] = ()  # the settings that `update` names, but for "step"
    _takes_step: ClassVar[bool] = False
    param_groups: list[Group]
    state: dict[Tensor, dict[str, Any]]

    def __init__(self, params: ParamsLike, defaults: dict[str, Any], *, differentiable: bool = False) -> None:
        if differentiable:
            self._refuse(
                "differentiable=True is not there: a step is not recorded. Call the formula itself on Tensors, "
                f"{type(self).__name__}.update(tapeloom.ops, param, grad, ...), which is"
            )
        self.defaults = defaults
        self.state = {}
        self.param_groups = []
        self._step_count = 0  # what the schedulers go by
        unknown = [name for name in self._takes if name not in defaults]
        if unknown:
            self._refuse(f"update takes {unknown[0]!r}, and there is no such setting. Give it to Optimizer.__init__")
        self.check(defaults)
        if isinstance(params, Tensor):
            self._refuse(f"params must be an iterable of Tensors or of groups, got {type(params).__name__}", "type")
        given = self._listed(params)
        if not given:
            self._refuse(
                "there are no parameters. Has the model any, or was the generator used up? Layers in a plain list or dict are "
                "not found: put them into an nn.ModuleList or nn.ModuleDict"
            )
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def __init_subclass__(cls, **options: Any) -> None:
        """Reads the declaration of a subclass: which settings `update` names, and whether it fits `slots`."""
        super().__init_subclass__(**options)
        own = vars(cls)
        if "__init__" in own:
            cls.__init__ = checked(own["__init__"])  # type: ignore[method-assign]
        if "step" in own:
            cls.step = hooked(own["step"])  # type: ignore[method-assign]
        if "update" in own and "fused" not in own:
            cls.fused = ""  # another formula than the one that the fused kernel stands for
        if cls.update is Optimizer.update or not own.keys() & {"update", "slots"}:
            return
        if "update" in own and not isinstance(own["update"], staticmethod):
            raise TypeError(f"{cls.__name__}.update must be a @staticmethod.")
        arguments = Arguments(cls.update)
        named = arguments.names[arguments.positional + (arguments.starred is not None) :]
        cls._tensor_slots = tuple(name for name in cls.slots if name != "step")
        cls._takes = tuple(name for name in named if name != "step")
        cls._takes_step = "step" in named
        wanted = ("ops", "the parameter", "its gradient", *cls._tensor_slots)
        if arguments.starred is None and arguments.positional != len(wanted):
            raise TypeError(
                f"{cls.__name__}.update takes {arguments.positional} positional arguments, and must take {len(wanted)}: "
                f"{', '.join(wanted)}."
            )
        if cls._takes_step and "step" not in cls.slots:
            raise TypeError(f"{cls.__name__}.update takes 'step'. Name it in slots, so that steps are counted.")

    # -- what a subclass gives

    @staticmethod
    def update(ops: Any, p: Any, g: Any, *state: Any, **settings: Any) -> Any:
        """The formula: the new value of the parameter `p` with the gradient `g`, and each new state in turn.

        Args:
            ops: the operations, under the names that they have in `tapeloom.ops`.
            p: the parameter.
            g: its gradient.
            state: an array for each name in `slots`, or None where `initial_state` gave None.
            settings: the settings of the group, each a keyword argument under its name.
        """
        raise NotImplementedError

    def initial_state(self, name: str, param: Tensor, group: Group) -> Tensor | None:
        """The state `name` of a parameter before its first step: zeros, unless a subclass says otherwise.

        It may have any shape, but has the dtype and the device of the parameter. None is no state: `update` gets None,
        and may return an array from which the state begins.
        """
        return tl.zeros_like(param)

    def check(self, group: Group) -> None:
        """Raises ArgumentError for settings out of their range; see `check_number`."""

    def check_parameter(self, what: str, param: Tensor) -> None:
        """Raises ArgumentError for a parameter that cannot be optimized; `what` names it."""
        if not (param.is_floating_point() or param.is_complex()):
            self._refuse(f"{what} is {param.dtype.name}; only floating-point and complex tensors can be optimized")

    def check_real(self, what: str, param: Tensor) -> None:
        """Raises ArgumentError for a complex parameter."""
        if param.is_complex():
            self._refuse(f"{what} is {param.dtype.name}; {type(self).__name__} optimizes real tensors only")

    def check_number(
        self, name: str, value: Any, low: float = 0.0, below: float = math.inf, most: float = math.inf
    ) -> None:
        """Raises ArgumentError unless `low` <= value < `below` and value <= `most`, or it is a 0-d Tensor.

        The value of a Tensor is not looked at.
        """
        if isinstance(value, Tensor):
            if value.shape or not value.is_floating_point():
                self._refuse(
                    f"{name} must be a number or a 0-d floating-point Tensor, got {value.dtype.name} of shape {value.shape}"
                )
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._refuse(f"{name} must be a number, got {type(value).__name__}")
        if not (low <= value < below and value <= most):
            least = f"at least {low:g} and " if low > -math.inf else ""
            bound = f"at most {most:g}" if most < math.inf else f"below {below:g}" if below < math.inf else "finite"
            self._refuse(f"{name} is {value}; it must be {least}{bound}")

    def check_betas(self, betas: Any) -> None:
        """Raises ArgumentError unless they are two numbers, each at least 0 and below 1."""
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            self._refuse(f"betas must be two numbers, got {betas!r}")
        for number, beta in enumerate(betas):
            self.check_number(f"betas[{number}]", beta, below=1.0)

    # -- groups

    def add_param_group(self, param_group: Group) -> None:
        """Adds parameters with settings of their own, for instance when a frozen layer is set free.

        Args:
            param_group: "params", and any setting that differs from the defaults.
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            self._refuse('a group must be a dict with "params"', "type")
        unknown = [name for name in param_group if name not in (*self.defaults, *_GROUP_KEYS, *IGNORED)]
        if unknown:
            known = ", ".join(self.defaults)
            self._refuse(f"unknown setting {unknown[0]!r} in a group; it has {known}")
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            self._refuse("the parameters of a group must have an order; pass a list, not a set", "type")
        each = [params] if isinstance(params, Tensor) else self._listed(params)
        if any(isinstance(pair, tuple) and len(pair) != 2 for pair in each):
            self._refuse("a named parameter must be a pair (name, parameter)", "type")
        names = [pair[0] for pair in each if isinstance(pair, tuple)]
        tensors = [pair[1] if isinstance(pair, tuple) else pair for pair in each]
        given = {name: value for name, value in param_group.items() if name not in IGNORED}
        group = {**self.defaults, **given, "params": tensors}
        if names:
            group["param_names"] = names
        self._check_params(tensors, names)
        self.check(group)
        self.param_groups.append(group)

    def _listed(self, params: Any) -> list[Any]:
        """What an iterable of parameters, pairs or groups holds."""
        is_module = hasattr(params, "parameters")
        held = list(params) if isinstance(params, Iterable) else None
        if held is None or isinstance(params, (str, Mapping)) or (is_module and not all(map(tl.is_tensor, held))):
            remedy = ". Call the method: model.parameters()" if callable(params) else ""
            remedy = ". Give model.parameters()" if is_module else remedy
            got = type(params).__name__
            self._refuse(f"params must be an iterable of Tensors or of groups, got {got}{remedy}", "type")
        return held

    def _check_params(self, tensors: list[Any], names: list[str]) -> None:
        if not tensors:
            self._refuse("a group has no parameters")
        if names and len(names) != len(tensors):
            self._refuse("either all parameters of a group have names or none", "type")
        seen = {id(param) for group in self.param_groups for param in group["params"]}
        for index, tensor in enumerate(tensors):
            what = f"parameter {names[index]!r}" if names else f"parameter {index}"
            if not isinstance(tensor, Tensor):
                nested = hasattr(tensor, "parameters") or isinstance(tensor, Iterator)
                remedy = ". Give [*first.parameters(), *second.parameters()]" if nested else ""
                self._refuse(f"{what} must be a Tensor, got {type(tensor).__name__}{remedy}", "type")
            if not tensor.is_leaf:
                self._refuse(f"{what} is the result of an operation; only leaves can be optimized. Use .detach()")
            self.check_parameter(what, tensor)
            if id(tensor) in seen:
                self._refuse(f"{what} is already there; each is updated once a step. Give each parameter once")
            seen.add(id(tensor))

    # -- the loop

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zeros in place if `set_to_none` is False."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    if param.grad.grad_fn is not None:
                        param.grad.detach_()
                    with tl.no_grad():
                        param.grad.zero_()

    @hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient.

        Args:
            closure: a function that clears the gradients, computes the loss, calls backward and returns the loss.

        Returns:
            What the closure returned, or None.
        """
        loss = None if closure is None else self._loss(closure)
        for group in self.param_groups:
            found = [(param, grad) for param in group["params"] if (grad := param.grad) is not None]
            if found:
                self._update_group(group, [param for param, _ in found], [grad for _, grad in found])
        self._step_count += 1
        return loss

    def _loss(self, closure: Callable[[], Any]) -> Any:
        if not callable(closure):
            self._refuse(f"closure must be a function that returns the loss, got {type(closure).__name__}", "type")
        with tl.enable_grad():
            return closure()

    def settings(self, group: Group, states: list[dict[str, Any]]) -> tuple[dict[str, Any], list[float]]:
        """What `update` gets of a group, and the number of this step for each state, if they are counted.

        A step reads its numbers only here, so that a captured step can read them again at each call.
        """
        steps = [state.get("step", 0.0) + 1.0 for state in states] if "step" in self.slots else []
        return {name: group[name] for name in self._takes}, steps

    def _update_group(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        """Updates the parameters of a group that have gradients, and their state."""
        unused = [name for name, setting in self.only_if.items() if is_zero(group[setting])]
        states = [] if len(unused) == len(self.slots) else [self.state.get(param, {}) for param in params]
        settings, steps = self.settings(group, states)
        columns: dict[str, list[Tensor | None] | None] = {}
        new: list[tuple[dict[str, Any], list[Tensor | None], str, int]] = []
        for name in self._tensor_slots:
            if name in unused:
                columns[name] = None
                continue
            columns[name] = column = [state.get(name) for state in states]
            for position, held in enumerate(column):
                if held is None:
                    column[position] = self.initial_state(name, params[position], group)
                    new.append((states[position], column, name, position))
        lists: list[Any] = [params, grads, *columns.values()]
        paired = any(param.kind.dtype.is_complex for param in params)
        parts = list(map(real_parts, lists)) if paired else lists
        update_parameters(
            f"{type(self).__name__}.step", self.update, parts[0], parts[1],
            dict(zip(columns, parts[2:], strict=True)), settings,
            steps=steps if self._takes_step else None, fused=self.fused,
        )  # fmt: skip
        if paired:
            for held, part in zip(columns.values(), parts[2:], strict=True):
                take_new(params, held, part)
        for state, step in zip(states, steps, strict=False):  # there are none where steps are not counted
            state["step"] = step
        for state, column, name, position in new:
            if (tensor := column[position]) is not None:
                state[name] = tensor
        if new or 1.0 in steps:  # the first step of some
            self.state.update((param, state) for param, state in zip(params, states, strict=True) if state)

    # -- state

    def state_dict(self) -> dict[str, Any]:
        """State and settings in PyTorch's layout, parameters being numbered through all groups.

        Returns:
            {"state": {number: {name: Tensor or number}}, "param_groups": [{setting: value, "params": [numbers]}]}.
            The Tensors are those of the optimizer and change with it, as in PyTorch; copy.deepcopy keeps a moment.
        """
        for hook in self._hooks_at("state_dict_pre"):
            hook(self)
        numbers = {param: number for number, param in enumerate(self._params())}
        groups = [
            {**{name: value for name, value in group.items() if name != "params"}}
            | {"params": [numbers[param] for param in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers[param]: dict(values) for param, values in self.state.items() if param in numbers}
        result = {"state": dict(sorted(state.items())), "param_groups": groups}
        return self._changed("state_dict_post", result)  # type: ignore[no-any-return]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over state and settings from `state_dict()`, PyTorch's included. On an error nothing is changed.

        Floating-point state is cast to the dtype and device of its parameter; settings that this optimizer does not
        know are left out.

        Raises:
            StateError: the groups, the numbers of parameters or the shapes of the state do not fit.
            ArgumentError: a setting out of its range.
        """
        if isinstance(state_dict, Mapping):
            state_dict = self._changed("load_state_dict_pre", dict(state_dict))
        groups, state = self._fitting(state_dict)
        for group in groups:
            self.check(group)
        params = list(self._params())
        self.state = {params[number]: values for number, values in state.items()}
        for own, new in zip(self.param_groups, groups, strict=True):
            own.update(new)
        for hook in self._hooks_at("load_state_dict_post"):
            hook(self)

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
            {key: _copied(value, mine["params"][0]) for key, value in group.items() if self._knows(key)}
            for mine, group in zip(own, saved, strict=True)
        ]
        groups = [{**mine, **new, "params": mine["params"]} for mine, new in zip(own, known, strict=True)]
        order = [number for group in saved for number in group["params"]]
        owners = [(param, group) for group in groups for param in group["params"]]
        places = {number: place for place, number in enumerate(order)}
        state: dict[int, dict[str, Any]] = {}
        for number, values in state_dict["state"].items():
            number = int(number)  # a file format may have made keys strings
            if number not in places:
                raise StateError(f"{name}.load_state_dict: the state of parameter {number} belongs to no group.")
            param, group = owners[places[number]]
            state[places[number]] = {
                key: self._converted(number, key, value, param, group) for key, value in values.items()
            }
        return groups, state

    def _knows(self, key: str) -> bool:
        return key in self.defaults or key in _SAVED_KEYS

    def _converted(self, number: int, key: str, value: Any, param: Tensor, group: Group) -> Any:
        """One saved value as this optimizer keeps it: a Tensor on the device of its parameter, or a number."""
        if isinstance(value, (tuple, list)):
            return type(value)([self._converted(number, key, item, param, group) for item in value])
        if not isinstance(value, Tensor):
            return copy.copy(value)
        if value.numel() == 1 and key == "step":
            return float(value.item())
        dtype = param.dtype
        if key in self.slots:
            own = self.initial_state(key, param, group)
            shape, dtype = (param.shape, dtype) if own is None else (own.shape, own.dtype)
            if value.shape != shape:
                here = f"the parameter {shape}" if shape == param.shape else f"and this optimizer keeps it in {shape}"
                raise StateError(
                    f"{type(self).__name__}.load_state_dict: '{key}' of parameter {number} has shape {value.shape}, "
                    f"{here}. Build the optimizer from the same model."
                )
        return _copied(value.to(dtype) if value.is_floating_point() or value.is_complex() else value, param)

    def _params(self) -> Iterator[Tensor]:
        return (param for group in self.param_groups for param in group["params"])

    # -- messages, printing

    def _refuse(self, what: str, kind: str = "value") -> NoReturn:
        error = ArgumentTypeError if kind == "type" else ArgumentError
        raise error(f"{type(self).__name__}: {what}{'' if what.endswith(('.', '?')) else '.'}")

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name not in ("params", "param_names")]
        return "\n".join([*lines, ")"])


#: what others than the optimizer itself keep in a group
_SAVED_KEYS = ("param_names", "initial_lr", "swa_lr", "max_lr", "min_lr", "base_momentum", "max_momentum")
_GROUP_KEYS = ("params", *_SAVED_KEYS)


def _copied(value: Any, like: Tensor) -> Any:
    """A saved value of its own: steps change state in place. Tensors come to the device of `like`."""
    if isinstance(value, Tensor):
        return value.to(like.device).detach().clone()
    if isinstance(value, (tuple, list)):
        return type(value)([_copied(item, like) for item in value])
    return copy.copy(value)
