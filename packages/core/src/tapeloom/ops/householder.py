"""Products of Householder reflections, and factors of low rank, which are made of such products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import shapes
from tapeloom.call.op import function, op
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.decomposition import qr
from tapeloom.ops.matrices import adjoint, diagonal_matrix, diagonal_part, leading, matrices, matrices_of
from tapeloom.ops.random import randn
from tapeloom.ops.spectrum import svd

if TYPE_CHECKING:
    from tapeloom.tensors.tensor import Tensor


class Reflections(NamedTuple):
    """R on and above the diagonal and the reflections below it, and the factor of each of them."""

    a: Tensor
    tau: Tensor


@op(outputs=Reflections, takes="inexact", complex="as written", check=matrices, constants=("a", "tau"), autocast={"cpu": "float32"})
def geqrf(input: Tensor) -> Reflections:
    """The QR decomposition by reflections ``I - tau * v @ v.mH``.

    R lies on and above the diagonal, and below it the vectors v, each without the 1 that it begins with.
    ``linalg.householder_product`` makes Q of both. There is no gradient, as in PyTorch; ``linalg.qr`` has one.

    Source: E. Anderson et al., "LAPACK users' guide", 3rd edition, SIAM 1999: GEQRF and LARFG.
    """


def _block(name: str, A: Any, tau: Any) -> tuple[Any, Any]:
    """Y and T with ``I - Y @ T @ Y.mH`` for the product of the reflections."""
    m, k = A.shape[-2], tau.shape[-1] if tau.ndim else -1
    if tau.shape[:-1] != A.shape[:-2] or not 0 <= k <= A.shape[-1] <= m:
        raise ShapeError(
            f"{name}: expected reflections (…, m, n) with m >= n and tau (…, k) with n >= k of one batch, got shapes {A.shape} "
            f"and {tau.shape}."
        )
    ones = diagonal_part(OPS.full_of(leading(A.detach(), None, k, OPS), 1), OPS)
    Y = OPS.tril(leading(A, None, k, OPS), -1) + ones
    D = diagonal_matrix(tau, OPS)
    overlap = OPS.triu(OPS.matmul(_adjoint(Y), Y), 1)
    return Y, OPS.solve_triangle(OPS.matmul(D, overlap), D, True, True)


def _adjoint(x: Any) -> Any:
    return adjoint(x, OPS) if x.is_complex() else OPS.swap_last(x)


@function(namespace="linalg", autocast={"cpu": "float32"})
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first n columns of the product of the reflections ``I - tau[i] * v @ v.mH``, with v in column i of ``A`` (…, m, n).

    Above its diagonal, where a 1 stands for v, ``A`` is not read.

    Source: T. Joffrain, T. Low, E. Quintana-Ortí, R. van de Geijn, F. Van Zee, "Accumulating Householder transformations,
    revisited", ACM Transactions on Mathematical Software 32, 2006.
    """
    A = matrices_of("householder_product", A)
    Y, T = _block("householder_product", A, as_tensor_of("householder_product", tau, "tau"))
    ones = diagonal_part(OPS.full_of(A.detach(), 1), OPS)
    return ones - OPS.matmul(Y, OPS.matmul(T, _adjoint(leading(Y, A.shape[-1], None, OPS))))


@function(autocast={"cpu": "float32"})
def orgqr(input: Tensor, input2: Tensor) -> Tensor:
    """``linalg.householder_product``."""
    return householder_product(input, input2)


@function(autocast={"cpu": "float32"})
def ormqr(input: Tensor, input2: Tensor, input3: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """``Q @ input3`` for the product Q of all m columns of the reflections in ``input`` with the factors ``input2``.

    With ``transpose`` of ``Q.mH``; without ``left``, ``input3 @ Q``.
    """
    A, C = matrices_of("ormqr", input, "input"), matrices_of("ormqr", input3, "input3")
    Y, T = _block("ormqr", A, as_tensor_of("ormqr", input2, "input2"))
    if C.shape[:-2] != A.shape[:-2] or C.shape[-2 if left else -1] != A.shape[-2]:
        raise ShapeError(f"ormqr: input3 of shape {C.shape} does not fit reflections of {A.shape[-2]} rows in shape {A.shape}.")
    count = min(A.shape[-2:])
    if T.shape[-1] != count:
        raise ShapeError(f"ormqr: tau of shape {input2.shape} must hold a factor for each of {count} reflections.")
    T = _adjoint(T) if transpose else T
    if left:
        return C - OPS.matmul(Y, OPS.matmul(T, OPS.matmul(_adjoint(Y), C)))
    return C - OPS.matmul(OPS.matmul(OPS.matmul(C, Y), T), _adjoint(Y))


# low rank


class LowRank(NamedTuple):
    """The largest singular values and their vectors: ``U @ diag(S) @ V.mH`` is near the matrix."""

    U: Tensor
    S: Tensor
    V: Tensor


@function(method=False)
def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> LowRank:
    """The ``q`` largest singular values of ``A - M`` and their vectors, nearly: U (…, m, q), S (…, q), V (…, n, q).

    Of random directions, turned ``niter`` times towards the largest ones; the random numbers are those of ``manual_seed``.

    Source: N. Halko, P. Martinsson, J. Tropp, "Finding structure with randomness: probabilistic algorithms for constructing
    approximate matrix decompositions", SIAM Review 53, 2011, algorithms 4.4 and 5.1.
    """
    A = matrices_of("svd_lowrank", A)
    if M is not None:
        A = OPS.subtract(A, OPS.expand(as_tensor_of("svd_lowrank", M, "M"), A.shape))
    m, n = A.shape[-2:]
    count = 6 if q is None else shapes.as_int("svd_lowrank", "q", q)
    turns = 2 if niter is None else shapes.as_int("svd_lowrank", "niter", niter)
    if count < 0:
        raise ArgumentError(f"svd_lowrank: q must not be negative, got {count}.")
    count = min(count, m, n)  # there are no more
    if m < n:
        V, S, U = _largest(_adjoint(A), count, turns)
    else:
        U, S, V = _largest(A, count, turns)
    return LowRank(U, S, V)


def _largest(A: Any, count: int, turns: int) -> tuple[Any, Any, Any]:
    """U, S and V of a tall matrix."""
    directions = OPS.cast(randn((A.shape[-1], count), dtype=A.dtype.real, device=A.device), A.dtype)
    Q = qr(OPS.matmul(A, directions)).Q
    for _ in range(turns):
        Q = qr(OPS.matmul(A, qr(OPS.matmul(_adjoint(A), Q)).Q)).Q
    U, S, Vh = svd(OPS.matmul(_adjoint(Q), A), False)
    return OPS.matmul(Q, U), S, _adjoint(Vh)


@function(method=False)
def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> LowRank:
    """The ``q`` principal components of the rows of ``A``: ``svd_lowrank`` of ``A``, or, ``center``, of ``A`` less the mean row.

    ``q`` is 6 unless given, or the shorter side of the matrices where that is less.
    """
    A = matrices_of("pca_lowrank", A)
    most = min(A.shape[-2:])
    count = min(6, most) if q is None else shapes.as_int("pca_lowrank", "q", q)
    if not 0 <= count <= most:
        raise ArgumentError(f"pca_lowrank: q must lie between 0 and {most}, the shorter side of the matrices, got {count}.")
    if niter < 0:
        raise ArgumentError(f"pca_lowrank: niter must not be negative, got {niter}.")
    return svd_lowrank(OPS.subtract(A, OPS.mean(A, -2, True)) if center else A, count, niter)
