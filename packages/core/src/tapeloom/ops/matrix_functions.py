"""Functions of matrices: determinants, exponential, powers, rank, condition."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import shapes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.linalg import matrix_norm
from tapeloom.ops.matrices import check_square, columns, diagonal_part, matrices_of, square_matrices
from tapeloom.ops.solve import count_above, inv, tolerance
from tapeloom.ops.spectrum import eigvalsh, svdvals
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.tensors.tensor import Tensor


def _each(x: Any, ops: Any) -> Any:
    """One number for each matrix, beside matrices."""
    return columns(columns(x, ops), ops)


# determinants


@primitive(takes="inexact", complex="analytic", check=square_matrices)
def determinant(A: Tensor) -> Tensor:
    """The determinant.

    Source: of the gradient, M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
    algorithmic differentiation", Oxford University report 08/01, 2008, section 2.2.4; by cofactors, also of singular matrices.
    """
determinant.gradient(A=lambda g, A, ops: _each(g, ops) * ops.cofactors(A))


@primitive(takes="inexact", complex="analytic", check=square_matrices)
def cofactors(A: Tensor) -> Tensor:
    """The matrix of cofactors, ``det(A) * inv(A).mT`` where that exists; its own gradient exists there alone."""


def _cofactors_gradient(g: Any, A: Any, out: Any, ops: Any) -> Any:
    inverse = ops.swap_last(ops.inverse_info(A)[0])
    along = ops.sum(g * inverse, (len(g.shape) - 2, len(g.shape) - 1), True)
    return out * along - ops.matmul(ops.matmul(out, ops.swap_last(g)), inverse)


cofactors.gradient(A=_cofactors_gradient)


class SignAndLog(NamedTuple):
    """The sign of the determinant, of complex matrices its direction, and the logarithm of its absolute value."""

    sign: Tensor
    logabsdet: Tensor


@primitive(outputs=SignAndLog, takes="inexact", complex="as written", check=square_matrices)
def sign_and_log(A: Tensor) -> SignAndLog:
    """Sign and logarithm of the determinant; 0 and -inf where that is 0."""


def _log_gradient(g: Any, A: Any, out: Any, A_dtype: Any, ops: Any) -> Any:
    scale = ops.zeros_of(out.logabsdet.shape, out.logabsdet) if g.logabsdet is None else g.logabsdet
    if A_dtype.is_complex:
        scale = ops.cast(scale, A_dtype)
        if g.sign is not None:  # a direction can only turn
            scale = scale - ops.cast(ops.imag(ops.conj(g.sign) * out.sign), A_dtype) * 1j
    inverse = ops.swap_last(ops.inverse_info(A)[0])
    return _each(scale, ops) * (ops.conj(inverse) if A_dtype.is_complex else inverse)


sign_and_log.gradient(A=_log_gradient)


@function(namespace="linalg")
def det(A: Tensor) -> Tensor:
    """The determinant of square matrices."""
    return OPS.determinant(A)


@function(name="det")
def det_of(input: Tensor) -> Tensor:
    """The determinant of square matrices."""
    return det(input)


@function(namespace="linalg")
def slogdet(A: Tensor) -> SignAndLog:
    """The sign of the determinant, and the logarithm of its absolute value: without overflow. 0 and -inf of singular matrices.

    Of complex matrices the sign is ``det / |det|``.
    """
    return OPS.sign_and_log(A)


@function(name="slogdet")
def slogdet_of(input: Tensor) -> SignAndLog:
    """The sign of the determinant, and the logarithm of its absolute value; see ``linalg.slogdet``."""
    return slogdet(input)


@function()
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant of real matrices, nan where it is negative; of complex ones, the complex logarithm."""
    sign, log = OPS.sign_and_log(as_tensor_of("logdet", input))
    if sign.is_complex():
        return OPS.add(OPS.log(sign), OPS.cast(log, sign.dtype))
    return OPS.where(OPS.lt(sign, 0), float("nan"), log)


# exponential and powers


def _block_gradient(g: Any, A: Any, ops: Any) -> Any:
    # exp of [[X, G], [0, X]] has the derivative of exp at X along G in its upper right block
    n, axis = A.shape[-1], len(A.shape) - 1
    X = ops.swap_last(A)
    block = ops.cat([ops.cat([X, g], axis), ops.cat([X * 0, X], axis)], axis - 1)
    return ops.narrow(ops.narrow(ops.matrix_exponential(block), axis - 1, 0, n), axis, n, n)


@primitive(takes="inexact", complex="analytic", check=square_matrices, leading=True)
def matrix_exponential(A: Tensor) -> Tensor:
    """The sum of ``A ** k / k!`` over all k, by scaling, the Padé approximation of order 13, and squaring.

    Source: N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM Journal on Matrix Analysis
    and Applications 26, 2005, algorithm 2.3. Of the gradient, R. Mathias, "A chain rule for matrix functions and applications",
    SIAM Journal on Matrix Analysis and Applications 17, 1996, theorem 2.1.
    """
matrix_exponential.gradient(A=_block_gradient)


@function(namespace="linalg")
def matrix_exp(A: Tensor) -> Tensor:
    """The matrix exponential of square matrices.

    Source: N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM Journal on Matrix Analysis
    and Applications 26, 2005.
    """
    return OPS.matrix_exponential(A)


@function(name="matrix_exp")
def matrix_exp_of(input: Tensor) -> Tensor:
    """The matrix exponential of square matrices; see ``linalg.matrix_exp``."""
    return matrix_exp(input)


@function(namespace="linalg")
def matrix_power(A: Tensor, n: int) -> Tensor:
    """``A @ A @ … @ A`` of square matrices, ``n`` times, by squaring; ``n`` below 0 of the inverse, and 0 gives the identity."""
    check_square("matrix_power", A)
    n = shapes.as_int("matrix_power", "n", n)
    if not n:
        return diagonal_part(OPS.full_of(A.detach(), 1), OPS)
    if n < 0:
        A, n = inv(A), -n
    if n == 1:
        return OPS.clone(A)
    result: Any = None
    while n:
        if n & 1:
            result = A if result is None else OPS.matmul(result, A)
        n >>= 1
        A = OPS.matmul(A, A) if n else A
    return result


@function(name="matrix_power")
def matrix_power_of(input: Tensor, n: int) -> Tensor:
    """``input @ … @ input``, ``n`` times; see ``linalg.matrix_power``."""
    return matrix_power(input, n)


# rank and condition


@function(namespace="linalg", autocast={"cpu": "float32"})
def matrix_rank(
    A: Tensor,
    tol: float | Tensor | None = None,
    hermitian: bool = False,
    *,
    atol: float | Tensor | None = None,
    rtol: float | Tensor | None = None,
) -> Tensor:
    """How many singular values exceed ``max(atol, rtol * the largest)``. int64.

    Without either, ``rtol`` is eps times max(m, n); ``tol`` is another name of ``atol`` with ``rtol`` 0. ``hermitian``: A is
    symmetric or Hermitian, and only its lower triangle is read.
    """
    A = matrices_of("matrix_rank", A)
    values = svdvals(A.detach()) if not hermitian else OPS.abs(eigvalsh(A.detach()))
    if tol is not None:
        atol, rtol = tol, 0.0
    atol, rtol = tolerance("matrix_rank", A, atol, rtol)
    return count_above(values, *[OPS.cast(t, values.dtype) if is_tensor(t) else t for t in (atol, rtol)])


@function(namespace="linalg", autocast={"cpu": "float32"})
def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """The condition number: the norm of ``A`` times that of its inverse; inf for singular matrices.

    ``p`` is an ``ord`` of ``matrix_norm``, None for 2. For 2 and -2 it is the ratio of the largest and the smallest singular value,
    or the other way round, and ``A`` need not be square.
    """
    A = matrices_of("cond", A)
    if p not in (None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise ArgumentError(f"cond: p must be None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {p!r}.")
    if 0 in A.shape[-2:]:
        return OPS.zeros_of(A.shape[:-2], OPS.abs(A.detach()))
    if p is None or p in (2, -2):
        values = svdvals(A)
        least, most = values[..., -1], values[..., 0]
        return OPS.divide(least, most) if p == -2 else OPS.divide(most, least)
    inverse, info = OPS.inverse_info(A)
    product = OPS.multiply(matrix_norm(A, p), matrix_norm(inverse, p))
    return OPS.where(OPS.eq(info, 0), product, float("inf"))
