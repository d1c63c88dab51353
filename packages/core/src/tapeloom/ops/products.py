"""Products of vectors, matrices and tensors, beyond ``matmul``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op
from tapeloom.call.promote import promoted
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom.op.parameter import Axes, Number
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor

# a product added to a tensor


#: the dimensions of both factors, and the shape of what is added
FACTORS: dict[str, tuple[int, int, Callable[[Any, Any], tuple[int, ...]]]] = {
    "addmm": (2, 2, lambda x, y: (x[0], y[1])),
    "addmv": (2, 1, lambda x, y: (x[0],)),
    "addr": (1, 1, lambda x, y: (x[0], y[0])),
    "baddbmm": (3, 3, lambda x, y: (x[0], x[1], y[2])),
    "addbmm": (3, 3, lambda x, y: (x[1], y[2])),
}


def _fits(op: OpSchema, input: Any, x: Any, y: Any) -> None:
    first, second, product = FACTORS[op.name]
    if x.ndim != first or y.ndim != second:
        raise ShapeError(f"{op.name}: expected {first}-d and {second}-d factors, got shapes {x.shape} and {y.shape}.")
    meet = first == 1 or (x.shape[-1] == y.shape[-min(second, 2)] and x.shape[: first - 2] == y.shape[: first - 2])
    if not meet:
        raise ShapeError(f"{op.name}: the factors of shapes {x.shape} and {y.shape} do not fit.")
    shape = product(x.shape, y.shape)
    lead = len(shape) - input.ndim
    if lead < 0 or any(own not in (1, length) for own, length in zip(input.shape, shape[lead:], strict=True)):
        raise ShapeError(f"{op.name}: input of shape {input.shape} cannot be expanded to {shape}, the shape of the product.")


@op(takes="no bool", complex="analytic", check=_fits, inplace=True, autocast="lower")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` of matrices; where ``beta`` is 0, input is not read."""
addmm.gradient(
    input=lambda g: g,
    mat1=lambda g, mat2, ops: ops.matmul(g, ops.swap_last(mat2)),
    mat2=lambda g, mat1, ops: ops.matmul(ops.swap_last(mat1), g),
)


@addmm.extend
def _(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _scaled(OPS.addmm, input, mat1, mat2, beta, alpha)


@op(takes="no bool", complex="analytic", check=_fits, inplace=True, autocast="lower")
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``; where ``beta`` is 0, input is not read."""
baddbmm.gradient(
    input=lambda g: g,
    batch1=lambda g, batch2, ops: ops.matmul(g, ops.swap_last(batch2)),
    batch2=lambda g, batch1, ops: ops.matmul(ops.swap_last(batch1), g),
)


@baddbmm.extend
def _(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _scaled(OPS.baddbmm, input, batch1, batch2, beta, alpha)


@op(takes="no bool", complex="analytic", check=_fits, inplace=True, autocast="lower")
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``; where ``beta`` is 0, input is not read."""
addbmm.gradient(
    input=lambda g: g,
    batch1=lambda g, batch2, ops: ops.matmul(g, ops.swap_last(batch2)),
    batch2=lambda g, batch1, ops: ops.matmul(ops.swap_last(batch1), g),
)


@addbmm.extend
def _(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _scaled(OPS.addbmm, input, batch1, batch2, beta, alpha)


@op(takes="no bool", complex="analytic", check=_fits, inplace=True, autocast={"cpu": "as given", "cuda": "lower"})
def addmv(input: Tensor, mat: Tensor, vec: Tensor) -> Tensor:
    """``beta * input + alpha * (mat @ vec)`` of a matrix and a vector; where ``beta`` is 0, input is not read."""
addmv.gradient(
    input=lambda g: g,
    mat=lambda g, vec, ops: ops.unsqueeze(g, 1) * vec,
    vec=lambda g, mat, ops: ops.matmul(ops.swap_last(mat), g),
)


@addmv.extend
def _(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _scaled(OPS.addmv, input, mat, vec, beta, alpha)


@op(complex="analytic", check=_fits, inplace=True, autocast={"cpu": "as given", "cuda": "lower"})
def addr(input: Tensor, vec1: Tensor, vec2: Tensor) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``; where ``beta`` is 0, input is not read."""
addr.gradient(
    input=lambda g: g,
    vec1=lambda g, vec2, ops: ops.matmul(g, vec2),
    vec2=lambda g, vec1, ops: ops.matmul(ops.swap_last(g), vec1),
)


@addr.extend
def _(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    return _scaled(OPS.addr, input, vec1, vec2, beta, alpha)


def _scaled(op: Any, input: Any, x: Any, y: Any, beta: Any, alpha: Any) -> Any:
    for parameter, given in zip(op.parameters, (input, x, y), strict=True):
        as_tensor_of(op.name, given, parameter.name)
    dtype = promoted(op, input, x, y)
    for what, number in (("beta", beta), ("alpha", alpha)):
        number = as_number(op.name, what, number, dtypes.NUMBERS)
        if dtypes.of_number(number).category > dtype.category:
            raise DTypeError(f"{op.name}: {what}={number!r} does not fit tensors of {dtype.name}. Cast them first.")
    x = OPS.multiply(OPS.cast(x, dtype), alpha) if alpha != 1 else x  # in the dtype of the result, that nothing wraps before
    if beta == 0:  # what input holds, nan too, does not count; its gradient is 0
        input = OPS.where(OPS.ne(OPS.zeros_of(input.shape, input.detach()), 0), input, 0)
    elif beta != 1:
        input = OPS.multiply(OPS.cast(input, dtype), beta)
    return op(input, x, y)


# vectors


@function(autocast={"cpu": "as given", "cuda": "promote"})
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors, the first conjugated."""
    if as_tensor_of("vdot", input).ndim != 1 or as_tensor_of("vdot", other, "other").ndim != 1:
        raise ShapeError(f"vdot: expected 1-d tensors, got shapes {input.shape} and {other.shape}.")
    return OPS.matmul(OPS.conj(input) if input.is_complex() else input, other)


@function()
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dimensions of both, nothing conjugated; with a 0-d tensor the product."""
    x, y = as_tensor_of("inner", input), as_tensor_of("inner", other, "other")
    if not x.ndim or not y.ndim:
        return OPS.multiply(x, y)
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"inner: the last dimensions of shapes {x.shape} and {y.shape} differ.")
    return _contracted(x, y, (x.ndim - 1,), (y.ndim - 1,))


@function()
def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """The outer product of two vectors; see ``outer``."""
    if as_tensor_of("ger", input).ndim != 1 or as_tensor_of("ger", vec2, "vec2").ndim != 1:
        raise ShapeError(f"ger: expected 1-d tensors, got shapes {input.shape} and {vec2.shape}.")
    return OPS.multiply(OPS.unsqueeze(input, 1), OPS.unsqueeze(vec2, 0))


@function()
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: a block of ``other`` for each element of ``input``, in all dimensions."""
    x, y = as_tensor_of("kron", input), as_tensor_of("kron", other, "other")
    ndim = max(x.ndim, y.ndim)
    shape, times = ((1,) * (ndim - t.ndim) + t.shape for t in (x, y))
    blocks = OPS.reshape(x, tuple(length for pair in zip(shape, (1,) * ndim, strict=True) for length in pair))
    each = OPS.reshape(y, tuple(length for pair in zip((1,) * ndim, times, strict=True) for length in pair))
    return OPS.reshape(OPS.multiply(blocks, each), tuple(a * b for a, b in zip(shape, times, strict=True)))


@function(autocast={"cuda": "promote"})
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross products of vectors of length 3 along ``dim``: without it, along the first dimension of length 3."""
    x, y = as_tensor_of("cross", input), as_tensor_of("cross", other, "other")
    if dim is None:
        dim = next((axis for axis, length in enumerate(x.shape) if length == 3), None)
        if dim is None:
            raise ShapeError(f"cross: no dimension of shape {x.shape} has length 3.")
    return linalg_cross(x, y, dim=dim)


@function(name="cross", namespace="linalg", autocast={"cuda": "promote"})
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross products of vectors of length 3 along ``dim``; the other dimensions broadcast."""
    x, y = as_tensor_of("cross", input), as_tensor_of("cross", other, "other")
    if x.ndim != y.ndim:
        raise ShapeError(f"cross: the shapes {x.shape} and {y.shape} must have as many dimensions.")
    axis = shapes.normalize_dim("cross", dim, x.ndim)
    if x.shape[axis : axis + 1] != (3,) or y.shape[axis : axis + 1] != (3,):
        raise ShapeError(f"cross: dim {dim} must have length 3 in both, got shapes {x.shape} and {y.shape}.")

    def turned(t: Any, by: int) -> Any:
        return OPS.roll_along(t, by, axis)

    return OPS.subtract(OPS.multiply(turned(x, -1), turned(y, -2)), OPS.multiply(turned(x, -2), turned(y, -1)))


# tensors


@function(method=False, autocast={"cuda": "promote"})
def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Axes] = 2) -> Tensor:
    """Sums of products over dimensions of both: the last ``dims`` of ``a`` with the first of ``b``, or two lists, in pairs.

    The others follow, first those of ``a``. A length of 1 goes with any.
    """
    as_tensor_of("tensordot", a, "a"), as_tensor_of("tensordot", b, "b")
    if isinstance(dims, int):
        if dims < 0 or dims > min(a.ndim, b.ndim):
            most = min(a.ndim, b.ndim)
            raise ArgumentError(f"tensordot: dims must lie between 0 and {most}, the dimensions that both have, got {dims}.")
        left, right = tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    else:
        given: Any = dims
        pair = given.tolist() if is_tensor(dims) else given
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ArgumentError(f"tensordot: dims must be an int or two lists of dimensions, got {dims!r}.")
        if any(len(shapes.as_ints("tensordot", "dims", part)) > tensor.ndim for part, tensor in zip(pair, (a, b), strict=True)):
            raise ShapeError(f"tensordot: dims {dims!r} name more dimensions than shapes {a.shape} and {b.shape} have.")
        left = shapes.normalize_axes("tensordot", "dims", pair[0], a.ndim)
        right = shapes.normalize_axes("tensordot", "dims", pair[1], b.ndim)
    if len(left) != len(right):
        raise ShapeError(f"tensordot: dims name {len(left)} dimensions of a and {len(right)} of b. Name as many.")
    for i, j in zip(left, right, strict=True):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise ShapeError(f"tensordot: dim {i} of a has length {a.shape[i]}, and dim {j} of b has {b.shape[j]}.")
    a = _summed(a, [i for i, j in zip(left, right, strict=True) if a.shape[i] != 1 == b.shape[j]])
    b = _summed(b, [j for i, j in zip(left, right, strict=True) if b.shape[j] != 1 == a.shape[i]])
    return _contracted(a, b, left, right)


def _summed(x: Any, axes: list[int]) -> Any:
    return OPS.sum(x, tuple(axes), True, dtype=x.dtype) if axes else x


def _contracted(x: Any, y: Any, left: tuple[int, ...], right: tuple[int, ...]) -> Any:
    """The sum of products over the dimensions ``left`` of x and ``right`` of y, as one product of matrices."""
    kept_x = [axis for axis in range(x.ndim) if axis not in left]
    kept_y = [axis for axis in range(y.ndim) if axis not in right]
    rows, columns = tuple(x.shape[axis] for axis in kept_x), tuple(y.shape[axis] for axis in kept_y)
    count = shapes.element_count(x.shape[axis] for axis in left)
    first = OPS.reshape(OPS.permute(x, (*kept_x, *left)), (shapes.element_count(rows), count))
    second = OPS.reshape(OPS.permute(y, (*right, *kept_y)), (count, shapes.element_count(columns)))
    return OPS.reshape(OPS.matmul(first, second), (*rows, *columns))


@function(namespace="linalg", autocast={"cuda": "lower"})
def multi_dot(tensors: tuple[Tensor, ...]) -> Tensor:
    """The product of two or more matrices, multiplied in the order that needs the fewest multiplications.

    The first and the last may be vectors: a row and a column.

    Source: T. Cormen, C. Leiserson, R. Rivest, C. Stein, "Introduction to algorithms", 4th edition, MIT 2022, section 14.2.
    """
    given = as_tensors_of("multi_dot", tensors)
    if len(given) < 2:
        raise ArgumentError(f"multi_dot: expected at least two tensors, got {len(given)}.")
    last = len(given) - 1
    for place, tensor in enumerate(given):
        if tensor.ndim != 2 and not (tensor.ndim == 1 and place in (0, last)):
            kind = "matrix or a vector" if place in (0, last) else "matrix"
            raise ShapeError(f"multi_dot: tensor {place} must be a {kind}, got shape {tensor.shape}.")
    chain = list(given)
    chain[0] = OPS.unsqueeze(chain[0], 0) if chain[0].ndim == 1 else chain[0]
    chain[last] = OPS.unsqueeze(chain[last], 1) if chain[last].ndim == 1 else chain[last]
    for place in range(last):
        if chain[place].shape[1] != chain[place + 1].shape[0]:
            first, second = given[place].shape, given[place + 1].shape
            raise ShapeError(f"multi_dot: tensors {place} and {place + 1} of shapes {first} and {second} do not fit.")
    out = _in_best_order(chain)
    if given[0].ndim == 1:
        out = OPS.squeeze(out, 0)
    return OPS.squeeze(out, out.ndim - 1) if given[last].ndim == 1 else out


def _in_best_order(chain: list[Any]) -> Any:
    lengths = [chain[0].shape[0], *(matrix.shape[1] for matrix in chain)]
    count = len(chain)
    cost = {(i, i): (0, i) for i in range(count)}  # (first, last) -> (multiplications, where to part)
    for span in range(1, count):
        for first in range(count - span):
            last = first + span
            cost[first, last] = min(
                (cost[first, k][0] + cost[k + 1, last][0] + lengths[first] * lengths[k + 1] * lengths[last + 1], k)
                for k in range(first, last)
            )

    def product(first: int, last: int) -> Any:
        if first == last:
            return chain[first]
        part = cost[first, last][1]
        return OPS.matmul(product(first, part), product(part + 1, last))

    return product(0, count - 1)


# powers


@function(method=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers ``N - 1`` to 0 of the elements of a vector, as columns, or with ``increasing`` 0 to ``N - 1``.

    N is the length of the vector unless given.
    """
    if as_tensor_of("vander", x, "x").ndim != 1:
        raise ShapeError(f"vander: x must be 1-d, got shape {x.shape}.")
    powers = _powers("vander", x, N)
    return powers if increasing else OPS.flip(powers, (1,))


@function(name="vander", namespace="linalg")
def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 0 to ``N - 1`` of the elements of vectors (…, n), as columns: (…, n, N); N, at least 2, is n unless given."""
    if not as_tensor_of("vander", x, "x").ndim:
        x = OPS.unsqueeze(x, 0)
    if x.dtype.half or x.dtype.category == dtypes.BOOL:
        raise DTypeError(f"vander: {x.dtype.name} is not supported, as in PyTorch. Cast with .float().")
    N = x.shape[-1] if N is None else shapes.as_int("vander", "N", N)
    if N < 2:
        raise ArgumentError(f"vander: N must be at least 2, got {N}.")
    return _powers("vander", x, N)


def _powers(name: str, x: Any, N: Any) -> Any:
    count = x.shape[-1] if N is None else shapes.as_int(name, "N", N)
    if count < 0:
        raise ArgumentError(f"{name}: N must not be negative, got {count}.")
    x = OPS.unsqueeze(x if x.dtype.inexact else OPS.cast(x, dtypes.int64), x.ndim)
    if count <= 1:
        return OPS.full_of(x.detach(), 1) if count else OPS.narrow(x, x.ndim - 1, 0, 0)
    ones = OPS.full_of(x.detach(), 1)
    return OPS.cat([ones, OPS.cumprod(OPS.expand(x, (*x.shape[:-1], count - 1)), x.ndim - 1)], x.ndim - 1)


@function(method=False, autocast={"cpu": "as given", "cuda": "promote"})
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 @ weight[k] @ input2`` for each k, plus ``bias``: (…, n), (…, m), (out, n, m) and (out) give (…, out)."""
    x, y = as_tensor_of("bilinear", input1, "input1"), as_tensor_of("bilinear", input2, "input2")
    shape = as_tensor_of("bilinear", weight, "weight").shape
    if len(shape) != 3:
        raise ShapeError(f"bilinear: weight must have shape (out, n, m), got {shape}.")
    if not x.ndim or not y.ndim or x.shape[:-1] != y.shape[:-1] or (x.shape[-1], y.shape[-1]) != shape[1:]:
        raise ShapeError(
            f"bilinear: inputs of shapes {x.shape} and {y.shape} do not fit weight of shape {shape}: expected (…, {shape[1]}) "
            f"and (…, {shape[2]})."
        )
    if bias is not None and as_tensor_of("bilinear", bias, "bias").shape != shape[:1]:
        raise ShapeError(f"bilinear: bias must have shape {shape[:1]}, got {bias.shape}.")
    through = _contracted(x, weight, (x.ndim - 1,), (1,))  # (…, out, m)
    out = OPS.squeeze(OPS.matmul(through, OPS.unsqueeze(y, y.ndim)), y.ndim)
    return out if bias is None else OPS.add(out, bias)
