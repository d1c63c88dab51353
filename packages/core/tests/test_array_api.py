"""``tapeloom.array_api`` beside array-api-strict: every name, every signature, and values on samples."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import array_api
from tapeloom.errors import ArgumentError

strict = pytest.importorskip("array_api_strict")
EXTENSIONS = ("", "linalg", "fft")
#: what array-api-strict has for itself
OWN = {"Device", "__version__"}
#: what the standard has since 2025.12 and array-api-strict does not
LATER = {"linalg.eig", "linalg.eigvals"}


def namespaces(extension: str) -> tuple[Any, Any]:
    return (getattr(array_api, extension), getattr(strict, extension)) if extension else (array_api, strict)


def names(extension: str) -> list[str]:
    return sorted(name for name in namespaces(extension)[1].__all__ if "strict" not in name.lower() and name not in OWN)


ALL = [f"{extension}.{name}".lstrip(".") for extension in EXTENSIONS for name in names(extension)]


def found(name: str) -> tuple[Any, Any]:
    extension, _, last = name.rpartition(".")
    ours, theirs = namespaces(extension)
    return getattr(ours, last), getattr(theirs, last)


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    undefined = type(inspect.signature(strict.astype).parameters["device"].default)
    return [
        (each.name, each.kind, None if isinstance(each.default, undefined) else each.default)
        for each in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize("name", ALL)
def test_every_name_is_there_with_its_signature(name: str) -> None:
    ours, theirs = found(name)
    if inspect.isfunction(theirs) or inspect.isclass(theirs):
        assert parameters(ours) == parameters(theirs)
        assert ours.__name__ == name.rpartition(".")[2]
        assert ours.__doc__


def test_no_name_is_there_that_the_standard_does_not_have() -> None:
    for extension in ("linalg", "fft"):
        extra = {f"{extension}.{name}" for name in set(namespaces(extension)[0].__all__) - set(names(extension))}
        assert extra <= LATER


# values: each call is made twice, with tensors and with strict's arrays in their place

F = np.array([[0.5, -1.5, 2.0], [2.5, 0.25, -0.75]])
G = np.array([[1.5, 2.0, -0.5], [0.5, 3.0, 1.0]])
P = np.array([[0.1, 0.9, 0.3], [0.7, 0.2, 0.6]])
I = np.array([[3, -1, 2], [0, 7, 2]])
J = np.array([[1, 2, 3], [2, 4, 1]])
U = np.array([[200, 100], [250, 3]], np.uint8)
B = np.array([[True, False, True], [True, True, True]])
C = np.array([[1 + 2j, -0.5j, 3], [0.25 - 1j, 1, 2j]])
S = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])
V = np.array([3.0, 1.0, 2.0, 1.0, 3.0, 3.0])
LIST = np.array([2, 0, 1])
D = np.array(2.5)
X = np.array([np.inf, -np.inf, np.nan, 1.0])

ONE = {
    "abs": (F, I, C), "acos": (P, C), "acosh": (P + 1, C), "asin": (P, C), "asinh": (F, C), "atan": (F, C), "atanh": (P, C), "bitwise_invert": (I, B),
    "ceil": (F, I), "conj": (C, F), "cos": (F, C), "cosh": (F, C), "exp": (F, C), "expm1": (F, C), "floor": (F, I), "imag": (C,), "isfinite": (X, I, C),
    "isinf": (X, I, C), "isnan": (X, I, C), "log": (G * G, C), "log10": (P, C), "log1p": (P, C), "log2": (P, C), "logical_not": (B,), "negative": (F, I, C),
    "positive": (F, I), "real": (C, F), "reciprocal": (F, C), "round": (F, I, C), "sign": (F, I, C), "signbit": (F, -0.0 * F), "sin": (F, C), "sinh": (F, C),
    "sqrt": (P, C), "square": (F, I, C), "tan": (F, C), "tanh": (F, C), "trunc": (F, I),
}  # fmt: skip
TWO = {
    "add": [(F, G), (F, 2), (2, F), (I, J), (F, D), (C, F)], "atan2": [(F, G)], "bitwise_and": [(I, J), (B, True)], "bitwise_left_shift": [(J, 2)],
    "bitwise_or": [(I, J)], "bitwise_right_shift": [(I, 1), (I, J)], "bitwise_xor": [(I, J), (B, B)], "copysign": [(F, G), (F, -1.0)], "divide": [(F, G), (1.0, F)],
    "equal": [(F, 0.5), (I, J)], "floor_divide": [(F, G), (I, J), (I, 2)], "greater": [(F, G), (0, I)], "greater_equal": [(F, G)], "hypot": [(F, G)],
    "less": [(F, G)], "less_equal": [(F, 0.5)], "logaddexp": [(F, G)], "logical_and": [(B, B)], "logical_or": [(B, False)], "logical_xor": [(B, True)],
    "maximum": [(F, G), (F, 0.0), (I, J)], "minimum": [(F, G), (I, 1)], "multiply": [(F, G), (I, J), (U, U)], "nextafter": [(F, G)], "not_equal": [(I, J)],
    "pow": [(G * G, F), (I, 2), (2, J)], "remainder": [(F, G), (I, J), (I, -2)], "subtract": [(F, G), (1, I)],
}  # fmt: skip


def calls() -> Any:
    for name, inputs in ONE.items():
        for x in inputs:
            yield name, lambda xp, a, n=name, x=x: getattr(xp, n)(a(x))
    for name, pairs in TWO.items():
        for x, y in pairs:
            yield name, lambda xp, a, n=name, x=x, y=y: getattr(xp, n)(a(x), a(y))


def reduce_calls() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, inputs in {
        "sum": (F, I, U, C), "prod": (F, J, C), "max": (F, I, U), "min": (F, I), "mean": (F, C), "std": (F,), "var": (F,),
        "all": (B, F), "any": (B, I), "count_nonzero": (I, B),
    }.items():  # fmt: skip
        for number, x in enumerate(inputs):
            for settings in ({}, {"axis": 0}, {"axis": (0, 1), "keepdims": True}, {"axis": -1, "keepdims": True}):
                made[f"{name} {number} {settings}"] = lambda xp, a, n=name, x=x, s=settings: getattr(xp, n)(a(x), **s)
    return made


OTHER: dict[str, Any] = {
    **{f"{n} {i}": c for i, (n, c) in enumerate(calls())},
    **reduce_calls(),
    "sum over no axis": lambda xp, a: xp.sum(a(F), axis=()),
    "sum dtype": lambda xp, a: xp.sum(a(I), dtype=xp.float64, axis=1),
    "prod dtype": lambda xp, a: xp.prod(a(J), dtype=xp.int32),
    "std correction": lambda xp, a: xp.std(a(F), axis=1, correction=1.0),
    "clip": lambda xp, a: xp.clip(a(F), -1.0, a(G)),
    "clip one": lambda xp, a: xp.clip(a(I), max=2),
    "clip none": lambda xp, a: xp.clip(a(I)),
    "cumulative_sum": lambda xp, a: [xp.cumulative_sum(a(F), axis=1), xp.cumulative_sum(a(V)), xp.cumulative_sum(a(U), axis=0)],
    "cumulative_sum initial": lambda xp, a: xp.cumulative_sum(a(I), axis=0, include_initial=True, dtype=xp.float32),
    "cumulative_prod": lambda xp, a: xp.cumulative_prod(a(F), axis=-1, include_initial=True),
    "diff": lambda xp, a: [xp.diff(a(V)), xp.diff(a(F), axis=0), xp.diff(a(V), n=2, prepend=a(V[:1]))],
    "argmax": lambda xp, a: [xp.argmax(a(F)), xp.argmax(a(F), axis=0), xp.argmax(a(F), keepdims=True)],
    "argmin": lambda xp, a: [xp.argmin(a(F)), xp.argmin(a(F), axis=1, keepdims=True)],
    "argsort": lambda xp, a: [xp.argsort(a(V)), xp.argsort(a(V), descending=True), xp.argsort(a(F), axis=0)],
    "sort": lambda xp, a: [xp.sort(a(V)), xp.sort(a(F), axis=0, descending=True), xp.sort(a(U), stable=False)],
    # without invert, which array-api-strict 2.6 does not heed
    "isin": lambda xp, a: [xp.isin(a(I), a(J)), xp.isin(a(I), 7), xp.isin(2, a(I))],
    "nonzero": lambda xp, a: list(xp.nonzero(a(I))),
    "searchsorted": lambda xp, a: [
        xp.searchsorted(a(np.sort(V)), a(F)), xp.searchsorted(a(np.sort(V)), 1.0, side="right"),
        xp.searchsorted(a(V), a(F), sorter=a(np.argsort(V))),
    ],
    "take": lambda xp, a: [xp.take(a(V), a(LIST)), xp.take(a(F), a(LIST - 2), axis=1)],
    "take_along_axis": lambda xp, a: [xp.take_along_axis(a(F), a(np.argsort(F))), xp.take_along_axis(a(F), a(np.array([[0, 1, 0]])), axis=0)],
    "unique_all": lambda xp, a: [*xp.unique_all(a(V)), *xp.unique_all(a(I))],
    "unique_counts": lambda xp, a: list(xp.unique_counts(a(V))),
    "unique_inverse": lambda xp, a: list(xp.unique_inverse(a(I))),
    "unique_values": lambda xp, a: xp.unique_values(a(I)),
    "where": lambda xp, a: [xp.where(a(B), a(F), a(G)), xp.where(a(B), 1.0, a(G)), xp.where(a(B), a(I), 0)],
    "arange": lambda xp, a: [xp.arange(5), xp.arange(1, 6, 2), xp.arange(5, 1), xp.arange(3, 0, -1), xp.arange(4, dtype=xp.float64)],
    "asarray": lambda xp, a: [xp.asarray([[1, 2], [3, 4]]), xp.asarray(2.0, dtype=xp.float64), xp.asarray(a(F), copy=True), xp.asarray(True)],
    "eye": lambda xp, a: [xp.eye(3, dtype=xp.float64), xp.eye(2, 4, k=1, dtype=xp.int64), xp.eye(3, k=-1, dtype=xp.float64)],
    "full": lambda xp, a: [xp.full((2, 3), 7), xp.full(3, True), xp.full((), 1.5, dtype=xp.float32), xp.full_like(a(I), 4)],
    "empty": lambda xp, a: [0 * xp.empty((2, 3), dtype=xp.int32), 0 * xp.empty_like(a(I))],
    "zeros": lambda xp, a: [xp.zeros((2, 0), dtype=xp.int8), xp.zeros(2, dtype=xp.float64), xp.zeros_like(a(F)), xp.zeros_like(a(F), dtype=xp.bool)],
    "ones": lambda xp, a: [xp.ones((2, 2), dtype=xp.uint8), xp.ones_like(a(C))],
    "linspace": lambda xp, a: [xp.linspace(0, 1, 5, dtype=xp.float64), xp.linspace(0.0, 2.0, 4, endpoint=False, dtype=xp.float64)],
    "meshgrid": lambda xp, a: [*xp.meshgrid(a(V), a(V[:2])), *xp.meshgrid(a(V), a(V[:2]), indexing="ij")],
    "tril": lambda xp, a: [xp.tril(a(F)), xp.tril(a(I), k=1)],
    "triu": lambda xp, a: [xp.triu(a(F)), xp.triu(a(I), k=-1)],
    "astype": lambda xp, a: [xp.astype(a(I), xp.float32), xp.astype(a(F), xp.int64), xp.astype(a(F), xp.float64, copy=False)],
    "broadcast_arrays": lambda xp, a: list(xp.broadcast_arrays(a(F), a(D), a(F[:1]))),
    "broadcast_shapes": lambda xp, a: a(np.array(xp.broadcast_shapes((2, 1), (3,), ()))),
    "broadcast_to": lambda xp, a: xp.broadcast_to(a(LIST), (2, 3)),
    "concat": lambda xp, a: [xp.concat([a(F), a(G)]), xp.concat((a(F), a(V)), axis=None), xp.concat([a(U), a(U)], axis=1)],
    "expand_dims": lambda xp, a: [xp.expand_dims(a(F), 0), xp.expand_dims(a(F), axis=-1), xp.expand_dims(a(F), axis=1)],
    "flip": lambda xp, a: [xp.flip(a(F)), xp.flip(a(F), axis=1), xp.flip(a(F), axis=(0, -1))],
    "moveaxis": lambda xp, a: [xp.moveaxis(a(F[None]), 0, 2), xp.moveaxis(a(F[None]), (0, 1), (-1, 0))],
    "permute_dims": lambda xp, a: xp.permute_dims(a(F[None]), (2, 0, 1)),
    "repeat": lambda xp, a: [xp.repeat(a(F), 2), xp.repeat(a(F), 3, axis=0), xp.repeat(a(F), a(np.array([2, 0])), axis=0)],
    "reshape": lambda xp, a: [xp.reshape(a(F), (3, 2)), xp.reshape(a(F), (-1,), copy=True)],
    "roll": lambda xp, a: [xp.roll(a(F), 1), xp.roll(a(F), -1, axis=1), xp.roll(a(F), (1, 2), axis=(0, 1)), xp.roll(a(F), 1, axis=(0, 1))],
    "squeeze": lambda xp, a: [xp.squeeze(a(F[None]), 0), xp.squeeze(a(F[None, :, None]), axis=(0, -2))],
    "stack": lambda xp, a: [xp.stack([a(F), a(G)]), xp.stack((a(F), a(G)), axis=-1)],
    "tile": lambda xp, a: [xp.tile(a(F), (2, 1)), xp.tile(a(V), (2, 1, 2))],
    "unstack": lambda xp, a: [*xp.unstack(a(F)), *xp.unstack(a(F), axis=1)],
    "matmul": lambda xp, a: [xp.matmul(a(F), a(S)), xp.matmul(a(S), a(F[0]))],
    "matrix_transpose": lambda xp, a: xp.matrix_transpose(a(F[None])),
    "tensordot": lambda xp, a: [xp.tensordot(a(F), a(G)), xp.tensordot(a(F), a(G), axes=([1], [1])), xp.tensordot(a(F), a(G), axes=0)],
    "vecdot": lambda xp, a: [xp.vecdot(a(F), a(G)), xp.vecdot(a(C), a(C)), xp.vecdot(a(F), a(G), axis=-2)],
    "linalg.cholesky": lambda xp, a: [xp.linalg.cholesky(a(S)), xp.linalg.cholesky(a(S), upper=True)],
    "linalg.cross": lambda xp, a: xp.linalg.cross(a(F), a(G)),
    "linalg.det": lambda xp, a: xp.linalg.det(a(S)),
    "linalg.diagonal": lambda xp, a: xp.linalg.diagonal(a(S[None]), offset=1),
    "linalg.eigh": lambda xp, a: [xp.linalg.eigh(a(S)).eigenvalues, xp.abs(xp.linalg.eigh(a(S)).eigenvectors)],
    "linalg.eigvalsh": lambda xp, a: xp.linalg.eigvalsh(a(S)),
    "linalg.inv": lambda xp, a: xp.linalg.inv(a(S)),
    "linalg.matrix_norm": lambda xp, a: [xp.linalg.matrix_norm(a(F)), xp.linalg.matrix_norm(a(F), ord="nuc", keepdims=True), xp.linalg.matrix_norm(a(F), ord=1)],
    "linalg.matrix_power": lambda xp, a: [xp.linalg.matrix_power(a(S), 3), xp.linalg.matrix_power(a(S), -1)],
    "linalg.matrix_rank": lambda xp, a: [xp.linalg.matrix_rank(a(F)), xp.linalg.matrix_rank(a(S), rtol=0.5)],
    "linalg.outer": lambda xp, a: xp.linalg.outer(a(V), a(F[0])),
    "linalg.pinv": lambda xp, a: [xp.linalg.pinv(a(F)), xp.linalg.pinv(a(F), rtol=0.9)],
    "linalg.qr": lambda xp, a: [xp.linalg.qr(a(F)).Q @ xp.linalg.qr(a(F)).R, xp.abs(xp.linalg.qr(a(F.T), mode="complete").R)],
    "linalg.slogdet": lambda xp, a: [xp.linalg.slogdet(a(S)).sign, xp.linalg.slogdet(a(S)).logabsdet],
    "linalg.solve": lambda xp, a: [xp.linalg.solve(a(S), a(F[0])), xp.linalg.solve(a(S), a(F.T)), xp.linalg.solve(a(np.stack([S, S, S])), a(S))],
    "linalg.svd": lambda xp, a: [xp.linalg.svd(a(F)).S, xp.abs(xp.linalg.svd(a(F), full_matrices=False).Vh), xp.abs(xp.linalg.svd(a(F)).U)],
    "linalg.svdvals": lambda xp, a: xp.linalg.svdvals(a(F)),
    "linalg.trace": lambda xp, a: [xp.linalg.trace(a(S)), xp.linalg.trace(a(I), offset=1, dtype=xp.float64), xp.linalg.trace(a(U))],
    "linalg.vector_norm": lambda xp, a: [xp.linalg.vector_norm(a(F)), xp.linalg.vector_norm(a(F), axis=1, ord=1, keepdims=True)],
    "fft.one": lambda xp, a: [xp.fft.fft(a(C)), xp.fft.ifft(a(C), n=2, axis=0), xp.fft.rfft(a(F), norm="ortho"), xp.fft.irfft(a(C)), xp.fft.hfft(a(C)), xp.fft.ihfft(a(F))],
    "fft.many": lambda xp, a: [xp.fft.fftn(a(C)), xp.fft.ifftn(a(C), axes=(0,)), xp.fft.rfftn(a(F), s=(2, 4), axes=(0, 1)), xp.fft.irfftn(a(C))],
    "fft.places": lambda xp, a: [xp.fft.fftshift(a(F)), xp.fft.ifftshift(a(F), axes=1), xp.fft.fftfreq(5, d=0.5, dtype=xp.float64), xp.fft.rfftfreq(6, dtype=xp.float64)],
}  # fmt: skip


def ours(value: Any) -> Any:
    return tl.tensor(value) if isinstance(value, np.ndarray) else value


def theirs(value: Any) -> Any:
    return strict.asarray(value) if isinstance(value, np.ndarray) else value


def listed(result: Any) -> list[Any]:
    return result if isinstance(result, list) else [result]


@pytest.mark.parametrize("name", OTHER)
def test_values(name: str) -> None:
    with np.errstate(all="ignore"):
        mine, wanted = listed(OTHER[name](array_api, ours)), listed(OTHER[name](strict, theirs))
    assert len(mine) == len(wanted)
    for x, y in zip(mine, wanted, strict=True):
        host = np.asarray(y._array)
        assert type(x) is tl.Tensor
        assert (x.shape, x.dtype.name) == (host.shape, host.dtype.name)
        np.testing.assert_allclose(x.cpu().numpy(), host, rtol=1e-12, atol=1e-12)


def test_every_function_has_a_value_beside_it() -> None:
    called = set(re.findall(r"xp(?:\.\w+)*\.(\w+)\(", inspect.getsource(inspect.getmodule(test_values))))  # type: ignore[arg-type]
    called |= {name.split()[0] for name in OTHER}
    left = [name for name in ALL if inspect.isfunction(found(name)[1]) and name.rpartition(".")[2] not in called]
    assert left == ["from_dlpack"]  # tested with DLPack


# what is no array


def test_dtypes() -> None:
    xp = array_api
    x, y = tl.ones(3), tl.tensor(1.0, dtype=tl.float64)
    assert xp.result_type(x, y) is tl.float64
    assert xp.add(x, y).dtype is tl.float64
    assert (x + y).dtype is tl.float32  # the operator is Tensor's
    assert xp.result_type(x, 2, 1j) is tl.complex64
    assert xp.result_type(tl.int8, tl.uint8) is tl.int16
    assert (
        xp.can_cast(tl.int8, tl.int16) and not xp.can_cast(tl.float64, x.dtype) and not xp.can_cast(tl.int8, tl.uint64)
    )
    assert xp.finfo(x).eps == strict.finfo(strict.float32).eps
    assert xp.iinfo(tl.uint64).max == 2**64 - 1
    for name in sorted(xp.__array_namespace_info__().dtypes()):
        for kind in (
            "bool",
            "signed integer",
            "unsigned integer",
            "integral",
            "real floating",
            "complex floating",
            "numeric",
        ):
            assert xp.isdtype(getattr(xp, name), kind) == strict.isdtype(getattr(strict, name), kind)
    assert xp.isdtype(tl.int8, (tl.int16, "bool", tl.int8))
    with pytest.raises(
        ArgumentError, match=r"isdtype: kind 'float' does not exist\. Give one of 'bool', 'signed integer'"
    ):
        xp.isdtype(tl.int8, "float")


def test_inspection() -> None:
    info, beside = array_api.__array_namespace_info__(), strict.__array_namespace_info__()
    assert set(info.capabilities()) == set(beside.capabilities())
    assert info.default_device() == tl.get_default_device()
    assert info.default_device() in info.devices()
    assert {key: dtype.name for key, dtype in info.default_dtypes().items()} == {
        "real floating": "float32", "complex floating": "complex64", "integral": "int64", "indexing": "int64",
    }  # fmt: skip
    for kind in (None, "integral", ("bool", "real floating")):
        assert set(info.dtypes(kind=kind)) == set(beside.dtypes(kind=kind))


def test_a_tensor_says_its_namespace() -> None:
    x = tl.ones(2)
    assert x.__array_namespace__() is array_api is tl.array_api
    assert x.__array_namespace__(api_version="2024.12") is array_api
    assert array_api.__array_api_version__ == "2025.12"
    with pytest.raises(ArgumentError, match=r"__array_namespace__: version '2031\.12' is not there"):
        x.__array_namespace__(api_version="2031.12")
    assert x.to_device(x.device) is x


def test_several_new_axes() -> None:
    """New in 2025.12, which array-api-strict 2.6 does not know yet."""
    x = tl.ones(2, 3)
    assert array_api.expand_dims(x, (0, -1)).shape == (1, 2, 3, 1)
    assert array_api.expand_dims(x, (2, 1)).shape == (2, 1, 1, 3)
    assert array_api.isin(tl.tensor([1, 2]), 2, invert=True).tolist() == [True, False]
    values, vectors = array_api.linalg.eig(tl.tensor([[2.0, 1.0], [0.0, 3.0]]))
    assert sorted(array_api.linalg.eigvals(tl.tensor([[2.0, 1.0], [0.0, 3.0]])).real.tolist()) == [2, 3]
    assert vectors.shape == (2, 2) and values.dtype is tl.complex64


def test_a_tensor_has_what_an_array_of_the_standard_has() -> None:
    public = {name for name in dir(strict._array_object.Array) if name.strip("_") == name or name.startswith("__")}
    missing = {name for name in public if not hasattr(tl.Tensor, name)} - {
        "__buffer__"
    }  # which is array-api-strict's own
    assert missing <= {"__imatmul__"}  # x @= y is x = x @ y, as Python has it


def test_gradients_go_through() -> None:
    x = tl.tensor(F, requires_grad=True)
    xp = x.__array_namespace__()
    xp.sum(xp.where(x > 0, xp.multiply(x, x), 0.0) + xp.expand_dims(xp.mean(x, axis=1), axis=(1,))).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.where(F > 0, 2 * F, 0) + 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda xp, x: xp.squeeze(x, 0),
        lambda xp, x: xp.expand_dims(x, 5),
        lambda xp, x: xp.expand_dims(x, (0, 0)),
        lambda xp, x: xp.take(x, tl.tensor([0])),
        lambda xp, x: xp.take(x, tl.tensor([0]), axis=2),
        lambda xp, x: xp.take_along_axis(x, tl.tensor([[0]]), axis=-3),
        lambda xp, x: xp.sum(x, axis=5),
        lambda xp, x: xp.add(x, "1"),
        lambda xp, x: xp.asarray(1.0, copy=False),
        lambda xp, x: xp.cumulative_sum(x),
        lambda xp, x: xp.nonzero(x.sum()),
        lambda xp, x: xp.matrix_transpose(x[0]),
        lambda xp, x: xp.add(1, 2),
        lambda xp, x: xp.result_type(1, 2),
        lambda xp, x: x.to_device("cpu", stream=1),
    ],
)
def test_refusals(call: Any) -> None:
    with pytest.raises((ValueError, IndexError, TypeError)) as caught:
        call(array_api, tl.ones(2, 3))
    assert isinstance(caught.value, tl.errors.TapeloomError)
