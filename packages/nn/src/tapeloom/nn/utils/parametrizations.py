"""Parametrizations: weight norm, spectral norm, orthogonal matrices."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, IndexingError, ShapeError

from ..layers.conv import _ConvTranspose
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _tensor(name: str, module: Module, tensor_name: str) -> Tensor:
    value = getattr(module, tensor_name, None)
    if not isinstance(value, Tensor):
        raise ArgumentError(f"{name}: {type(module).__name__} has no parameter or buffer '{tensor_name}'.")
    return value


def norm_except(tensor: Tensor, dim: int) -> Tensor:
    """The norm over all axes but one, which are kept with size 1; of the whole tensor with -1."""
    axes = [axis for axis in range(tensor.ndim) if axis != dim]
    norm: Tensor = tl.linalg.vector_norm(tensor, 2, axes, keepdim=True) if dim != -1 else tl.linalg.vector_norm(tensor)
    return norm


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Trains length and direction of a weight apart: w = g * v / |v|.

    Args:
        module: the layer; it is changed, and returned.
        name: the parameter.
        dim: the axis along which there are lengths; None for one length of the whole.

    The state has parametrizations.<name>.original0, which is g, and original1, which is v.

    Source: T. Salimans, D. Kingma, "Weight normalization: a simple reparameterization to accelerate training of deep
    neural networks", NIPS 2016, eq. 2.
    """
    _tensor("weight_norm", module, name)
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix, whose rows are along `dim`."""
    matrix: Tensor = weight.movedim(dim, 0).flatten(1)
    return matrix


def unit(vector: Tensor, eps: float) -> Tensor:
    """The vector divided by its norm, which is at least eps."""
    scaled: Tensor = tl.normalize(vector, dim=0, eps=eps)
    return scaled


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexingError(f"spectral_norm: the weight of shape {tuple(weight.shape)} has no axis {dim}.")
        if n_power_iterations < 1:
            raise ArgumentError(f"spectral_norm: n_power_iterations must be 1 or more, got {n_power_iterations}.")
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                start = tl.randn(size, dtype=matrix.dtype, device=matrix.device)
                self.register_buffer(name, unit(start, eps))
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Tensor, count: int) -> None:
        with tl.no_grad():
            for _ in range(count):
                self._u.copy_(unit(matrix @ self._v, self.eps))
                self._v.copy_(unit(matrix.mH @ self._u, self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return unit(weight, self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / (u.conj() @ (matrix @ v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divides a weight by its greatest singular value, which the power method follows during training.

    Args:
        module: the layer; it is changed, and returned.
        name: the parameter.
        n_power_iterations: steps of the power method at each call in training.
        eps: the least norm that is divided by.
        dim: the axis of the outputs; 1 for transposed convolutions, else 0.

    The state has parametrizations.<name>.original, and the singular vectors parametrizations.<name>.0._u and _v.

    Source: T. Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018, algorithm 1.
    """
    weight = _tensor("spectral_norm", module, name)
    axis = dim if dim is not None else int(isinstance(module, _ConvTranspose))
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, axis, eps))


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.orthogonal_map = orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        x = x.mT if wide else x
        rows, columns = x.shape[-2:]
        if self.orthogonal_map == "householder":
            a = x.tril(-1)
            tau = 2.0 / (1.0 + (a * a.conj()).sum(-2))
            q = tl.linalg.householder_product(a, tau)
            q = q * x.diagonal(dim1=-2, dim2=-1).to(tl.int32).unsqueeze(-2).to(q.dtype)
        else:
            x = tl.pad(x.tril(), (0, rows - columns))
            skew = x - x.mH
            if self.orthogonal_map == "matrix_exp":
                q = tl.linalg.matrix_exp(skew)
            else:
                one = tl.eye(rows, dtype=x.dtype, device=x.device)
                q = tl.linalg.solve(one - skew / 2, one + skew / 2)
            q = q[..., :columns]
        if self.use_trivialization and self.base is not None:
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, q: Tensor) -> Tensor:
        wide = q.shape[-2] < q.shape[-1]
        tall = q.mT if wide else q
        rows, columns = tall.shape[-2:]
        if not self.use_trivialization:
            if self.orthogonal_map != "householder":
                raise ArgumentError(
                    f"orthogonal: a weight cannot be set for '{self.orthogonal_map}' without use_trivialization."
                )
            a, tau = tl.geqrf(tall)
            signs = a.diagonal(dim1=-2, dim2=-1).sgn()
            signs = tl.where(tau == 0, -signs, signs)
            a = a.tril(-1) + a.triu(1) + _diagonal(signs, rows)
            return a.mT if wide else a
        if rows != columns:
            extra = tl.randn(*tall.shape[:-2], rows, rows - columns, dtype=tall.dtype, device=tall.device)
            tall = tl.cat([tall, extra], -1)
        self.base = _nearest(tall)
        minus = -tl.ones(min(rows, columns), dtype=q.dtype, device=q.device)
        zeros = tl.zeros_like(q)
        return zeros + tl.pad(tl.diag_embed(minus), (0, q.shape[-1] - minus.shape[0], 0, q.shape[-2] - minus.shape[0]))


def _diagonal(values: Tensor, rows: int) -> Tensor:
    square = tl.diag_embed(values)
    padded: Tensor = tl.pad(square, (0, 0, 0, rows - values.shape[-1]))
    return padded


def _nearest(matrix: Tensor) -> Tensor:
    """The orthogonal factor of a matrix whose triangular one has a positive diagonal; an orthogonal matrix itself."""
    q, r = tl.linalg.qr(matrix)
    factor: Tensor = q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
    return factor


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keeps a weight orthogonal: Q^T Q = 1, or Q Q^T = 1 of one with more columns than rows.

    Args:
        module: the layer; it is changed, and returned.
        name: the parameter, of two axes or more.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; the first for square weights, else the last.
        use_trivialization: multiply with the weight that was there, so that it can be set to any orthogonal value.

    The state has parametrizations.<name>.original, and parametrizations.<name>.0.base with use_trivialization.

    Raises:
        ShapeError: a weight of fewer than two axes.
        ArgumentError: another orthogonal_map.

    Source: M. Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", NeurIPS 2019;
    M. Lezcano-Casado, D. Martínez-Rubio, "Cheap orthogonal constraints in neural networks", ICML 2019.
    """
    weight = _tensor("orthogonal", module, name)
    if weight.ndim < 2:
        raise ShapeError(f"orthogonal: needs a weight of two axes or more, got shape {tuple(weight.shape)}.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ArgumentError(
            f"orthogonal: orthogonal_map must be 'matrix_exp', 'cayley' or 'householder', got {orthogonal_map!r}."
        )
    made: Any = _Orthogonal(orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
