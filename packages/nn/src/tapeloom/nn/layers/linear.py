"""Linear and bilinear maps, and the layers that only reshape."""

from __future__ import annotations

import math
from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError
from tapeloom.shapes import as_ints

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, Shape, as_count, new_parameter

__all__ = ["Bilinear", "Flatten", "Identity", "Linear", "Unflatten"]


class Linear(Module):
    """Multiplies the last axis by a matrix and adds a bias: y = x A^T + b.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the output.
        bias: whether to add b.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        (*, in_features) -> (*, out_features).

    Attributes:
        weight: A, of shape (out_features, in_features), from U(-r, r) with r = 1 / sqrt(in_features).
        bias: b, of shape (out_features,), from the same distribution, or None.

    Raises:
        ShapeError: a negative number of features; when called, an input whose last axis is not in_features long.
        DTypeError: a `dtype` that is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.Linear(3, 2)(tl.ones(5, 3)).shape
        (5, 2)

    Source: the first weights are eq. 1 of X. Glorot, Y. Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS 2010.
    """

    weight: Parameter
    bias: Parameter | None

    @settings
    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: DeviceLike = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        self.in_features = as_count("Linear", "in_features", in_features)
        self.out_features = as_count("Linear", "out_features", out_features)
        self.weight = new_parameter(self.out_features, self.in_features, device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(self.out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new values for the parameters."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """Multiplies two vectors with a matrix for each output: y_k = x1^T A_k x2 + b_k.

    Args:
        in1_features, in2_features: sizes of the last axes of the two inputs.
        out_features: size of the last axis of the output.
        bias: whether to add b.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        (*, in1_features) and (*, in2_features) -> (*, out_features).

    Attributes:
        weight: A, of shape (out_features, in1_features, in2_features), from U(-r, r) with r = 1 / sqrt(in1_features).
        bias: b, of shape (out_features,), from the same distribution, or None.

    Raises:
        ArgumentError: an in1_features below 1.
        ShapeError: when called, inputs whose last axes have other sizes, or whose other axes differ.
        DTypeError: a `dtype` that is not floating.

    Source: J. Tenenbaum, W. Freeman, "Separating style and content with bilinear models", Neural Computation 12, 2000,
    eq. 1.
    """

    weight: Parameter
    bias: Parameter | None

    @settings
    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        self.in1_features = as_count("Bilinear", "in1_features", in1_features)
        self.in2_features = as_count("Bilinear", "in2_features", in2_features)
        self.out_features = as_count("Bilinear", "out_features", out_features)
        if not self.in1_features:
            raise ArgumentError("Bilinear: in1_features must be 1 or more, got 0.")
        sizes = (self.out_features, self.in1_features, self.in2_features)
        self.weight = new_parameter(*sizes, device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(self.out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new values for the parameters."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        output: Tensor = F.bilinear(input1, input2, self.weight, self.bias)
        return output

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Identity(Module):
    """Returns its input; takes and ignores any arguments, so it can replace any layer.

    Shape:
        (*) -> (*).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Flatten(Module):
    """Joins the axes from `start_dim` to `end_dim` into one.

    Shape:
        (N, *sizes) -> (N, prod(sizes)) with the default axes.

    Raises:
        IndexingError: when called, an input that has not these axes.
        ArgumentError: when called, a start_dim after end_dim.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.Flatten()(tl.ones(2, 3, 4)).shape
        (2, 12)
    """

    @settings
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = tl.flatten(input, self.start_dim, self.end_dim)
        return output

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits the axis `dim` into axes of `unflattened_size`; one of them may be -1.

    Shape:
        (*, prod(unflattened_size), *) -> (*, *unflattened_size, *).

    Raises:
        IndexingError: when called, an input that has no axis `dim`.
        ShapeError: when called, an axis of another size, or a size with more than one -1.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.Unflatten(1, (3, 4))(tl.ones(2, 12)).shape
        (2, 3, 4)
    """

    @settings
    def __init__(self, dim: int, unflattened_size: Shape) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = as_ints("Unflatten", "unflattened_size", unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = tl.unflatten(input, self.dim, self.unflattened_size)
        return output

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
