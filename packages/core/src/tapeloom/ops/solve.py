"""Linear equations: triangular, square and least squares systems, inverses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, within
from tapeloom.ops.decomposition import check_pivots
from tapeloom.ops.matrices import (
    adjoint,
    check_square,
    diagonal_part,
    matrices,
    matrices_of,
    square_matrices,
    succeeded,
)
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import Dims, TensorLike
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _system(op: OpSchema, A: Any, B: Any, *rest: Any) -> None:
    square_matrices(op, A)
    matrices(op, B)
    if A.shape[-1] != B.shape[-2]:
        raise ShapeError(
            f"{op.name}: A of shape {A.shape} and B of shape {B.shape} do not fit: B must have {A.shape[-1]} rows, or columns "
            f"where it stands on the left."
        )
    shapes.broadcast(op.name, A.shape[:-2], B.shape[:-2])


# triangular


@primitive(takes="inexact", complex="analytic", check=_system)
def solve_triangle(A: Tensor, B: Tensor, upper: bool, unitriangular: bool = False) -> Tensor:
    """``inv(A) @ B`` for the upper, or lower, triangle of ``A``; its diagonal is ones if ``unitriangular``."""
solve_triangle.gradient(
    A=lambda g, A, upper, unitriangular, out, ops: _in_triangle(
        -ops.matmul(ops.solve_triangle(ops.swap_last(A), g, not upper, unitriangular), ops.swap_last(out)),
        upper,
        unitriangular,
        ops,
    ),
    B=lambda g, A, upper, unitriangular, ops: ops.solve_triangle(ops.swap_last(A), g, not upper, unitriangular),
)


def _in_triangle(x: Any, upper: bool, strict: bool, ops: Any) -> Any:
    return ops.triu(x, int(strict)) if upper else ops.tril(x, -int(strict))


@function(namespace="linalg")
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X with ``A @ X = B``, or without ``left`` ``X @ A = B``, where ``A`` (…, n, n) is triangular; batches broadcast.

    Only that triangle of ``A`` is read; with ``unitriangular`` its diagonal is ones and is not read either. Zeros on the
    diagonal are not looked for: they give inf or nan.
    """
    A, B = matrices_of("solve_triangular", A), matrices_of("solve_triangular", B, "B")
    if left:
        return OPS.solve_triangle(A, B, upper, unitriangular)
    return OPS.swap_last(OPS.solve_triangle(OPS.swap_last(A), OPS.swap_last(B), not upper, unitriangular))


# square


class SolveEx(NamedTuple):
    """The solution, and for each matrix 0, or the place of the first pivot that is 0, counted from 1."""

    result: Tensor
    info: Tensor


class InverseEx(NamedTuple):
    """The inverse, and for each matrix 0, or the place of the first pivot that is 0, counted from 1."""

    inverse: Tensor
    info: Tensor


def _solve_gradient(g: Any, need: Any, A: Any, out: Any, ops: Any) -> Any:
    gB = ops.solve_system(ops.swap_last(A), g[0])[0]
    return -ops.matmul(gB, ops.swap_last(out[0])) if need[0] else None, gB if need[1] else None


@primitive(outputs=SolveEx, takes="inexact", complex="analytic", check=_system)
def solve_system(A: Tensor, B: Tensor) -> SolveEx:
    """``inv(A) @ B``, and which of the matrices are singular.

    Source: of the gradient, M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
    algorithmic differentiation", Oxford University report 08/01, 2008, section 2.3.
    """
solve_system.gradient(_solve_gradient)


@primitive(outputs=InverseEx, takes="inexact", complex="analytic", check=square_matrices)
def inverse_info(A: Tensor) -> InverseEx:
    """The inverse, and which of the matrices are singular.

    Source: of the gradient, M. Giles, Oxford University report 08/01, 2008, section 2.2.3.
    """
inverse_info.gradient(
    A=lambda g, out, ops: -ops.matmul(
        ops.swap_last(out.inverse), ops.matmul(g.inverse, ops.swap_last(out.inverse))
    )
)

_SINGULAR = "is singular: pivot {info} of its LU decomposition is 0."


def _solved(name: str, A: Any, B: Any, left: bool) -> SolveEx:
    A, B = as_tensor_of(name, A, "A"), as_tensor_of(name, B, "B")
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])
    if vector:
        if not left:
            raise ShapeError(
                f"{name}: B of shape {B.shape} is a vector for each matrix, which cannot stand on the left. Leave left=False out."
            )
        B = OPS.unsqueeze(B, B.ndim)
    if left:
        result, info = OPS.solve_system(A, B)
    else:
        result, info = OPS.solve_system(OPS.swap_last(A), OPS.swap_last(B))
        result = OPS.swap_last(result)
    return SolveEx(OPS.squeeze(result, result.ndim - 1) if vector else result, info)


@function(namespace="linalg")
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> SolveEx:
    """``solve``, and ``info``: 0, or the place, counted from 1, of the first pivot that is 0.

    Without ``check_errors`` nothing is raised, and nothing waits for the device; a singular matrix gives nan or inf.
    """
    found = _solved("solve_ex", A, B, left)
    if check_errors:
        succeeded("solve_ex", found.info, _SINGULAR)
    return found


@function(namespace="linalg", autocast={"cpu": "float32"})
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with ``A @ X = B``, or without ``left`` ``X @ A = B``; batches broadcast. Raises LinAlgError for a singular ``A``.

    ``A`` is (…, n, n). ``B`` is (…, n, k), or (…, n), one vector for each matrix, where its shape is just that of ``A`` without
    the last dimension, or has one dimension.
    """
    found = _solved("solve", A, B, left)
    succeeded("solve", found.info, _SINGULAR)
    return found.result


@function(namespace="linalg", autocast={"cpu": "float32"})
def inv_ex(A: Tensor, *, check_errors: bool = False) -> InverseEx:
    """The inverse, and ``info``: 0, or the place, counted from 1, of the first pivot that is 0.

    Without ``check_errors`` nothing is raised, and nothing waits for the device; a singular matrix gives nan or inf.
    """
    found = OPS.inverse_info(A)
    if check_errors:
        succeeded("inv_ex", found.info, _SINGULAR)
    return found


@function(namespace="linalg", autocast={"cpu": "float32"})
def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices. Raises LinAlgError for a singular one."""
    found = OPS.inverse_info(A)
    succeeded("inv", found.info, _SINGULAR)
    return found.inverse


@function(autocast={"cpu": "float32"})
def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices; see ``linalg.inv``."""
    return inv(input)


@function(namespace="linalg", autocast={"cpu": "float32"})
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse for ``tensordot(·, ·, ind)`` of a tensor whose first ``ind`` lengths have the product of the others."""
    shape = as_tensor_of("tensorinv", A, "A").shape
    ind = shapes.as_int("tensorinv", "ind", ind)
    if not 0 < ind <= len(shape):
        raise ArgumentError(f"tensorinv: ind must lie between 1 and {len(shape)}, the dimensions of A, got {ind}.")
    first, others = shapes.element_count(shape[:ind]), shapes.element_count(shape[ind:])
    if first != others:
        raise ShapeError(
            f"tensorinv: the first {ind} lengths of shape {shape} must have the product of the others: {first} against {others}."
        )
    return OPS.reshape(inv(OPS.reshape(A, (first, others))), (*shape[ind:], *shape[:ind]))


@function(namespace="linalg", autocast={"cpu": "float32"})
def tensorsolve(A: Tensor, B: Tensor, dims: Dims = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) = B``; the dimensions ``dims`` of ``A`` are moved to its end first."""
    shape = as_tensor_of("tensorsolve", A, "A").shape
    if dims is not None:
        moved = shapes.normalize_axes("tensorsolve", "dims", dims, len(shape))
        A = OPS.permute(A, (*[axis for axis in range(len(shape)) if axis not in moved], *moved))
    sized = as_tensor_of("tensorsolve", B, "B").shape
    rest = A.shape[len(sized) :]
    first, count = shapes.element_count(A.shape[: len(sized)]), shapes.element_count(sized)
    if first != shapes.element_count(rest) or first != count:
        raise ShapeError(
            f"tensorsolve: A of shape {A.shape} must hold a square matrix: its first {len(sized)} lengths, and the others, must "
            f"have the product {count} of the lengths of B."
        )
    return OPS.reshape(solve(OPS.reshape(A, (first, count)), OPS.reshape(B, (count,))), rest)


# by factors


@function(namespace="linalg")
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with ``A @ X = B`` for the ``A`` that ``lu_factor`` gave LU and pivots of; ``X @ A = B`` without ``left``.

    With ``adjoint``, of ``A.mH`` in the place of ``A``. B is (…, n, k); batches broadcast.
    """
    LU, B = matrices_of("lu_solve", LU, "LU"), matrices_of("lu_solve", B, "B")
    check_square("lu_solve", LU)
    check_pivots("lu_solve", LU, as_tensor_of("lu_solve", pivots, "pivots"))
    if not left:  # X @ A = B is A.mH @ X.mH = B.mH
        return _adjoint(lu_solve(LU, pivots, _adjoint(B), adjoint=not adjoint))
    batch = shapes.broadcast("lu_solve", LU.shape[:-2], B.shape[:-2])
    B, swaps = OPS.expand(B, (*batch, *B.shape[-2:])), OPS.expand(pivots, (*batch, pivots.shape[-1]))
    if not adjoint:
        B = OPS.permute_rows(B, swaps)
        return OPS.solve_triangle(LU, OPS.solve_triangle(LU, B, False, True), True)
    turned = _adjoint(LU)
    return OPS.permute_rows(OPS.solve_triangle(turned, OPS.solve_triangle(turned, B, False), True, True), swaps, True)


def _adjoint(x: Any) -> Any:
    return adjoint(x, OPS) if x.is_complex() else OPS.swap_last(x)


@function(name="lu_solve", autocast={"cpu": "float32"})
def lu_solve_of(input: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """``linalg.lu_solve`` with the right side first."""
    return lu_solve(LU_data, LU_pivots, input)


@function(autocast={"cpu": "float32"})
def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """X with ``A @ X = input`` for ``A = input2 @ input2.mH``, or with ``upper`` ``A = input2.mH @ input2``."""
    B, L = matrices_of("cholesky_solve", input, "input"), matrices_of("cholesky_solve", input2, "input2")
    turned = _adjoint(L)
    first, second = (turned, L) if upper else (L, turned)
    return OPS.solve_triangle(second, OPS.solve_triangle(first, B, False), True)


@function(autocast={"cpu": "float32"})
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of ``L @ L.mH`` for the Cholesky factor ``L``, or with ``upper`` of ``L.mH @ L``."""
    L = matrices_of("cholesky_inverse", input, "input")
    return cholesky_solve(diagonal_part(OPS.full_of(L.detach(), 1), OPS), L, upper)


# least squares


@primitive(takes="inexact", complex="as written", check=matrices)
def pseudo_inverse(A: Tensor, atol: TensorLike, rtol: TensorLike) -> Tensor:
    """The pseudoinverse; singular values up to the larger of ``atol`` and ``rtol`` times the largest count as 0.

    Source: of the gradient, G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems
    whose variables separate", SIAM Journal on Numerical Analysis 10, 1973, eq. 4.12.
    """


def _pseudo_gradient(g: Any, A: Any, out: Any, ops: Any) -> Any:
    P, Ph, gh = out, adjoint(out, ops), adjoint(g, ops)
    through = ops.matmul(Ph, ops.matmul(g, Ph))
    within_rows = ops.matmul(Ph, ops.matmul(P, gh - ops.matmul(ops.matmul(gh, P), A)))
    within_columns = ops.matmul(gh - ops.matmul(A, ops.matmul(P, gh)), ops.matmul(P, Ph))
    return within_rows + within_columns - through


pseudo_inverse.gradient(A=_pseudo_gradient)


def tolerance(name: str, A: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """``atol`` and ``rtol`` as PyTorch fills them in: without both, rtol is eps times the longer side of the matrix."""
    if not A.dtype.inexact:
        raise DTypeError(f"{name}: expected floating or complex matrices, got {A.dtype.name}. Cast with .float().")
    if rtol is None:
        ratio = max(A.shape[-2:]) * A.dtype.eps
        if atol is None:
            rtol = ratio
        elif is_tensor(atol):
            rtol = OPS.where(OPS.gt(atol, 0), 0.0, OPS.full_of(OPS.cast(atol, A.dtype.real), ratio))
        else:
            rtol = 0.0 if as_number(name, "atol", atol) > 0 else ratio
    first, second = (
        OPS.cast(value, A.dtype) if is_tensor(value) else float(as_number(name, what, value))
        for what, value in (("atol", 0.0 if atol is None else atol), ("rtol", rtol))
    )
    return first, second


@function(namespace="linalg")
def pinv(
    A: Tensor,
    rcond: float | Tensor | None = None,
    hermitian: bool = False,
    *,
    atol: float | Tensor | None = None,
    rtol: float | Tensor | None = None,
) -> Tensor:
    """The pseudoinverse (…, n, m) of matrices (…, m, n).

    Singular values up to ``max(atol, rtol * the largest)`` count as 0; without either, ``rtol`` is eps times max(m, n). ``rcond``
    is another name of ``rtol``. ``hermitian``: A is symmetric or Hermitian, and only its lower triangle is read.
    """
    A = matrices_of("pinv", A)
    if hermitian:
        if A.shape[-1] != A.shape[-2]:
            raise ShapeError(f"pinv: expected square matrices, (…, n, n), with hermitian=True, got shape {A.shape}.")
        lower = OPS.tril(A, 0)
        A = OPS.add(lower, _adjoint(OPS.tril(A, -1)))
    return OPS.pseudo_inverse(A, *tolerance("pinv", A, atol, rcond if rtol is None else rtol))


@function(autocast={"cpu": "float32"})
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """``linalg.pinv`` with ``rtol=rcond``."""
    return pinv(input, rtol=rcond)


class LeastSquares(NamedTuple):
    """The solution, the sums of its squared errors, the ranks and the singular values; empty where not computed."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def count_above(values: Any, atol: Any, rtol: Any) -> Any:
    """How many of the singular values exceed ``atol`` and ``rtol`` times the largest. int64."""
    if not values.shape[-1]:
        return OPS.sum(OPS.cast(values, dtypes.int64), -1)
    least = OPS.maximum(_column(atol), OPS.multiply(_column(rtol), OPS.amax(values, -1, True)))
    return OPS.sum(OPS.gt(values, least), -1)


def _column(value: Any) -> Any:
    """A tolerance for each matrix, beside vectors of singular values."""
    return OPS.unsqueeze(value, value.ndim) if is_tensor(value) else value


@function(namespace="linalg", autocast={"cpu": "float32"})
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """X that makes the norm of ``A @ X - B`` least, and of such X the shortest: A (…, m, n), B (…, m, k) or (…, m).

    Singular values up to ``rcond`` (eps times max(m, n)) times the largest count as 0. ``driver`` says what else is given, as in
    PyTorch: ``"gelsy"`` (the default) the rank, ``"gelsd"`` and ``"gelss"`` also singular values, ``"gels"`` neither; the
    algorithm is one, by singular values. ``residuals`` are given, but for ``"gelsy"``, where m > n and all matrices have rank n.
    """
    A, B = matrices_of("lstsq", A), as_tensor_of("lstsq", B, "B")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ArgumentError(f"lstsq: driver must be 'gels', 'gelsy', 'gelsd' or 'gelss', got {driver!r}.")
    vector = B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]
    if vector:
        B = OPS.unsqueeze(B, B.ndim)
    m, n = A.shape[-2:]
    if B.ndim != A.ndim or B.shape[-2] != m:
        raise ShapeError(f"lstsq: A of shape {A.shape} and B of shape {B.shape} do not fit: B must have {m} rows, and as many dimensions.")
    _, ratio = tolerance("lstsq", A, None, None if driver == "gels" else rcond)
    X = OPS.matmul(OPS.pseudo_inverse(A, 0.0, ratio), B)
    held = A.detach()
    values = OPS.singular_values(held)
    rank = count_above(values, 0.0, ratio)
    residuals = empty = OPS.zeros_of((0,), values)
    if m > n and driver not in (None, "gelsy") and (driver == "gels" or within(rank, n, n + 1)):
        error = OPS.abs(OPS.subtract(OPS.matmul(A, X), B))
        residuals = OPS.sum(OPS.multiply(error, error), -2)
    return LeastSquares(
        OPS.squeeze(X, X.ndim - 1) if vector else X,
        residuals,
        OPS.zeros_of((0,), rank) if driver == "gels" else rank,
        values if driver in ("gelsd", "gelss") else empty,
    )
