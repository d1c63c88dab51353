"""Initialisers: each fills a tensor in place, records nothing, and returns the tensor.

The names, formulas and defaults are those of `torch.nn.init`. `fan_in` and `fan_out` of a weight of shape
(out, in, *kernel) are `in * prod(kernel)` and `out * prod(kernel)`.

Random initialisers take `generator`, a `tl.Generator`; without one they draw from the default generator, so
`tl.manual_seed` fixes them, with the same bits on every backend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tapeloom as tl
from tapeloom import Generator, Tensor
from tapeloom.call.op import explained
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.ops.random import truncated_normal_

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


_skips: ContextVar[bool] = ContextVar("initialisers do nothing", default=False)


@contextmanager
def skipping() -> Iterator[None]:
    """Inside, the initialisers leave tensors as they are."""
    token = _skips.set(True)
    try:
        yield
    finally:
        _skips.reset(token)


@explained
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity's weights are scaled to keep the variance of a signal.

    Args:
        nonlinearity: "linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu", ….
        param: the negative slope of "leaky_relu" (0.01 if None).

    Raises:
        ArgumentError: an unknown name, or a slope that is no number.

    Example:
        >>> from tapeloom.nn import init
        >>> init.calculate_gain("relu") ** 2
        2.0000000000000004

    Source: "relu" and "leaky_relu" are eqs. 10 and 15 of K. He et al., "Delving deep into rectifiers: surpassing
    human-level performance on ImageNet classification", ICCV 2015; the others are PyTorch's values.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ArgumentError(f"calculate_gain: the slope of leaky_relu must be a number, got {param!r}.")
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity not in _GAINS:
        names = ", ".join([*_GAINS, "leaky_relu"])
        raise ArgumentError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}. Known: {names}.")
    return _GAINS[nonlinearity]


@explained
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with draws from the uniform distribution on [a, b).

    Raises:
        ArgumentError: `a` is above `b`, or one of them is not finite.
        DTypeError: the tensor is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn import init
        >>> bool((init.uniform_(tl.empty(100), 2.0, 3.0) >= 2.0).all())
        True
    """
    if not _skips.get():
        with tl.no_grad():
            tensor.uniform_(a, b, generator=generator)
    return tensor


@explained
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with draws from the normal distribution of that mean and standard deviation.

    Raises:
        ArgumentError: `std` is negative.
        DTypeError: the tensor is not floating.

    Source: G. Box, M. Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics
    29, 1958.
    """
    if not _skips.get():
        with tl.no_grad():
            tensor.normal_(mean, std, generator=generator)
    return tensor


@explained
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fills with draws from a normal distribution cut off at `a` and `b`, both in the unit of the tensor.

    Draws u uniformly between the distribution function's values at the two bounds and gives the place where it is u.

    Raises:
        ArgumentError: `a` is not below `b`, or `std` is not positive.
        DTypeError: the tensor is not floating.

    Source: L. Devroye, "Non-uniform random variate generation", Springer 1986, section II.2: the inversion method.
    """
    if not a < b or not std > 0:
        raise ArgumentError(f"trunc_normal_: needs a < b and std > 0, got a={a}, b={b}, std={std}.")
    if not _skips.get():
        with tl.no_grad():
            truncated_normal_("trunc_normal_", tensor, mean, std, a, b, generator)
    return tensor


@explained
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with one number."""
    return _filled(tensor, val)


@explained
def ones_(tensor: Tensor) -> Tensor:
    """Fills with 1."""
    return _filled(tensor, 1.0)


@explained
def zeros_(tensor: Tensor) -> Tensor:
    """Fills with 0."""
    return _filled(tensor, 0.0)


def _filled(tensor: Tensor, value: float) -> Tensor:
    if not _skips.get():
        with tl.no_grad():
            tensor.fill_(value)
    return tensor


@explained
def eye_(tensor: Tensor) -> Tensor:
    """Makes a matrix the identity, as far as it is square.

    Raises:
        ShapeError: the tensor has not two axes.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn import init
        >>> init.eye_(tl.empty(2, 3)).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: needs a matrix, got shape {tuple(tensor.shape)}.")
    with tl.no_grad():
        rows, columns = tensor.shape
        tensor.copy_(tl.arange(rows, device=tensor.device)[:, None] == tl.arange(columns, device=tensor.device))
    return tensor


@explained
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Makes the weight of a convolution pass its input through, in each group, as far as there are channels.

    Args:
        tensor: of three to five axes, (out, in, *kernel).
        groups: groups of output channels; must divide their number.

    Raises:
        ShapeError: another number of axes.
        ArgumentError: groups that do not divide.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn import init
        >>> init.dirac_(tl.empty(2, 1, 3), groups=2).tolist()
        [[[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]]
    """
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_: needs a weight of 3, 4 or 5 axes, (out, in, *kernel), got {tuple(tensor.shape)}.")
    outputs, inputs, *kernel = tensor.shape
    if groups < 1 or outputs % groups:
        raise ArgumentError(f"dirac_: groups={groups} must divide the {outputs} output channels.")
    with tl.no_grad():
        own = tl.arange(outputs, device=tensor.device)[:, None] % max(outputs // groups, 1)
        hits = own == tl.arange(inputs, device=tensor.device)
        for size in kernel:
            hits = hits[..., None] & (tl.arange(size, device=tensor.device) == size // 2)
        tensor.copy_(hits)
    return tensor


@explained
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with an orthogonal matrix, drawn uniformly; axes behind the first are taken as one.

    Args:
        tensor: of two axes or more; the rows are orthogonal, or the columns, if there are fewer of them.
        gain: a factor.
        generator: the source of random numbers.

    Raises:
        ShapeError: fewer than two axes.

    Source: A. Saxe, J. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks", ICLR 2014; drawing uniformly: F. Mezzadri, "How to generate random matrices from the classical
    compact groups", Notices of the AMS 54, 2007.
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: needs two axes or more, got shape {tuple(tensor.shape)}.")
    if tensor.numel() and not _skips.get():
        with tl.no_grad():
            rows = tensor.shape[0]
            columns = tensor.numel() // rows
            tall = tl.empty(max(rows, columns), min(rows, columns), dtype=tensor.dtype, device=tensor.device)
            q, r = tl.linalg.qr(tall.normal_(generator=generator))
            q = q * r.diagonal().sign()
            tensor.copy_((q.mT if rows < columns else q).reshape(tensor.shape) * gain)
    return tensor


@explained
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fills a matrix from N(0, std^2), and sets a part of each column to 0.

    Args:
        tensor: of two axes.
        sparsity: the part, from 0 to 1; its number of rows is rounded up.
        std: see above.
        generator: the source of random numbers.

    Raises:
        ShapeError: another number of axes.

    Source: J. Martens, "Deep learning via Hessian-free optimization", ICML 2010, section 5.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_: needs a matrix, got shape {tuple(tensor.shape)}.")
    if not _skips.get():
        with tl.no_grad():
            tensor.normal_(0.0, std, generator=generator)
            keys = tl.empty(tensor.shape, device=tensor.device).uniform_(generator=generator)
            ranks = keys.argsort(0).argsort(0)
            tensor.masked_fill_(ranks < math.ceil(sparsity * tensor.shape[0]), 0.0)
    return tensor


@explained
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills from U(-r, r) with r = gain * sqrt(6 / (fan_in + fan_out)).

    Raises:
        ShapeError: the tensor has fewer than two axes.
        ArgumentError: a negative `gain`.
        DTypeError: the tensor is not floating.

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, eq. 16.
    """
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


@explained
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills from N(0, s^2) with s = gain * sqrt(2 / (fan_in + fan_out)); errors as for `xavier_uniform_`.

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, eq. 12.
    """
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


@explained
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fills from U(-r, r) with r = gain * sqrt(3 / fan).

    Args:
        tensor: the weight, of shape (out, in, *kernel).
        a: the negative slope of the leaky ReLU that follows; used with "leaky_relu" alone.
        mode: "fan_in" keeps the variance of the forward signal, "fan_out" that of the gradient.
        nonlinearity: what follows the weight; see `calculate_gain`.
        generator: the source of random numbers.

    Raises:
        ArgumentError: an unknown mode or nonlinearity.
        ShapeError: the tensor has fewer than two axes.
        DTypeError: the tensor is not floating.

    Source: K. He et al., "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification",
    ICCV 2015, eqs. 10, 14 and 15.
    """
    fan = _fan("kaiming_uniform_", tensor, mode)
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / fan) if fan else 0.0
    return uniform_(tensor, -bound, bound, generator)


@explained
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fills from N(0, s^2) with s = gain / sqrt(fan); arguments, errors and source as for `kaiming_uniform_`."""
    fan = _fan("kaiming_normal_", tensor, mode)
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0, generator)


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"{name}: needs a weight of two axes or more, (out, in, *kernel), got shape {tuple(tensor.shape)}. "
            "Use uniform_ or normal_ for a vector."
        )
    outputs, inputs, *kernel = tensor.shape
    field = math.prod(kernel)
    return inputs * field, outputs * field


def _fan(name: str, tensor: Tensor, mode: str) -> int:
    fan_in, fan_out = _fans(name, tensor)
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"{name}: mode must be 'fan_in' or 'fan_out', got {mode!r}.")
    return fan_in if mode == "fan_in" else fan_out
