"""Samples of complex numbers: their parts, in Python's own complex numbers."""

from __future__ import annotations

import cmath
import math
from typing import Any

from tapeloom import dtypes
from tapeloom.errors import ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, built, each
from tapeloom.testing.table import COMPLEX, EVERY, FLOATS, INEXACT, NUMBERS, SIGNED, case, fails, row

ONE = [[T(3, 4)], [T()], [T(0, 3)]]
PARTS: dict[str, Any] = {"budget": "exact", "dtypes": COMPLEX}
SPECIAL = V([complex(INF, -0.0), complex(NAN, 1), complex(-0.0, INF), 0])

# the ops

row("real", *ONE, [SPECIAL], reference=each(lambda x: x.real), gives="real", **PARTS)
row("imag", *ONE, [SPECIAL], reference=each(lambda x: x.imag), gives="real", **PARTS)
row("conj", *ONE, case(SPECIAL, only=COMPLEX), reference=each(lambda x: x.conjugate()), budget="exact", dtypes=INEXACT)
row("complex", [T(3, 4), T(3, 4)], [T(3, 1), T(4)], [T(), T()], [T(0, 3), T(3)], case(V([INF, 1.0, NAN]), V([1.0, -INF, -0.0]), grad=False),
    reference=each(lambda x, y: complex(x, y)), gives="complex", dtypes=FLOATS, budget="exact")
fails("complex", [T(3), T(3)], DTypeError, "complex: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
fails("complex", [T(3, 4), T(2, 4)], ShapeError,
      "complex: shapes (3, 4) and (2, 4) do not broadcast (axis -2: 3 vs 2). Reshape one operand, or give that axis the size 1.")


def _pairs(x: Any) -> Any:
    return built((*x.shape, 2), lambda place: (x[place[:-1]].imag if place[-1] else x[place[:-1]].real).item())


row("view_as_real", *ONE, reference=_pairs, gives="real", **PARTS)
row("view_as_complex", [T(3, 4, 2)], [T(2)], [T(0, 2)], without="0d",
    reference=lambda x: built(x.shape[:-1], lambda place: complex(*x[place].tolist())), gives="complex", dtypes=FLOATS, budget="exact")
for _shape in ((), (3,)):
    fails("view_as_complex", [T(*_shape)], ShapeError,
          f"view_as_complex: the last dimension must hold real and imaginary part and have length 2, got shape {_shape}.")
for _name in ("view_as_real",):
    fails(_name, [T(3)], DTypeError, f"{_name}: expected complex tensors, got float32. Cast with .to(tapeloom.complex64).")


def _direction(x: Any) -> Any:
    return x / abs(x) if x else x


row("sgn", *ONE, case(V([0, 3 - 4j]), expect=[0, 0.6 - 0.8j], only=COMPLEX, grad=False), case(V([0.0, -0.0, -INF]), expect=[0, 0, -1], only=FLOATS),
    reference=each(_direction), dtypes=(*NUMBERS, *COMPLEX), kinks=(0,))

# functions over them

row("conj_physical", *ONE, reference=each(lambda x: x.conjugate()), budget="exact", dtypes=INEXACT)
for _name in ("resolve_conj", "resolve_neg"):
    row(_name, *ONE, reference=lambda x: x, budget="exact", dtypes=INEXACT)
row("adjoint", [T(3, 4)], [T(2, 3, 4)], [T(0, 3)], [T()], budget="exact", dtypes=INEXACT,
    reference=lambda x: built((*x.shape[:-2], *x.shape[:-3:-1]), lambda i: x[(*i[:-2], *i[:-3:-1])].conjugate(), x))
fails("adjoint", [T(3)], ShapeError, "adjoint: expected at least 2 dimensions, got shape (3,).")
row("angle", *ONE, case(V([0.0, -0.0, -2.0, NAN]), expect=[0.0, 0.0, math.pi, NAN], only=FLOATS),
    case(V([0, 1j, -1, -1j]), expect=[0, math.pi / 2, math.pi, -math.pi / 2], only=COMPLEX),
    reference=each(lambda x: math.pi * (x < 0) if not isinstance(x, complex) else cmath.phase(x)),
    gives="real float", dtypes=EVERY, budget="function", kinks=(0,))
row("polar", [T(3, 4, low=0), T(3, 4)], [T(), T()], [T(0, 3), T(0, 3)], reference=each(cmath.rect), gives="complex", dtypes=FLOATS[2:], budget="function")
row("isreal", *ONE, case(V([1, 1j]), only=COMPLEX), reference=each(lambda x: complex(x).imag == 0), gives="bool", dtypes=EVERY, budget="exact", grad=0)
row("is_complex", case(T(3), expect=True, only=COMPLEX), case(T(3), expect=False, only=FLOATS), case(T(), expect=False, only=FLOATS),
    case(T(0), expect=False, only=FLOATS), dtypes=INEXACT, grad=0)
QUESTIONS = [T(3)], [T()], [T(0, 3)]
row("is_conj", *QUESTIONS, reference=lambda x: False, dtypes=EVERY, grad=0)
row("is_neg", *QUESTIONS, reference=lambda x: False, dtypes=EVERY, grad=0)
row("is_signed", *[case(*made, expect=True, only=(*SIGNED, *COMPLEX)) for made in QUESTIONS], case(T(3), expect=False, only=[dtypes.bool_, dtypes.uint8]), dtypes=EVERY, grad=0)
for _name in ("conj_physical", "resolve_conj", "resolve_neg", "adjoint", "angle", "isreal", "is_complex", "is_conj", "is_neg", "is_signed"):
    fails(_name, [[1.0]], ArgumentTypeError, f"{_name}: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("polar", [T(2), T(2)], DTypeError, "polar: abs must be a floating tensor, got int64. Cast it with .float().", dtypes.int64)
fails("polar", [1.0, T(1)], ArgumentTypeError, "polar: abs must be a tensor, got float. Make it one with tapeloom.tensor(...).")
