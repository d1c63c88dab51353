"""One call by both libraries, and what differs."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from data import Array, Call, DType, Library, found, name_of

import tapeloom as tl
from tapeloom.errors import TapeloomError

#: how many spacings of the dtype a result may be off at its magnitude; beyond, its conditioning is looked at
SPACINGS = 16.0
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
EPS |= {"complex64": EPS["float32"], "complex128": EPS["float64"], "complex32": EPS["float16"]}
TINY = {"float16": 2.0**-23, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}
TINY |= {"complex64": TINY["float32"], "complex128": TINY["float64"], "complex32": TINY["float16"]}


class Find:
    """A difference: its kind, and what either library gives."""

    def __init__(self, kind: str, ours: Any, theirs: Any, call: Call | None = None) -> None:
        self.kind = kind
        self.ours = ours
        self.theirs = theirs
        self.call = call
        #: the runs of the call, for what the allowed differences look at
        self.runs: Any = None

    def result_dtypes(self) -> set[str]:
        """The dtypes of PyTorch's results."""
        _, run = self.runs
        return {name_of(out.dtype) for out in run.results if isinstance(out, torch.Tensor)}

    def __str__(self) -> str:
        return f"#   tapeloom: {_short(self.ours)}\n#   PyTorch:  {_short(self.theirs)}"


def _short(value: Any) -> str:
    if isinstance(value, BaseException):
        value = f"{type(value).__name__}: {value}"
    return " ".join(str(value).split())[:300]


class Run:
    """What one library makes of a call."""

    error: BaseException | None = None

    def __init__(self, library: Library, call: Call) -> None:
        self.library = library
        self.call = call
        self.leaves: list[Any] = []
        self.tensors: list[Any] = []
        args = [self._there(value) for value in call.args]
        kwargs = {name: self._there(value) for name, value in call.kwargs.items()}
        self.before = [library.host(tensor) for tensor in self.tensors]
        try:
            result = call.subject.of(library)(*args, **kwargs)
            if result is NotImplemented:
                raise TapeloomError("NotImplemented")
        except Exception as error:  # noqa: BLE001 - which it was is what is compared
            self.error = error
            result = None
        if call.subject.base == "__setitem__":
            result = args[0]
        self.results = list(self._flat(result))
        self.values = [library.host(out) if isinstance(out, library.Tensor) else out for out in self.results]
        self.after = [library.host(tensor) for tensor in self.tensors]

    def _there(self, value: Any) -> Any:
        if isinstance(value, Array):
            self.tensors.append(value.make(self.library, self.leaves))
            return self.tensors[-1]
        if isinstance(value, DType):
            return getattr(self.library.module, value.name)
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._there, value))
        return value

    def _flat(self, value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            for item in value:
                yield from self._flat(item)
        elif isinstance(value, (torch.dtype, tl.DType)):
            yield name_of(value)
        else:
            yield value

    def outputs(self) -> list[Any]:
        """The results that a gradient can come back to."""
        return [out for out in self.results if isinstance(out, self.library.Tensor) and out.requires_grad]

    def gradients(self, nudge: Callable[[np.ndarray], np.ndarray] | None = None) -> list[np.ndarray | None]:
        """The gradients of the leaves for fixed gradients of the results, perhaps changed a little; None for zeros."""
        outs = self.outputs()
        values = [weight(out.shape, name_of(out.dtype), number) for number, out in enumerate(outs)]
        weights = [
            self.library.tensor(value if nudge is None else nudge(value), name_of(out.dtype), False)
            for value, out in zip(values, outs, strict=True)
        ]
        grads = self.library.module.autograd.grad(outs, self.leaves, weights, allow_unused=True)
        arrays = [None if grad is None else self.library.host(grad) for grad in grads]
        return [array if array is not None and array.any() else None for array in arrays]

    def shares(self) -> list[list[bool]]:
        """For each tensor among the results whether a write to it changes each of the arguments."""
        found = []
        for out in self.results:
            if not isinstance(out, self.library.Tensor) or not self.library.host(out).size:
                found.append([])
                continue
            before = [self.library.host(tensor) for tensor in self.tensors]
            own = self.library.host(out)
            value = 77 if name_of(out.dtype) != "bool" else not own.flat[0]
            try:
                with self.library.module.no_grad():
                    out.detach()[...] = value
            except (RuntimeError, TypeError):
                found.append([])
                continue
            after = [self.library.host(tensor) for tensor in self.tensors]
            found.append([not same(a, b) for a, b in zip(before, after, strict=True)])
        return found


def weight(shape: Any, dtype: str, number: int) -> np.ndarray:
    """The gradient of a result of this shape."""
    from data import fitted

    angles = np.arange(np.prod(tuple(shape), dtype=int)) * 0.7 + 1 + number
    return fitted((np.exp(1j * angles) if "complex" in dtype else np.cos(angles)).reshape(tuple(shape)), dtype)


def same(a: Any, b: Any) -> bool:
    """Bit for bit the same, but for the kind of nan."""
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))


def near(a: np.ndarray, b: np.ndarray, dtype: str, spacings: float = SPACINGS) -> bool:
    """Whether two results agree up to rounding."""
    if dtype not in EPS:
        return same(a, b)
    if a.dtype.kind == "c":
        return (near(a.real, b.real, dtype, spacings) and near(a.imag, b.imag, dtype, spacings)) or _near_complex(
            a, b, dtype, spacings
        )
    with np.errstate(all="ignore"):
        close = np.abs(a - b) <= spacings * EPS[dtype] * np.abs(b) + 4 * TINY[dtype]
        return bool((close | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def _near_complex(a: np.ndarray, b: np.ndarray, dtype: str, spacings: float) -> bool:
    with np.errstate(all="ignore"):
        close = np.abs(a - b) <= spacings * EPS[dtype] * np.abs(b) + 4 * TINY[dtype]
        return bool((close | (a == b) | (~np.isfinite(a) & ~np.isfinite(b))).all())


def compare(call: Call, ours: Library, theirs: Library) -> tuple[str, Find | None]:
    """What became of the call, "compared" or "refused" by both, and the first thing that differs."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        torch.manual_seed(zlib.crc32(call.subject.name.encode()))
        find, fate = None, "compared"
        their = Run(theirs, call)
        mine = Run(ours, call)
        if mine.error is not None and their.error is not None:
            fate = "refused"
            if not isinstance(mine.error, (TapeloomError, MemoryError)):
                find = Find("not an error of ours", mine.error, their.error)
            elif not all(map(same, mine.before, mine.after)):
                find = Find("a refused call changed its arguments", mine.after, mine.before)
        elif mine.error is not None:
            find = Find("refused here alone", mine.error, their.values)
        elif their.error is not None:
            find = Find("refused by PyTorch alone", mine.values, their.error)
        else:
            find = _results(mine, their) or _effects(mine, their) or _gradients(mine, their) or _sharing(mine, their)
        if find is not None:
            find.call, find.runs = call, (mine, their)
        return fate, find


def _results(mine: Run, their: Run) -> Find | None:
    if len(mine.results) != len(their.results):
        return Find("number of results", len(mine.results), len(their.results))
    for number, (a, b) in enumerate(zip(mine.results, their.results, strict=True)):
        there = isinstance(b, torch.Tensor)
        if isinstance(a, tl.Tensor) != there:
            return Find("what it gives", type(a), type(b))
        if not there:
            plain = mine.call.subject.random or _plain(a, b)
            if not plain:
                return Find("result", a, b)
            continue
        if name_of(a.dtype) != name_of(b.dtype):
            return Find("dtype", a.dtype, b.dtype)
        if tuple(a.shape) != tuple(b.shape):
            return Find("shape", tuple(a.shape), tuple(b.shape))
        if a.requires_grad != b.requires_grad:
            return Find("requires_grad", a.requires_grad, b.requires_grad)
        x, y = mine.values[number], their.values[number]
        if not mine.call.subject.random and not near(x, y, name_of(b.dtype)) and not _excused(mine, their, number):
            return Find("values", x.tolist(), y.tolist())
    return None


def _plain(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and same(a, b)
    if isinstance(a, (float, complex)) and type(a) is type(b):
        return a == b or abs(a - b) <= 1e-6 * abs(b) or (a != a and b != b)
    return a == b and type(a) is type(b)


def _effects(mine: Run, their: Run) -> Find | None:
    if mine.call.subject.random:
        return None
    for number, (x, y) in enumerate(zip(mine.after, their.after, strict=True)):
        changed = not same(x, mine.before[number]), not same(y, their.before[number])
        if changed[0] != changed[1]:
            return Find(f"whether argument {number} is changed", changed[0], changed[1])
        if (
            changed[0]
            and not near(x, y, name_of(their.tensors[number].dtype))
            and mine.call.subject.base != "__setitem__"
            and number
        ):
            return Find(f"argument {number} after the call", x.tolist(), y.tolist())
    return None


def _gradients(mine: Run, their: Run) -> Find | None:
    if not their.outputs() or not their.leaves or mine.call.subject.random:
        return None
    results: list[Any] = []
    for run in (mine, their):
        try:
            results.append(run.gradients())
        except Exception as error:  # noqa: BLE001 - it is what is compared
            results.append(error)
    ours, theirs = results
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        if isinstance(theirs, Exception) and isinstance(ours, Exception):
            return None
        return Find("gradient, refused", ours, theirs)
    for number, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        if x is None and y is None:
            continue
        shape = tuple(mine.leaves[number].shape)
        x, y = np.zeros(shape) if x is None else x, np.zeros(shape) if y is None else y
        if not near(x, y, name_of(their.leaves[number].dtype)) and not _excused(mine, their, number, gradient=True):
            return Find(f"gradient of leaf {number}", x.tolist(), y.tolist())
    return None


def _sharing(mine: Run, their: Run) -> Find | None:
    if not mine.tensors:
        return None
    for ours, theirs in zip(mine.shares(), their.shares(), strict=True):
        if ours and theirs and ours != theirs:
            return Find("which arguments a write to the result changes", ours, theirs)
    return None


# An ill-conditioned result is judged by what a change of its inputs by one spacing does to it in float64.


def _excused(mine: Run, their: Run, number: int, gradient: bool = False) -> bool:
    def of(run: Run, nudge: Any = None) -> np.ndarray:
        if not gradient:
            return run.values[number]
        found = run.gradients(nudge)[number]
        return np.zeros(tuple(run.leaves[number].shape)) if found is None else found

    dtype = name_of((their.leaves if gradient else their.results)[number].dtype)
    if dtype not in EPS:
        return False
    # an expanded argument is judged element by element; its gradient is that of its base
    call = _widened(their.call if gradient else their.call.mapped(lambda array: array.seen()))
    named = [item.name for item in found([*their.call.args, *their.call.kwargs.values()], DType)]
    eps = max(EPS.get(name, 0.0) for name in [dtype, *named, *(array.dtype for array in their.call.arrays())])
    library = their.library
    rng = np.random.default_rng(0)

    def nudge(values: np.ndarray) -> np.ndarray:
        return np.asarray(
            values * (1 + eps * rng.choice([-1.0, 1.0], values.shape) * rng.uniform(0.5, 1.0, values.shape))
        )

    def nudged(array: Array) -> Array:
        return array.but(values=nudge(array.values)) if array.dtype in EPS else array

    if gradient:
        mine, their = _again(mine), _again(their)
    try:
        exact = of(Run(library, call))
        spread = np.zeros(exact.shape)
        for _ in range(4):
            spread = np.maximum(spread, np.abs(of(Run(library, call.mapped(nudged)), nudge) - exact))
        x, y = of(mine), of(their)
    except Exception:  # noqa: BLE001 - then there is nothing to excuse it by
        return False
    if exact.shape != x.shape:
        return False
    room = 16 * spread + 16 * eps * np.abs(exact) + 4 * TINY[dtype]
    room = np.maximum(room, 4 * np.nan_to_num(np.abs(y - exact), nan=0.0, posinf=0.0))
    return bool(((np.abs(x - exact) <= room) | (x == y) | (np.isnan(x) & np.isnan(y))).all())


def _widened(call: Call) -> Call:
    """The call in float64 or complex128, what it says of dtypes included."""

    def wider(name: str) -> str:
        return ("complex128" if "complex" in name else "float64") if name in EPS else name

    def walk(value: Any) -> Any:
        if isinstance(value, DType):
            return DType(wider(value.name))
        return type(value)(map(walk, value)) if isinstance(value, (list, tuple)) else value

    wide = call.mapped(lambda array: array.but(dtype=wider(array.dtype)))
    return Call(wide.subject, walk(wide.args), {name: walk(value) for name, value in wide.kwargs.items()}, wide.number)


def _again(run: Run) -> Run:
    return Run(run.library, run.call)
