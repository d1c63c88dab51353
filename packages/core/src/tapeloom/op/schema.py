"""The description of an op: its signature, its dtype rule, its settings, its gradient rules. A description cannot run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapeloom.op.dtype_rules import DTypeRule
from tapeloom.op.parameter import Arguments, Parameter, parameters_of
from tapeloom.op.precision import words_of
from tapeloom.op.registry import Public
from tapeloom.op.rule import Rule

#: the settings of a declaration and their defaults
SETTINGS: dict[str, Any] = {
    "takes": "any",
    "gives": "same",
    "moves": False,
    "complex": None,
    "outputs": None,
    "constants": (),
    "residuals": (),
    "composite": False,
    "view": False,
    "dynamic": False,
    "leading": False,
    "inplace": False,
    "method": True,
    "aliases": (),
    "namespace": "",
    "autocast": None,
    "check": None,
    "prepare": None,
}


class OpSchema:
    """What is known of an op from its declaration.

    ``takes``, ``gives``, ``moves``, ``complex``: see ``dtype_rules``. ``outputs``: the NamedTuple class of several results.
    ``constants``: outputs without a gradient (``"out"`` names a single one); integers and bools never have one.
    ``residuals``: what the kernel returns besides, for the rules. ``composite``: the shared kernel is written over other
    kernels, so it runs on Tensors too; without a rule the gradient is that of its text. ``view``: the result shares its
    values with the first input. ``dynamic``: the shape of the result depends on values. ``leading``: the inputs broadcast, and
    further dimensions in front of them are further cases, so that vmap calls the kernel once. ``inplace``, ``method``,
    ``aliases``, ``namespace``: see ``Public``. ``autocast``: see ``precision``. ``check``: called with the op and the
    normalised arguments before the kernel, raises for what does not fit. ``prepare``: called first, returns the settings to
    use. ``write``: of a view, how a change of it changes its base.
    """

    def __init__(self, function: Callable[..., Any], settings: dict[str, Any]) -> None:
        unknown = settings.keys() - SETTINGS.keys()
        if unknown:
            raise TypeError(
                f"op {function.__name__!r}: unknown setting {', '.join(sorted(unknown))}. The settings are {', '.join(SETTINGS)}."
            )
        chosen = SETTINGS | settings
        self.name = self.__name__ = self.__qualname__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__wrapped__ = function
        self.arguments = Arguments(function)
        self.parameters: tuple[Parameter, ...] = parameters_of(function)
        if not any(p.input for p in self.parameters):
            raise TypeError(f"op {self.name!r}: none of its parameters is a tensor.")
        self.dtype_rule = DTypeRule(self.name, chosen["takes"], chosen["gives"], chosen["moves"], chosen["complex"])
        self.outputs: Any = chosen["outputs"]
        if self.outputs is not None and not hasattr(self.outputs, "_fields"):
            raise TypeError(f"op {self.name!r}: outputs must be a NamedTuple class, got {self.outputs!r}.")
        self.constants = frozenset(chosen["constants"])
        self.residuals: tuple[str, ...] = tuple(chosen["residuals"])
        self.composite: bool = chosen["composite"]
        self.view: bool = chosen["view"]
        self.write: Callable[..., Any] | None = None
        self.dynamic: bool = chosen["dynamic"]
        self.leading: bool = chosen["leading"]
        self.public = Public(
            self,  # type: ignore[arg-type]  # once it is an ``Op``
            (self.name, *chosen["aliases"]),
            chosen["namespace"],
            method=chosen["method"],
            inplace=chosen["inplace"],
        )
        self.autocast: dict[str, str] = words_of(self.name, chosen["autocast"])
        self.check: Callable[..., None] | None = chosen["check"]
        self.prepare: Callable[..., tuple[Any, ...]] | None = chosen["prepare"]
        #: a function that runs the op's further keywords, such as ``add(..., alpha=2)``, over other ops
        self.extension: Callable[..., Any] | None = None
        self.rules: dict[int | None, Rule] = {}
        #: the names of what a node keeps, in order
        self.layout: tuple[str, ...] = ()
        self.set_layout()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the parameters that are tensors."""
        return tuple(p.name for p in self.parameters if p.input)

    @property
    def statics(self) -> tuple[str, ...]:
        """The names of the parameters that are settings."""
        return tuple(p.name for p in self.parameters if not p.input)

    @property
    def derived(self) -> bool:
        """Whether its gradient is that of its text: a composite without rules."""
        return self.composite and not self.rules

    def gradient(self, joint: Callable[..., Any] | None = None, /, **rules: Callable[..., Any]) -> None:
        """Give the gradient: a rule for each differentiable input by name, or one joint rule for all of them."""
        inputs = self.inputs
        if joint is not None:
            self.rules[None] = Rule(self, None, joint)
        for name, function in rules.items():
            if name not in inputs:
                raise TypeError(f"op {self.name!r}: a rule is given for {name!r}; its inputs are {', '.join(inputs)}.")
            self.rules[inputs.index(name)] = Rule(self, inputs.index(name), function)
        self.set_layout()

    def extend(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give a function over ops to run when the op is called with keywords that it does not have itself."""
        self.extension = function
        return function

    def set_layout(self) -> None:
        """Fix the order of what nodes keep. A composite keeps its inputs, which its text needs to run again."""
        used = {name for rule in self.rules.values() for name in rule.names}
        if self.composite:
            used |= {p.name for p in self.parameters if p.passed}
        shaped = (f"{name}_{what}" for name in self.inputs for what in ("shape", "dtype"))
        order = (*(p.name for p in self.parameters), "out", *self.residuals, *shaped)
        self.layout = tuple(name for name in order if name in used)
        for rule in self.rules.values():
            rule.positions = tuple(self.layout.index(name) for name in rule.names)

    def gives_gradient(self, name: str) -> bool:
        """Whether a gradient can flow to the input ``name``; to all inputs where nothing is known of any."""
        parameter = self.parameters[self.position(name)]
        if parameter.input != "value" or "out" in self.constants:
            return False
        if not self.rules:
            return self.derived or self.dtype_rule.gives not in ("bool", "int64")
        return None in self.rules or self.inputs.index(name) in self.rules

    def position(self, name: str) -> int:
        """The position of a parameter."""
        return next(i for i, p in enumerate(self.parameters) if p.name == name)

    def source(self, name: str) -> tuple[str, int]:
        """Where the value comes from that the layout calls ``name``: (what, position)."""
        if name == "out":
            return "out", 0
        if name in self.residuals:
            return "residual", self.residuals.index(name)
        for position, parameter in enumerate(self.parameters):
            if parameter.name == name:
                return ("array" if parameter.input else "static"), position
        owner, _, what = name.rpartition("_")
        return what, self.position(owner)

    @property
    def declaration(self) -> Callable[..., Any]:
        """The function whose signature is the op's as users see it, further keywords included."""
        return self.extension or self.__wrapped__

    def text(self) -> str:
        """The signature as text, for messages and documentation."""
        return Arguments(self.declaration).text(self.name)

    def __repr__(self) -> str:
        return f"<op {self.name}>"
