"""Samples of products: sums of products, by their definition."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import NAN, built, matrix_product
from tapeloom.testing.samples.linalg import SMALL, SUMMED
from tapeloom.testing.table import COMPLEX, FLOATS, INEXACT, NUMBERS, SIGNED, case, fails, row

DTYPES = (*NUMBERS, *COMPLEX)


def _like(result: Any, *given: Any) -> Any:
    return np.asarray(result).astype(np.int64) if all(x.dtype == np.int64 for x in given) else result


def _added(product: Any) -> Any:
    def reference(x: Any, y: Any, z: Any, beta: Any = 1, alpha: Any = 1) -> Any:
        out = alpha * product(y, z)
        return _like(out if beta == 0 else beta * x + out, x, y, z)

    return reference


def _outer(x: Any, y: Any) -> Any:
    return built((len(x), len(y)), lambda i: x[i[0]].item() * y[i[1]].item())


for _name, _product, _shapes, _empty in (
    ("addmm", matrix_product, ((3, 2), (3, 4), (4, 2)), ((0, 2), (0, 4), (4, 2))),
    ("addmv", matrix_product, ((3,), (3, 4), (4,)), ((3,), (3, 0), (0,))),
    ("baddbmm", matrix_product, ((2, 3, 2), (2, 3, 4), (2, 4, 2)), ((2, 3, 2), (2, 3, 0), (2, 0, 2))),
    ("addbmm", lambda x, y: np.array(matrix_product(x, y)).sum(0), ((3, 2), (2, 3, 4), (2, 4, 2)), ((3, 2), (0, 3, 4), (0, 4, 2))),
    ("addr", _outer, ((3, 4), (3,), (4,)), ((3, 0), (3,), (0,))),
):
    _input, _x, _y = (T(*shape, **SMALL) for shape in _shapes)
    row(
        _name,
        [_input, _x, _y],
        case(T(1, **SMALL), _x, _y, beta=2, alpha=3),
        case(V(np.full(_shapes[0], 100), dtype=dtypes.int8), _x, _y, beta=2, only=[dtypes.int64]),
        case(_input, _x, _y, beta=0),
        case(V(np.full(_shapes[0], NAN)), _x, _y, beta=0, only=FLOATS, grad=False),
        [T(), _x, _y],
        [T(*shape) for shape in _empty],
        reference=_added(_product),
        magnitude=_added(_product),
        budget="sum",
        dtypes=DTYPES,
    )
    fails(_name, case(_input, _x, _y, alpha=1.5), DTypeError, f"{_name}: alpha=1.5 does not fit tensors of int64. Cast them first.", dtypes.int64)
    fails(_name, [T(7, 7), _x, _y], ShapeError, f"{_name}: input of shape (7, 7) cannot be expanded to {_shapes[0]}, the shape of the product.")
fails("addmm", [T(2), T(3), T(3)], ShapeError, "addmm: expected 2-d and 2-d factors, got shapes (3,) and (3,).")
fails("baddbmm", [T(2), T(2, 3, 4), T(1, 4, 2)], ShapeError, "baddbmm: the factors of shapes (2, 3, 4) and (1, 4, 2) do not fit.")

# vectors

row("vdot", [T(4), T(4)], [T(0), T(0)], **SUMMED | {"reference": lambda x, y: _like(sum((np.conj(x) * y).tolist()), x, y)}, without="0d")
fails("vdot", [T(2, 2), T(2)], ShapeError, "vdot: expected 1-d tensors, got shapes (2, 2) and (2,).")


def _inner(x: Any, y: Any) -> Any:
    if not x.ndim or not y.ndim:
        return x * y
    return built((*x.shape[:-1], *y.shape[:-1]), lambda i: sum((x[i[: x.ndim - 1]] * y[i[x.ndim - 1 :]]).tolist()), x)


row("inner", [T(2, 3), T(4, 3)], [T(3), T(3)], [T(), T(2, 3)], [T(2, 0), T(0)], reference=_inner, magnitude=_inner, budget="sum", dtypes=DTYPES)
fails("inner", [T(2, 3), T(2)], ShapeError, "inner: the last dimensions of shapes (2, 3) and (2,) differ.")
row("ger", [T(3), T(4)], [T(0), T(4)], reference=lambda x, y: _like(_outer(x, y), x, y), dtypes=DTYPES, without="0d")
fails("ger", [T(2, 2), T(2)], ShapeError, "ger: expected 1-d tensors, got shapes (2, 2) and (2,).")


def _kron(x: Any, y: Any) -> Any:
    ndim = max(x.ndim, y.ndim)
    x, y = (t.reshape((1,) * (ndim - t.ndim) + t.shape) for t in (x, y))

    def element(place: tuple[int, ...]) -> Any:
        pairs = [divmod(i, length) for i, length in zip(place, y.shape, strict=True)]
        return (x[tuple(i for i, _ in pairs)] * y[tuple(j for _, j in pairs)]).item()

    return built([a * b for a, b in zip(x.shape, y.shape, strict=True)], element, x)


row("kron", [T(2, 3), T(3, 2)], [T(2), T(2, 1, 2)], [T(), T(3)], [T(0, 2), T(2, 2)], reference=_kron, dtypes=DTYPES)
fails("kron", [T(2), 2.0], ArgumentTypeError, "kron: other must be a tensor, got float. Make it one with tapeloom.tensor(...).")


def _cross(x: Any, y: Any, dim: int = -1) -> Any:
    x, y = (np.moveaxis(t, dim, 0) for t in np.broadcast_arrays(x, y))
    return np.moveaxis(np.stack([x[(i + 1) % 3] * y[(i + 2) % 3] - x[(i + 2) % 3] * y[(i + 1) % 3] for i in range(3)]), 0, dim)


_crossed: dict[str, Any] = {"magnitude": lambda *given, **settings: 24.0, "dtypes": (*SIGNED, *COMPLEX), "without": "0d"}
row("linalg.cross", [T(2, 3, **SMALL), T(2, 3, **SMALL)], case(T(3, 1, **SMALL), T(3, 2, **SMALL), dim=0), [T(0, 3), T(1, 3)], reference=_cross, **_crossed)
row("cross", [T(3, 2, 3, **SMALL), T(3, 2, 3, **SMALL)], [T(3, 3, **SMALL), T(3, 3, **SMALL), -1], [T(0, 3), T(0, 3)],
    reference=lambda x, y, dim=None: _cross(x, y, x.shape.index(3) if dim is None else dim), **_crossed)
fails("linalg.cross", [T(2, 3), T(3)], ShapeError, "cross: the shapes (2, 3) and (3,) must have as many dimensions.")
fails("linalg.cross", [T(3, 2), T(3, 2)], ShapeError, "cross: dim -1 must have length 3 in both, got shapes (3, 2) and (3, 2).")
fails("cross", [T(2, 2), T(2, 2)], ShapeError, "cross: no dimension of shape (2, 2) has length 3.")

# tensors


def _tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    pairs = (range(a.ndim - dims, a.ndim), range(dims)) if isinstance(dims, int) else dims
    for i, j in zip(*pairs, strict=True):
        b = np.repeat(b, a.shape[i] if b.shape[j] == 1 else 1, j)
    x = np.moveaxis(a, pairs[0], range(a.ndim - len(pairs[0]), a.ndim)).reshape(*(n for i, n in enumerate(a.shape) if i not in pairs[0]), -1)
    y = np.moveaxis(b, pairs[1], range(len(pairs[1]))).reshape(-1, *(n for i, n in enumerate(b.shape) if i not in pairs[1]))
    kept = x.shape[:-1] + y.shape[1:]
    return built(kept, lambda i: sum((x[i[: x.ndim - 1]] * y[(slice(None), *i[x.ndim - 1 :])]).tolist()), a)


row("tensordot", [T(2, 3, 4), T(3, 4, 2)], case(T(2, 3, 4), T(4, 3), dims=([1, 2], [1, 0])), case(T(2, 3), T(4), dims=0), [T(2, 3), T(1, 4), 1], [T(2, 0), T(0, 3), 1], [T(), T(), 0],
    reference=_tensordot, magnitude=_tensordot, budget="sum", dtypes=DTYPES)
fails("tensordot", [T(2, 3), T(2, 3), 1], ShapeError, "tensordot: dim 1 of a has length 3, and dim 0 of b has 2.")
fails("tensordot", [T(2), T(2), 2], ArgumentError, "tensordot: dims must lie between 0 and 1, the dimensions that both have, got 2.")


def _chain(first: Any, *rest: Any) -> Any:
    for other in rest:
        first = matrix_product(first, other)
    return first


row("linalg.multi_dot", [[T(2, 3), T(3, 4), T(4, 2)]], [[T(3), T(3, 4), T(4, 2), T(2)]], [[T(0, 3), T(3, 2)]],
    reference=lambda given: _chain(*given), magnitude=lambda given: _chain(*given), budget="sum", dtypes=INEXACT, without="0d")
fails("linalg.multi_dot", [[T(2, 3)]], ArgumentError, "multi_dot: expected at least two tensors, got 1.")
fails("linalg.multi_dot", [[T(2, 3), T(3), T(3, 2)]], ShapeError, "multi_dot: tensor 1 must be a matrix, got shape (3,).")
fails("linalg.multi_dot", [[T(2, 3), T(2, 3)]], ShapeError, "multi_dot: tensors 0 and 1 of shapes (2, 3) and (2, 3) do not fit.")

# powers, and two sides


def _vander(x: Any, N: Any = None) -> Any:
    count = x.shape[-1] if N is None else N
    return built((*x.shape, count), lambda i: x[i[:-1]].item() ** i[-1], x if x.dtype != bool else np.zeros(1, np.int64))


_powers: dict[str, Any] = {"dtypes": (dtypes.bool_, *DTYPES), "gives": "number", "budget": "function", "without": "0d"}
row("linalg.vander", [T(3, **SMALL)], case(T(2, 2, **SMALL), N=4), case(T(0), N=2), case(T(**SMALL), N=3),
    reference=lambda x, N=None: _vander(x.reshape(1) if not x.ndim else x, N), **_powers | {"dtypes": [dtype for dtype in DTYPES if not dtype.half], "gives": "sum", "without": ""})
fails("linalg.vander", case(T(3), N=1), ArgumentError, "vander: N must be at least 2, got 1.")
fails("linalg.vander", [T(3)], DTypeError, "vander: float16 is not supported, as in PyTorch. Cast with .float().", dtypes.float16)
row("vander", [T(3, **SMALL)], case(T(3, **SMALL), N=2, increasing=True), [T(0)],
    reference=lambda x, N=None, increasing=False: _vander(x, N) if increasing else _vander(x, N)[..., ::-1], **_powers | {"gives": "sum"})
fails("vander", [T(2, 2)], ShapeError, "vander: x must be 1-d, got shape (2, 2).")


def _bilinear(x: Any, y: Any, weight: Any, bias: Any = None) -> Any:
    def element(place: tuple[int, ...]) -> Any:
        *lead, k = place
        return sum((x[tuple(lead)][:, None] * weight[k] * y[tuple(lead)]).reshape(-1).tolist())

    out = built((*x.shape[:-1], len(weight)), element, x)
    return out if bias is None else out + bias


row("bilinear", [T(2, 3), T(2, 4), T(2, 3, 4), T(2)], [T(3), T(4), T(2, 3, 4)], [T(0, 3), T(0, 4), T(2, 3, 4), T(2)],
    reference=_bilinear, magnitude=_bilinear, budget="chain", dtypes=INEXACT, without="0d")
fails("bilinear", [T(3), T(4), T(3, 4)], ShapeError, "bilinear: weight must have shape (out, n, m), got (3, 4).")
fails("bilinear", [T(3), T(3), T(2, 3, 4)], ShapeError,
      "bilinear: inputs of shapes (3,) and (3,) do not fit weight of shape (2, 3, 4): expected (…, 3) and (…, 4).")
