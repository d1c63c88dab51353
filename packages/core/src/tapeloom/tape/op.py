"""Declaring an op: signature, docstring, gradient.

    @op
    def multiply(x: TensorLike, y: TensorLike) -> Tensor:
        '''Elementwise product; shapes broadcast.'''
    multiply.gradient(x=lambda g, y: g * y, y=lambda g, x: g * x)

The annotations say which parameters are inputs and how statics are normalised (see ``roles``); the kernel is, by rule,
the method of the same name on the backend. A gradient rule names what it needs, and only what the rules that run
name is kept: inputs, statics, ``out``, residuals, ``<input>_shape`` and ``<input>_dtype`` (which keep no array), and ``ops``, the
namespace that the rule computes with: the backend on raw arrays, or the Tensor ops under ``create_graph``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from tapeloom.errors import ArgumentTypeError
from tapeloom.tape import policy as policies
from tapeloom.tape.roles import INPUTS, STATICS, VALUE_STATICS
from tapeloom.tape.rule import Plan, Rule

if TYPE_CHECKING:
    from typing import ParamSpec

    P = ParamSpec("P")
else:
    P = TypeVar("P")
R = TypeVar("R")

#: every op by name
REGISTRY: dict[str, Op[Any, Any]] = {}

#: other spellings that PyTorch's users know, for any op
PARAMETER_ALIASES = {
    "axis": "dim",
    "axes": "dim",
    "keepdims": "keepdim",
    "input": "x",
    "other": "y",
    "a_min": "min",
    "a_max": "max",
}

_REQUIRED: Any = object()


class Namespace:
    """The ops as attributes: what gradient rules and composites compute with when they run on Tensors."""

    def __getattr__(self, name: str) -> Op[Any, Any]:
        try:
            found = REGISTRY[name]
        except KeyError:
            raise AttributeError(f"no op is named {name!r}") from None
        setattr(self, name, found)
        return found


OPS: Any = Namespace()


class Op(Generic[P, R]):
    """An operation: its name, its signature, its gradient. Calling it computes and, where needed, records."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        dtype: policies.Policy,
        check: Callable[..., Any] | None,
        aliases: Sequence[str],
        outputs: Sequence[str],
        residuals: Sequence[str],
        composite: bool,
        inplace: bool,
        method: bool,
        view: bool,
        prepare: Callable[..., Any] | None,
    ) -> None:
        code = function.__code__
        self.name = self.__name__ = self.__qualname__ = function.__name__.rstrip("_")
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__wrapped__ = function
        self.policy = dtype
        self.moves = dtype in (policies.KEEP, policies.GIVEN)  # nothing is computed, so nothing is rounded
        self.check = check
        self.prepare = prepare
        self.aliases = tuple(aliases)
        self.outputs = tuple(outputs)
        self.residuals = tuple(residuals)
        self.composite = composite
        self.inplace = inplace
        self.method = method
        self.write: Callable[..., Any] | None = None
        self.is_view = view
        self.differentiable = False
        self.rules: dict[int | None, Rule] = {}
        self.plans: dict[tuple[Any, ...], Plan] = {}
        #: kind of the inputs -> (kernel, kind of the result): filled by apply for inputs of one kind that need no cast
        self.entries: dict[Any, tuple[Callable[..., Any], Any]] = {}
        self.kernels: dict[Any, Callable[..., Any]] = {}
        self.rewrites: Callable[..., Any] | None = None
        self.extras: frozenset[str] = frozenset()  # the keywords that ``rewrites`` has beside those of the op

        positional = code.co_varnames[: code.co_argcount]
        keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        self.variadic: str | None = None
        if code.co_flags & 0x04:  # one starred static, such as permute(x, *dims)
            self.variadic = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        names = [*positional, *([self.variadic] if self.variadic else []), *keyword_only]
        self.positional = len(positional)
        self.parameters = tuple(names)
        defaults = function.__defaults__ or ()
        self.defaults: dict[str, Any] = dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
        self.defaults.update(function.__kwdefaults__ or {})
        annotations = function.__annotations__
        self.roles: tuple[tuple[str, str, str | None], ...] = tuple(
            (name, str(annotations.get(name)), INPUTS.get(str(annotations.get(name)))) for name in names
        )
        for name, annotation, input_role in self.roles:
            if input_role is None and annotation not in STATICS and annotation != "Any":
                raise TypeError(f"op {self.name!r}: parameter {name!r} has the unknown annotation {annotation!r}.")
        self.inputs = tuple(name for name, _, role in self.roles if role)
        self.statics = tuple(name for name, _, role in self.roles if not role)
        #: for each parameter that the kernel gets: is it a setting to compile for (not an input, not a traced value)?
        self.kernel_parameters = tuple(
            (name, role, role is None and annotation not in VALUE_STATICS)
            for name, annotation, role in self.roles
            if annotation != "Cast"
        )
        self.layout: tuple[str, ...] = ()
        #: what the general path walks over: (position, role, may be None) of inputs, (position, name, normaliser) of statics
        self.input_positions = tuple(
            (position, role, annotation.endswith("None"))
            for position, (_, annotation, role) in enumerate(self.roles)
            if role is not None
        )
        self.static_positions = tuple(
            (position, name, STATICS.get(annotation))
            for position, (name, annotation, role) in enumerate(self.roles)
            if role is None
        )
        #: whether inputs are all there is: no settings, checks or several results
        self.plain = not (self.statics or check or prepare or outputs or residuals)
        #: the value of each parameter that is not given; REQUIRED where one must be
        self.tail = tuple(self.defaults.get(name, _REQUIRED) for name in self.parameters)

        self.required = sum(name not in self.defaults for name in self.parameters[: self.positional])
        self.quick: list[Plan | None] = []
        self.forget()

    def forget(self) -> None:
        """Drop what was worked out from the gradient rules: it is worked out again where it is needed."""
        gives = {name: None in self.rules or slot in self.rules for slot, name in enumerate(self.inputs)}
        #: for each parameter: its role, whether a static goes to the kernel, whether a gradient can flow to it
        self.steps = tuple(
            (role, annotation != "Cast", gives.get(name, False)) for name, annotation, role in self.roles
        )
        #: the inputs by themselves to which a gradient can flow
        self.flowing = tuple(name for name, _, role in self.roles if role == "value" and gives[name])
        self.plans.clear()
        #: plans of the short path, by which of ``flowing`` need a gradient
        self.quick[:] = [None] * 2 ** len(self.flowing)
        self.short: Callable[..., Any] | None = None
        #: how many positional arguments the short path takes, and with the fewest of them, which keywords
        self.takes = range(0)
        self.keywords: frozenset[str] = frozenset()
        if self._has_short_path():
            self.takes = range(self.required, 2**31 if self.variadic else self.positional + 1)
            self.keywords = frozenset(self.parameters[self.required :]) - {self.variadic}

    if TYPE_CHECKING:
        __call__: Callable[P, R]
    else:

        def __call__(self, *args, **kwargs):
            """Compute, and record where an input needs a gradient."""
            given = len(args)
            if given in self.takes and (not kwargs or (given == self.required and kwargs.keys() <= self.keywords)):
                return (self.short or self.direct)(*args, **kwargs)
            return self.run(self, args, kwargs)

    def _has_short_path(self) -> bool:
        """One result, inputs by themselves, a dtype that the inputs decide."""
        roles = [role for _, _, role in self.roles]
        lists = "values" in roles or "indices" in roles
        chosen = any(name == "dtype" and annotation != "Cast" for name, annotation, _ in self.roles)
        return "value" in roles and not lists and not chosen and not self.outputs

    @property
    def direct(self) -> Callable[..., Any]:
        """The short path, a plain function, written on first use."""
        if self.short is None:
            self.short = self.shorten(self)
        return self.short

    #: the general path (``apply``) and what writes the short one (``shortcut``); both stand above this file, see ``methods``
    run: Callable[..., Any]
    shorten: Callable[..., Callable[..., Any]]

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return REGISTRY.__getitem__, (self.name,)

    def gradient(self, joint: Callable[..., Any] | None = None, /, **rules: Callable[..., Any]) -> None:
        """Give the gradient: a rule for each differentiable input by name, or one joint rule for all of them."""
        if joint is not None:
            self.rules[None] = Rule(self, None, joint)
        for name, function in rules.items():
            if name not in self.inputs:
                raise TypeError(
                    f"op {self.name!r}: a rule is given for {name!r}; its inputs are {', '.join(self.inputs)}."
                )
            slot = self.inputs.index(name)
            self.rules[slot] = Rule(self, slot, function)
        self.differentiable = True
        used = {name for rule in self.rules.values() for name in rule.names}
        if self.composite:
            used |= {*self.inputs, *self.statics}
        shaped = (f"{name}_{what}" for name in self.inputs for what in ("shape", "dtype"))
        order = (*self.parameters, "out", *self.residuals, *shaped)
        self.layout = tuple(name for name in order if name in used)
        for rule in self.rules.values():
            rule.positions = tuple(self.layout.index(name) for name in rule.names)
        self.forget()

    def plan(self, need: tuple[Any, ...]) -> Plan:
        """The plan for the inputs that need a gradient (a bool an input; for a list of tensors, a tuple of bools)."""
        found = self.plans.get(need)
        if found is None:
            found = self.plans[need] = Plan(self, need)
        return found

    def options(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give a function over ops to run when the op is called with keywords that it does not have itself."""
        code = function.__code__
        self.rewrites = function
        self.extras = frozenset(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
        return function

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The arguments in the order of the parameters, defaults filled in."""
        names = self.parameters
        if not kwargs and self.variadic is None and len(args) <= self.positional:
            rest = self.tail[len(args) :]
            if _REQUIRED not in rest:
                return [*args, *rest]
        values: list[Any] = [_REQUIRED] * len(names)
        if self.variadic is not None:
            extra = args[self.positional :]
            if len(extra) == 1 and isinstance(extra[0], (tuple, list)):
                extra = tuple(extra[0])
            args = args[: self.positional]
            values[self.positional] = extra
        if len(args) > self.positional:
            raise ArgumentTypeError(
                f"{self.name}: takes {self.positional} positional arguments, got {len(args)}. Signature: {self.signature()}"
            )
        values[: len(args)] = args
        for name, value in kwargs.items():
            if name not in names:
                name = PARAMETER_ALIASES.get(name, name)
                if name == "dim" and "dims" in names:
                    name = "dims"
            if name not in names:
                raise ArgumentTypeError(f"{self.name}: unexpected argument {name!r}. Signature: {self.signature()}")
            position = names.index(name)
            if values[position] is not _REQUIRED and not (name == self.variadic and not values[position]):
                raise ArgumentTypeError(
                    f"{self.name}: argument {name!r} was given twice. Signature: {self.signature()}"
                )
            values[position] = value if name != self.variadic or isinstance(value, (tuple, list)) else (value,)
        for position, value in enumerate(values):
            if value is _REQUIRED:
                if names[position] not in self.defaults:
                    raise ArgumentTypeError(
                        f"{self.name}: argument {names[position]!r} is missing. Signature: {self.signature()}"
                    )
                values[position] = self.defaults[names[position]]
        return values

    def signature(self) -> str:
        """The signature as text, for messages and documentation."""
        parts = []
        keyword_only = False
        for position, name in enumerate(self.parameters):
            if name == self.variadic:
                parts.append(f"*{name}")
                keyword_only = True
                continue
            if position >= self.positional and not keyword_only:
                parts.append("*")
                keyword_only = True
            parts.append(f"{name}={self.defaults[name]!r}" if name in self.defaults else name)
        return f"{self.name}({', '.join(parts)})"


@overload
def op(function: Callable[P, R], /) -> Op[P, R]: ...
@overload
def op(**settings: Any) -> Callable[[Callable[P, R]], Op[P, R]]: ...
def op(function: Any = None, /, **settings: Any) -> Any:
    """Declare an op. See the head of this file.

    The settings are these.
    ``dtype``: the dtype policy (PROMOTE); ``check``: called with the bound arguments before the kernel, raises for
    what does not fit; ``prepare``: changes the bound arguments first; ``aliases``: other names; ``outputs``: the names
    of several outputs; ``residuals``: what the kernel returns besides, for the rules; ``composite``: the shared kernel
    is written over other ops, so second derivatives run it on Tensors; ``inplace``: also give ``name_``; ``method``:
    bind it to Tensor; ``view``: the result shares its values with the first input.
    """
    if function is None:
        return lambda function: op(function, **settings)
    defaults: dict[str, Any] = {
        "dtype": policies.PROMOTE,
        "check": None,
        "prepare": None,
        "aliases": (),
        "outputs": (),
        "residuals": (),
        "composite": False,
        "inplace": False,
        "method": True,
        "view": False,
    }
    unknown = settings.keys() - defaults.keys()
    if unknown:
        raise TypeError(f"op {function.__name__!r}: unknown settings {sorted(unknown)}.")
    made: Op[Any, Any] = Op(function, **(defaults | settings))
    if made.name in REGISTRY:
        raise TypeError(
            f"op {made.name!r} is declared twice: in {REGISTRY[made.name].__module__} and {made.__module__}."
        )
    REGISTRY[made.name] = made
    return made


#: plain functions over ops that are public, and methods of Tensor where marked: name -> (function, method?, aliases)
FUNCTIONS: dict[str, tuple[Callable[..., Any], bool, tuple[str, ...]]] = {}

C = TypeVar("C", bound=Callable[..., Any])


def _with_input(made: C) -> C:
    """``made``, of which the first parameter may also be given as ``input=``, as PyTorch calls it."""

    @functools.wraps(made)
    def called(*args: Any, **kwargs: Any) -> Any:
        if not args and "input" in kwargs:
            args = (kwargs.pop("input"),)
        return made(*args, **kwargs)

    return cast("C", called)


def function(*, method: bool = True, aliases: Sequence[str] = (), name: str | None = None) -> Callable[[C], C]:
    """Mark a plain function over ops as public: in ``tapeloom``, and as a method of Tensor unless ``method=False``.

    It stands before an op of the same ``name``, which is then for rules and other ops.
    """

    def mark(made: C) -> C:
        if made.__code__.co_flags & 0x08:  # it takes keywords, and refuses all but this one
            made = _with_input(made)
        FUNCTIONS[name or made.__name__] = (made, method, tuple(aliases))
        return made

    return mark
