"""The checks of the suite: each takes a row of the table and a device, and raises AssertionError saying what is wrong."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes, host
from tapeloom.dtypes import DType
from tapeloom.errors import UnsupportedError
from tapeloom.tensors.tensor import Tensor
from tapeloom.testing.gradients import gradcheck, gradgradcheck
from tapeloom.testing.table import Case, Row, expected_dtype

_WIDE = {dtypes.COMPLEX: np.complex128, dtypes.FLOATING: np.float64, dtypes.INTEGER: np.int64, dtypes.BOOL: np.bool_}


# values


def check_values(row: Row, dtype: DType, device: Any, few: bool = False) -> None:
    """Every case of the row (see ``Row.cases_for``): value, shape, dtype and device of the result."""
    for case in row.cases_for(dtype, few):
        args, kwargs = case.arguments(dtype)
        given, there = _watched()
        got = called(row, args, kwargs, device, dtype, there)
        compare(case, dtype, got, expected(case, args, kwargs), args, kwargs, device)
        for tensor, value in given:
            assert _equal(tensor.numpy(force=True), value), (
                f"{case} for {dtype.name} on {device}: the kernel changed an input."
            )


def _watched() -> tuple[list[tuple[Tensor, Any]], Any]:
    """A list that fills with (tensor, its values), and what makes tensors and writes them there."""
    given: list[tuple[Tensor, Any]] = []

    def there(value: Any, device: Any) -> Tensor:
        given.append((tl.tensor(value, device=device), value))
        return given[-1][0]

    return given, there


def check_layouts(row: Row, dtype: DType, device: Any) -> None:
    """The same values through views: permuted, sliced out of something larger, broadcast."""
    for case in row.cases:
        if case.only is not None and dtype not in case.only:
            continue
        args, kwargs = case.arguments(dtype)
        want = expected(case, args, kwargs)
        for layout in (_permuted, _sliced):
            got = called(row, args, kwargs, device, dtype, layout)
            compare(case, dtype, got, want, args, kwargs, device, f" with {layout.__name__[1:]} inputs")


def called(row: Row, args: Any, kwargs: Any, device: Any, dtype: DType, layout: Any = None) -> tuple[Any, ...]:
    """The results of the row's call on host arrays, as a tuple."""

    def there(value: Any) -> Any:
        return tl.tensor(value, device=device) if layout is None else layout(value, device)

    own = [moved(item, there) for item in args]
    named = {name: moved(item, there) for name, item in kwargs.items()}
    if row.maker:
        named = {"dtype": dtype, "device": device} | named
    result = row.call(*own, **named)
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def moved(argument: Any, there: Any) -> Any:
    """``argument`` with each host array in it, also within a list, turned into what ``there`` makes of it."""
    if isinstance(argument, (np.ndarray, np.generic)):
        return there(argument)
    if isinstance(argument, list):
        return [moved(item, there) for item in argument]
    return argument


def _permuted(value: Any, device: Any) -> Tensor:
    order = tuple(range(value.ndim - 1, -1, -1))
    return (
        tl.tensor(np.ascontiguousarray(value.T), device=device).permute(order)
        if value.ndim > 1
        else _sliced(value, device)
    )


def _sliced(value: Any, device: Any) -> Tensor:
    if not value.ndim:
        return tl.tensor(np.stack([value, value]), device=device)[1]
    spread = np.repeat(np.repeat(value, 2, axis=-1), 2, axis=0)
    return (
        tl.tensor(spread, device=device)[::2][..., ::2]
        if value.ndim > 1
        else tl.tensor(np.repeat(value, 2), device=device)[::2]
    )


def expected(case: Case, args: Any, kwargs: Any) -> tuple[Any, ...]:
    """The expected results, in complex128, float64, int64 and bool."""
    if case.expect is not None:
        wanted = case.expect
    else:
        wanted = case.row.reference(*_wide(args), **{name: _wide(value) for name, value in kwargs.items()})
    if not isinstance(wanted, tuple):
        wanted = (wanted,)
    return tuple(value if isinstance(value, Tensor) else np.asarray(value) for value in wanted)


def _wide(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value, _WIDE[host.dtype_of(value).category])
    return [_wide(item) for item in value] if isinstance(value, list) else value


def compare(case: Case, dtype: DType, got: Any, want: Any, args: Any, kwargs: Any, device: Any, note: str = "") -> None:
    """Results against expectations: how many, shape, dtype, device, values within the row's budget."""
    row = case.row
    where = f"{case} for {dtype.name} on {device}{note}"
    assert len(got) == len(want), f"{where}: {len(got)} results came, {len(want)} were expected."
    promoted = _promoted(case, dtype)
    for number, (result, value) in enumerate(zip(got, want, strict=True)):
        which = where if len(want) == 1 else f"{where}, result {number}"
        if not isinstance(result, Tensor):
            assert result == value.item(), f"{which}: {result!r} came, {value.item()!r} was expected."
            continue
        rule = row.gives[number] if isinstance(row.gives, tuple) else row.gives
        rule = case.kwargs.get("dtype") or rule
        if rule == "cast":  # the dtype is an argument
            rule = next(item for item in case.args if isinstance(item, DType))
        if rule == "first":
            rule = next(case.inputs()).takes(dtype)
        kind = expected_dtype(rule, promoted)
        assert result.dtype is kind, f"{which}: the result is {result.dtype.name}, {kind.name} was expected."
        assert str(result.device) == str(device), f"{which}: the result is on {result.device}."
        assert result.shape == value.shape, f"{which}: the shape is {result.shape}, {value.shape} was expected."
        compare_values(which, kind, result, value, row, args, kwargs, number)


def _promoted(case: Case, dtype: DType) -> DType:
    """The dtype that the values of a case promote to."""
    given = [spec.takes(dtype) for spec in case.inputs() if spec.kind in "TV"]
    if not given:
        return dtype
    result = given[0]
    for other in given[1:]:
        result = dtypes.promote_types(result, other)
    return result


def compare_values(
    which: str, kind: DType, result: Tensor, want: Any, row: Row, args: Any, kwargs: Any, number: int, factor: int = 1
) -> None:
    """``result`` is within the row's budget of ``want``, element by element; nan and infinities are exactly so."""
    got = result.numpy(force=True)
    assert got.dtype == host.native(kind), f"{which}: the tensor says {kind.name}, but its array holds {got.dtype}."
    if not kind.inexact:
        assert np.array_equal(got, want), f"{which}:\n{got}\ncame,\n{want}\nwas expected."
        return
    wide: Any = _WIDE[kind.category]
    exact, got = np.asarray(want, wide), got.astype(wide)
    with np.errstate(all="ignore"):
        rounded: Any = exact.astype(host.native(kind)).astype(wide)  # overflows where the dtype does
        scale = np.abs(exact)
        if row.magnitude is not None:
            largest = row.magnitude(*_magnitudes(args), **{name: _magnitudes(v) for name, v in kwargs.items()})
            largest = largest[number] if isinstance(largest, tuple) else largest
            scale = np.maximum(scale, np.abs(largest))
        slack = factor * row.budget * kind.eps * np.maximum(scale, kind.smallest_normal)
        near = np.isfinite(exact) & np.isfinite(slack) & (np.abs(got - exact) <= slack)  # nothing is near infinity
        fine = (got == rounded) | (np.isnan(got) & np.isnan(exact)) | near
    if not fine.all():
        place = tuple(int(i) for i in np.argwhere(~fine)[0])
        error = abs(got[place] - exact[place]) / (
            kind.eps * max(float(np.broadcast_to(scale, got.shape)[place]), 1e-300)
        )
        raise AssertionError(
            f"{which}: at {place} {got[place]!r} came and {exact[place]!r} was expected, {error:.1f} spacings apart where "
            f"{row.budget} are allowed; {int((~fine).sum())} of {fine.size} values differ."
        )


def _magnitudes(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        wide = _wide(value)
        return np.abs(wide) if wide.dtype.kind in "fc" else wide
    return [_magnitudes(item) for item in value] if isinstance(value, list) else value


# gradients


def gradient_cases(row: Row, most: int | None = None) -> list[tuple[Case, DType]]:
    """The cases whose gradients are checked: (the first ``most``) in float64, and one in complex128."""

    def cases(dtype: DType) -> list[tuple[Case, DType]]:
        return [(case, dtype) for case in row.cases if dtype in row.dtypes and _has_gradient(case, dtype)]

    return cases(dtypes.float64)[:most] + cases(dtypes.complex128)[:1]


def _has_gradient(case: Case, dtype: DType) -> bool:
    if not case.grad or (case.only is not None and dtype not in case.only):
        return False
    return any(spec.kind in "TV" for spec in case.inputs())


#: what each case need not be checked for: walks of the same tape again
_ONE_WALK: dict[str, Any] = {"nondet_tol": math.inf, "check_undefined_grad": False}


def check_gradient(row: Row, order: int, device: Any, most: int | None = None) -> None:
    """First (``order`` 1) or second derivatives of every case (or the first ``most``) against differences."""
    for case, dtype in gradient_cases(row, most):
        function, tensors = function_of(case, device, dtype)
        if not tensors:
            continue
        check = gradcheck if order == 1 else gradgradcheck
        try:
            check(function, tensors, eps=1e-5, atol=1e-6, rtol=1e-6, fast_mode=True, **_ONE_WALK)
        except Exception as error:
            error.add_note(f"{case} for {dtype.name} on {device}, derivative of order {order}")
            raise


def check_partial_gradients(row: Row, device: Any) -> None:
    """Each input's gradient is the same whether it alone needs one or all do.

    But for the last places: a compiler may fuse the same steps in another way where it computes more of them.
    """
    for case, dtype in gradient_cases(row, 1):
        function, tensors = function_of(case, device, dtype)
        if len(tensors) < 2:
            continue
        whole = _gradients(function, tensors, range(len(tensors)))
        for number in range(len(tensors)):
            alone = _gradients(function, tensors, [number])[number]
            if alone is None or whole[number] is None:
                assert alone is whole[number], f"{case} on {device}: input {number} gets a gradient only beside others."
                continue
            fine = 8 * np.finfo(alone.dtype).eps
            largest = np.abs(alone, where=np.isfinite(alone), out=np.zeros(alone.shape)).max(initial=0.0)
            assert np.allclose(alone, whole[number], rtol=fine, atol=fine * largest, equal_nan=True), (
                f"{case} on {device}: the gradient of input {number} differs when it alone needs one:\n"
                f"{alone}\nagainst\n{whole[number]}"
            )


def check_gradient_dtypes(row: Row, kinds: list[DType], device: Any) -> None:
    """Gradients have the dtype of their tensor, in each narrower dtype, and the values of the precise gradient."""
    for case, precise in gradient_cases(row, 1):
        function, tensors = function_of(case, device, precise)
        if not tensors:
            continue
        exact = _gradients(function, tensors, range(len(tensors)))
        narrower = (dtypes.complex64,) if precise.is_complex else dtypes.FLOATS[:3]
        for dtype in (kind for kind in narrower if kind in kinds):
            narrow = [tensor.detach().to(dtype) for tensor in tensors]
            for number, (got, want) in enumerate(
                zip(_gradients(function, narrow, range(len(narrow))), exact, strict=True)
            ):
                where = f"{case} on {device}: the {dtype.name} gradient of input {number}"
                if want is None:
                    continue
                assert got is not None, f"{where} is missing."
                assert got.dtype == host.native(dtype), f"{where} holds {got.dtype}."
                error = np.abs(got.astype(want.dtype) - want).max(initial=0.0)
                most = 64 * dtype.eps * max(1.0, np.abs(want).max(initial=0.0))
                assert error <= most, f"{where} is off by {error:.3g}, {most:.3g} is allowed:\n{got}\nagainst\n{want}"


def _gradients(function: Any, tensors: list[Tensor], needed: Any) -> list[Any]:
    """The gradients of ``tensors``, of which only ``needed`` need one, for fixed gradients of the results."""
    fresh = [tensor.detach().clone().requires_grad_(i in needed) for i, tensor in enumerate(tensors)]
    reached = [(number, out) for number, out in enumerate(function(*fresh)) if out.requires_grad]
    if reached:
        weights = [_weights(out, number) for number, out in reached]
        upstream = [
            tl.tensor(w, dtype=out.dtype, device=out.device) for w, (_, out) in zip(weights, reached, strict=True)
        ]
        tl.autograd.backward([out for _, out in reached], upstream)
    return [None if tensor.grad is None else tensor.grad.numpy(force=True) for tensor in fresh]


def _weights(out: Tensor, number: int) -> Any:
    """A fixed gradient of the result ``number``, without a pattern that a wrong gradient could share."""
    angles = np.arange(out.numel()) * 0.25 + number
    return (np.exp(1j * angles) if out.is_complex() else np.cos(angles)).reshape(out.shape)


def function_of(case: Case, device: Any, dtype: DType = dtypes.float64) -> tuple[Any, list[Tensor]]:
    """The case as a function of its tensors of ``dtype``, and those tensors as leaves that need a gradient."""
    row = case.row
    args, kwargs = case.arguments(dtype)
    leaves: list[Tensor] = []
    specs = case.inputs()

    def there(value: Any) -> Any:
        made = tl.tensor(value, device=device)
        if next(specs).grad and made.dtype is dtype:
            leaves.append(made.requires_grad_())
            return _Place(len(leaves) - 1)
        return made

    own = [moved(item, there) for item in args]
    named = {name: moved(item, there) for name, item in kwargs.items()}

    def function(*tensors: Tensor) -> list[Tensor]:
        def filled(argument: Any) -> Any:
            if isinstance(argument, _Place):
                return tensors[argument.number]
            return [filled(item) for item in argument] if isinstance(argument, list) else argument

        result = row.call(*[filled(item) for item in own], **{name: filled(item) for name, item in named.items()})
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        return [out for out in results if isinstance(out, Tensor) and out.dtype.inexact]

    return function, leaves


class _Place:
    """Stands for a tensor that is filled in at each call."""

    def __init__(self, number: int) -> None:
        self.number = number


# in place


def check_inplace(row: Row, device: Any) -> None:
    """The form ``name_``: the same handle with the values of the op, seen by views; nothing kept is overwritten."""
    op = row.op
    for dtype in (dtypes.float32, dtypes.int64, dtypes.complex64):
        if dtype not in row.dtypes or expected_dtype(row.gives, dtype) is not dtype:
            continue
        for case in row.cases_for(dtype):
            args, kwargs = case.arguments(dtype)
            want = called(row, args, kwargs, device, dtype)[0]
            tensors = [moved(item, lambda value: tl.tensor(value, device=device)) for item in args]
            named = {name: moved(v, lambda value: tl.tensor(value, device=device)) for name, v in kwargs.items()}
            target = tensors[0]
            if not isinstance(target, Tensor):
                continue
            if target.shape != want.shape or target.dtype is not want.dtype:
                continue
            shared, before = target.detach(), target.numpy(force=True).copy()
            kept = target.clone()
            result = getattr(target, f"{op.name}_")(*tensors[1:], **named)
            where = f"{op.name}_ of {case} for {dtype.name} on {device}"
            assert result is target, f"{where}: it must return the tensor itself."
            assert _same(target, want), f"{where}: {target} came, {want} was expected."
            assert _same(shared, want), f"{where}: a detached handle must see the new values."
            assert np.array_equal(kept.numpy(force=True), before, equal_nan=True), f"{where}: a clone was changed."


def _same(x: Tensor, y: Tensor) -> bool:
    if x.dtype is not y.dtype or x.shape != y.shape:
        return False
    return _equal(x.numpy(force=True), y.numpy(force=True))


def _equal(a: Any, b: Any) -> bool:
    wide = np.complex128 if np.iscomplexobj(a) or np.iscomplexobj(b) else np.float64
    return np.array_equal(np.asarray(a, wide), np.asarray(b, wide), equal_nan=True)


# spellings


def check_spellings(row: Row, device: Any) -> None:
    """Every public name of the op, and the method where it has one, does the same."""
    op: Any = row.op
    case, public = row.cases[0], op.public
    dtype = dtypes.float32 if dtypes.float32 in row.dtypes else row.dtypes[0]
    for name in public.names:
        if public.method:
            assert hasattr(Tensor, name), f"{op.name}: Tensor has no method {name!r}."
        if public.inplace:
            assert hasattr(Tensor, f"{name}_"), f"{op.name}: Tensor has no method '{name}_'."
        if public.namespace == "":
            assert getattr(tl, name) is op, f"{op.name}: tapeloom.{name} is something else."
        elif public.namespace is None:
            found: Any = getattr(tl, name, None)
            assert found is not op, f"{op.name}: a primitive is public as tapeloom.{name}."
    if public.method and not row.maker:
        args, kwargs = case.arguments(dtype)
        want = called(row, args, kwargs, device, dtype)
        own = [moved(item, lambda value: tl.tensor(value, device=device)) for item in args]
        named = {name: moved(v, lambda value: tl.tensor(value, device=device)) for name, v in kwargs.items()}
        got = getattr(own[0], op.name)(*own[1:], **named)
        for a, b in zip(got if isinstance(got, tuple) else (got,), want, strict=True):
            assert _same(a, b), f"{case} as a method on {device}: {a} came, {b} was expected."


# refusals


def check_failures(row: Row, device: Any) -> None:
    """The calls that must be refused: the exception's class and its whole message; what was given stays as it was."""
    for failure in row.failures:
        case = failure.case
        args, kwargs = case.arguments(failure.dtype)
        given, there = _watched()
        call = functools.partial(called, row, args, kwargs, device, failure.dtype, there)
        refused(call, failure.raises, failure.says, f"{case} on {device}")
        for tensor, value in given:
            assert _equal(tensor.numpy(force=True), value), f"{case} on {device}: it was refused, and changed an input."


def refused(call: Any, raises: type[Exception], says: str, where: str) -> None:
    """``call()`` raises just ``raises`` with just the message ``says``."""
    try:
        result = call()
    except Exception as error:
        if isinstance(error, UnsupportedError) and error.lacking:
            raise  # the caller knows what the device may lack
        came = error
    else:
        raise AssertionError(f"{where}: {result!r} came, {raises.__name__} was expected: {says}")
    assert type(came) is raises, f"{where}: {type(came).__name__} came, {raises.__name__} was expected: {came}"
    assert str(came) == says, f"{where}: the message is\n{came}\nand should be\n{says}"


def tensors_of(case: Case, dtype: DType, device: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments and keywords of a case with its tensors on ``device``."""
    args, kwargs = case.arguments(dtype)

    def there(value: Any) -> Tensor:
        return tl.tensor(value, device=device)

    return [moved(item, there) for item in args], {name: moved(item, there) for name, item in kwargs.items()}
