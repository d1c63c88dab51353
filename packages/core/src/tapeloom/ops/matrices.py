"""What the ops of linear algebra share: checks of matrices, and the parts of matrices that gradient rules are written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.backend.kernels.decomposition import NOT_CONVERGED
from tapeloom.errors import DTypeError, LinAlgError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, require, within

if TYPE_CHECKING:
    from tapeloom.op.schema import OpSchema

# checks


def matrices(op: OpSchema, A: Any, *rest: Any) -> None:
    """A check: ``A`` holds matrices, and is wide enough for what is computed with them."""
    if A.ndim < 2:
        raise ShapeError(f"{op.name}: expected matrices, a tensor of at least 2 dimensions, got shape {A.shape}.")
    if A.dtype.half:
        raise DTypeError(f"{op.name}: {A.dtype.name} is too narrow for this, as in PyTorch. Cast with .float().")


def square_matrices(op: OpSchema, A: Any, *rest: Any) -> None:
    """A check: ``A`` holds square matrices."""
    matrices(op, A)
    if A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"{op.name}: expected square matrices, (…, n, n), got shape {A.shape}.")


def matrices_of(name: str, value: Any, parameter: str = "A") -> Any:
    """``value``, which must be a tensor of at least two dimensions."""
    if as_tensor_of(name, value, parameter).ndim < 2:
        raise ShapeError(f"{name}: {parameter} must have at least 2 dimensions, got shape {value.shape}.")
    return value


def check_square(name: str, A: Any) -> None:
    """Raise ShapeError unless ``A`` holds square matrices, of any dtype."""
    if as_tensor_of(name, A, "A").ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"{name}: expected square matrices, (…, n, n), got shape {A.shape}.")


def succeeded(name: str, info: Any, says: str) -> None:
    """Raise LinAlgError where an entry of ``info`` is not 0: ``says`` what that means, with ``{info}`` for the entry."""

    def explain() -> Exception:
        entries = info.reshape(-1).tolist()
        place = next(place for place, entry in enumerate(entries) if entry)
        which = "the matrix" if len(entries) == 1 else f"matrix {place} of {len(entries)}"
        return LinAlgError(f"{name}: {which} {says.format(info=entries[place])}")

    require(within(info, 0, 1), explain)


def converged(name: str, A: Any, values: Any) -> Any:
    """``values``, singular or eigenvalues of what is read of ``A``. Raises LinAlgError where one of both is not finite."""
    for part in (A.detach(), values.detach()):
        size = OPS.abs(part) if part.is_complex() else part
        require(within(size, float("-inf"), float("inf")), lambda: LinAlgError(NOT_CONVERGED.format(name)))
    return values


# matrices within rules, which run on arrays and on Tensors alike


def adjoint(x: Any, ops: Any) -> Any:
    """The conjugate transpose."""
    return ops.swap_last(ops.conj(x))


def diagonal_part(x: Any, ops: Any) -> Any:
    """``x`` with zeros off its diagonal."""
    return ops.tril(ops.triu(x, 0), 0)


def diagonal_of(x: Any, ops: Any) -> Any:
    """The diagonal of square matrices, as vectors."""
    return ops.sum(diagonal_part(x, ops), (len(x.shape) - 1,))


def columns(x: Any, ops: Any) -> Any:
    """Vectors as matrices of one column."""
    return ops.unsqueeze(x, len(x.shape))


def rows(x: Any, ops: Any) -> Any:
    """Vectors as matrices of one row."""
    return ops.unsqueeze(x, len(x.shape) - 1)


def diagonal_matrix(x: Any, ops: Any) -> Any:
    """Vectors as diagonal matrices."""
    return diagonal_part(ops.expand(columns(x, ops), (*x.shape, x.shape[-1])), ops)


def differences(x: Any, ops: Any) -> Any:
    """The matrices of ``x_j - x_i``, with ones on the diagonal, to divide by."""
    apart = rows(x, ops) - columns(x, ops)
    return apart + diagonal_matrix(ops.full_of(x, 1), ops)


def leading(x: Any, rows: int | None, columns: int | None, ops: Any) -> Any:
    """The first ``rows`` rows and ``columns`` columns; None for all."""
    last = len(x.shape) - 1
    if rows is not None and rows != x.shape[-2]:
        x = ops.narrow(x, last - 1, 0, rows)
    return x if columns is None or columns == x.shape[-1] else ops.narrow(x, last, 0, columns)


def trailing_columns(x: Any, start: int, ops: Any) -> Any:
    """The columns from ``start`` on."""
    return ops.narrow(x, len(x.shape) - 1, start, x.shape[-1] - start)


def trailing_rows(x: Any, start: int, ops: Any) -> Any:
    """The rows from ``start`` on."""
    return ops.narrow(x, len(x.shape) - 2, start, x.shape[-2] - start)
