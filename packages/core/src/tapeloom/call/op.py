"""Ops that can be called, and how they are declared.

    @op
    def multiply(input: TensorLike, other: TensorLike) -> Tensor:
        '''Elementwise product; shapes broadcast.'''
    multiply.gradient(input=lambda g, other: g * other, other=lambda g, input: g * input)

The annotations say which parameters are inputs and how statics are normalised (see ``op.parameter``); the kernel is, by
rule, the method of the same name on the backend's kernels. ``@primitive`` declares an op that only rules and other ops
use: it lives in ``tapeloom.ops`` alone. ``@function`` marks a plain function over ops as public.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from tapeloom.call.bind import bind, not_bound, spread
from tapeloom.call.explain import EXPLAINED, explain_function
from tapeloom.call.promote import KernelTable, Key, repair
from tapeloom.call.text import compiled
from tapeloom.call.watch import acting, register, remember
from tapeloom.call_site import trim
from tapeloom.errors import DeviceError, TapeloomError
from tapeloom.modes import MODES, tell_watchers
from tapeloom.op.parameter import Arguments, Parameter
from tapeloom.op.precision import words_of
from tapeloom.op.registry import FUNCTIONS, REGISTRY, Public
from tapeloom.op.schema import OpSchema
from tapeloom.tape.levels import LEVELS, together
from tapeloom.tape.plan import OpPlan
from tapeloom.tensors.kind import Kind

if TYPE_CHECKING:
    from inspect import Signature
    from typing import ParamSpec

    P = ParamSpec("P")
else:
    P = TypeVar("P")
R = TypeVar("R")
C = TypeVar("C", bound=Callable[..., Any])


class Op(OpSchema, Generic[P, R]):
    """An operation: its description, and what makes it run. Calling it computes and, where needed, records."""

    def __init__(self, function: Callable[..., Any], settings: dict[str, Any]) -> None:
        super().__init__(function, settings)
        #: the compiled text, for inputs that need no repair; made on first use
        self.fast: Callable[..., Any] | None = None
        #: kind of the inputs -> (kernel, kind of the result), for the short path; empty while the op is closed
        self.kernel_by_kind: dict[Key, tuple[Any, Kind]] = {}
        #: how many watchers have it closed
        self.closed = 0
        #: plans by which of the inputs need a gradient; of an op without lists by the bits of those that it can flow to
        self.plans: dict[Any, OpPlan] = {}
        #: the kernels of ``execute``, found on first use
        self.kernel_table = KernelTable(self)
        self._execute: Callable[..., Any] | None = None
        self.invalidate()

    def gradient(self, joint: Callable[..., Any] | None = None, /, **rules: Callable[..., Any]) -> None:
        """Give the gradient: a rule for each differentiable input by name, or one joint rule for all of them."""
        super().gradient(joint, **rules)
        self.invalidate()

    def invalidate(self) -> None:
        """Drop what was made of the rules and kernels: it is made again where it is needed."""
        self.plans.clear()
        self.kernel_by_kind.clear()
        self.kernel_table.clear()
        self.fast = self._execute = None

    def compiled(self) -> Callable[..., Any]:
        """The short path: a plain function of the op's signature."""
        if self.fast is None:
            self.fast = compiled(self, general, self.kernel_by_kind)
        return self.fast

    def execute(self, values: list[Any]) -> Any:
        """Run the text on repaired arguments."""
        if self._execute is None:
            self._execute = compiled(self, _unrepaired, self.kernel_table, positional=True)
        return self._execute(*values)

    if TYPE_CHECKING:
        __call__: Callable[P, R]
    else:

        def __call__(self, *args, **kwargs):
            """Compute, and record where an input needs a gradient."""
            try:
                try:
                    return (self.fast or self.compiled())(*args, **kwargs)
                except TypeError as error:
                    if not not_bound(error):
                        raise
                return general(self, args, kwargs)
            except TapeloomError as error:
                trim(error)
                raise

    @property
    def __signature__(self) -> Signature:
        from inspect import signature

        return signature(self.declaration)

    def __get__(self, instance: object, owner: type | None = None) -> Op[P, R]:
        """The op itself, in classes too; what has a ``__get__`` is shown by ``help`` as the function that it is."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return REGISTRY.__getitem__, (self.name,)


def general(op: Op[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The general path: repairs the arguments, or says what is wrong, and runs the same text."""
    if op.extension is not None and _extended(op, op.extension, len(args) + len(kwargs), kwargs):
        arguments = Arguments(op.extension)
        given, rest = spread(arguments, bind(op.name, arguments, args, kwargs))
        for flag, place, normalise in _flags(op.extension, arguments):
            normalise(op.name, flag, rest[flag] if flag in rest else given[place], 0)
        try:
            return op.extension(*given, **rest)
        except EXPLAINED as error:
            explain_function(op.name, op.extension, given, rest, error)
            raise
    values = bind(op.name, op.arguments, args, kwargs)
    watched = MODES.get().watchers
    if watched:
        tell_watchers("before", op, values, op=op)
    try:
        key = repair(op, values)
        remember(op, key, op.kernel_table[key])
        result = op.execute(values)
    except Exception as error:
        if watched:
            tell_watchers("failed", op, values, error, op=op)
        raise
    if watched:
        tell_watchers("after", op, values, result, op=op)
    return result


def _extended(op: Op[Any, Any], extension: Callable[..., Any], given: int, kwargs: dict[str, Any]) -> bool:
    """Whether a call is one of those that the extension takes: with its keywords, or without what it can do without."""
    if not kwargs.keys() <= set(op.arguments.names):
        return True
    return given < op.arguments.required and given >= Arguments(extension).required


def _unrepaired(op: Op[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    raise AssertionError(f"{op.name}: its arguments still do not fit after repair. This is a fault of tapeloom.")


def method_of(op: Op[Any, Any]) -> Callable[..., Any]:
    """``op`` as a function that classes bind as a method, with the op's own signature for those who ask."""

    def method(*args: Any, **kwargs: Any) -> Any:
        try:
            try:
                return (op.fast or op.compiled())(*args, **kwargs)
            except TypeError as error:
                if not not_bound(error):
                    raise
            return general(op, args, kwargs)
        except TapeloomError as error:
            trim(error)
            raise

    return documented(method, op, op.name, op.__doc__)


def documented(made: Callable[..., Any], call: Any, name: str, doc: str | None) -> Callable[..., Any]:
    """``made`` with what ``help`` shows: a name, a text, and the signature of ``call``, which is read when asked for."""
    made.__name__ = made.__qualname__ = name
    made.__doc__, made.__module__ = doc, call.__module__
    made.__wrapped__ = call.declaration if isinstance(call, OpSchema) else call  # type: ignore[attr-defined]
    return made


# declarations


@overload
def op(function: Callable[P, R], /) -> Op[P, R]: ...
@overload
def op(**settings: Any) -> Callable[[Callable[P, R]], Op[P, R]]: ...
def op(function: Any = None, /, **settings: Any) -> Any:
    """Declare an op that users call. The settings are those of ``OpSchema``."""
    if function is None:
        return lambda function: op(function, **settings)
    made: Op[Any, Any] = Op(function, settings)
    if made.name in REGISTRY:
        raise TypeError(
            f"op {made.name!r} is declared twice: in {REGISTRY[made.name].__module__} and {made.__module__}."
        )
    register(made)
    return made


@overload
def primitive(function: Callable[P, R], /) -> Op[P, R]: ...
@overload
def primitive(**settings: Any) -> Callable[[Callable[P, R]], Op[P, R]]: ...
def primitive(function: Any = None, /, **settings: Any) -> Any:
    """Declare an op that only gradient rules, composites and public functions call; it is in ``tapeloom.ops``."""
    return op(**settings, namespace=None) if function is None else op(namespace=None)(function)


def function(
    *,
    method: bool = True,
    aliases: Sequence[str] = (),
    name: str | None = None,
    namespace: str = "",
    overloads: Sequence[str] = (),
    inplace: bool = False,
    autocast: str | Mapping[str, str] | None = None,
) -> Callable[[C], C]:
    """Mark a plain function over ops as public: in ``tapeloom`` or a namespace of it, and as a method of Tensor.

    Arguments may be spelled as in PyTorch (see ``bind.SPELLINGS``), and an error that an inner op raises is reported
    under the name that the user called. ``overloads`` are further call forms, as signatures for the stubs. ``inplace``:
    there is a form ``name_`` too. ``autocast``: in which dtype it computes in a block of mixed precision, where the words
    of the ops within do not say so (see ``op.precision``).
    """

    def mark(made: C) -> C:
        public = name or made.__name__
        words = words_of(public, autocast)
        called = explained(made, public, words)
        key = f"{namespace}.{public}" if namespace else public
        if key in FUNCTIONS:
            raise TypeError(
                f"function {key!r} is declared twice: in {FUNCTIONS[key].call.__module__} and {made.__module__}."
            )
        FUNCTIONS[key] = Public(
            called,
            (public, *aliases),
            namespace,
            method=method,
            inplace=inplace,
            overloads=tuple(overloads),
            autocast=words,
        )
        return called

    return mark


def explained(made: C, name: str | None = None, words: dict[str, str] | None = None) -> C:
    """``made``, a plain function over ops, which takes other spellings and says under its own name what is wrong.

    ``words``: those of autocast, if it has some.
    """
    public = name or made.__name__
    arguments = Arguments(made)
    flags = _flags(made, arguments)

    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            try:
                try:
                    for flag, place, normalise in flags:  # or what is no bool would count as True or False in silence
                        value = args[place] if place < len(args) else kwargs.get(flag, True)
                        if value is not True and value is not False:
                            normalise(public, flag, value, 0)
                    if words and (watcher := acting()) is not None:
                        args, kwargs = spread(arguments, bind(public, arguments, args, kwargs))
                        return watcher.call(words, made, args, kwargs)
                    return made(*args, **kwargs)
                except TypeError as error:
                    if not not_bound(error):
                        raise
                args, kwargs = spread(arguments, bind(public, arguments, args, kwargs))
                return made(*args, **kwargs)
            except EXPLAINED as error:
                met = among_levels(error, args, kwargs)
                if met is not None:
                    return called(*met[0], **met[1])
                explain_function(public, made, args, kwargs, error)
                raise
        except TapeloomError as error:
            trim(error)
            raise

    functools.update_wrapper(called, made)
    called.__name__ = called.__qualname__ = public
    return cast("C", called)


def among_levels(
    error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments of a function that refused devices, where these are levels of vmap, so that they meet; else None."""
    if type(error) is not DeviceError or not LEVELS.get():
        return None
    found = together((*args, *kwargs.values()))
    return None if found is None else (found[: len(args)], dict(zip(kwargs, found[len(args) :], strict=True)))


def _flags(made: Callable[..., Any], arguments: Arguments) -> list[tuple[str, int, Any]]:
    """The parameters of a function that are True or False: name, position (beyond all, if by keyword), normaliser."""
    found = []
    for place, name in enumerate(arguments.names):
        role = str(made.__annotations__.get(name))
        if role.removesuffix(" | None") == "bool":
            found.append(
                (name, place if place < arguments.positional else sys.maxsize, Parameter(name, role).normalise)
            )
    return found
