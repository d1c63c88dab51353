"""The layers of einops as Modules: `Rearrange`, `Reduce`, `EinMix`.

    from tapeloom.nn.einops import Rearrange

They stand for those that `einops.layers` has for other libraries, and need einops (`pip install einops`).
"""

from __future__ import annotations

from typing import Any

from einops.layers import RearrangeMixin, ReduceMixin
from einops.layers._einmix import _EinmixMixin

import tapeloom as tl
from tapeloom import Tensor

from .module import Module
from .parameter import Parameter

__all__ = ["EinMix", "Rearrange", "Reduce"]


class Rearrange(RearrangeMixin, Module):
    """`einops.rearrange` as a layer.

    Args:
        pattern: what einops writes, such as `"batch channel height width -> batch (channel height width)"`.
        axes_lengths: the lengths of axes that the input does not tell.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn.einops import Rearrange
        >>> Rearrange("b c h w -> b (c h w)")(tl.ones(2, 3, 4, 4)).shape
        (2, 48)
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input in the shape and order that the pattern says."""
        return self._apply_recipe(input)  # type: ignore[no-any-return,no-untyped-call]


class Reduce(ReduceMixin, Module):
    """`einops.reduce` as a layer.

    Args:
        pattern: what einops writes; axes that are on the left alone are reduced.
        reduction: "sum", "mean", "max", "min", "prod", "any" or "all".
        axes_lengths: the lengths of axes that the input does not tell.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn.einops import Reduce
        >>> Reduce("b c (h 2) (w 2) -> b c h w", "max")(tl.ones(2, 3, 4, 4)).shape
        (2, 3, 2, 2)
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input, reduced as the pattern says."""
        return self._apply_recipe(input)  # type: ignore[no-any-return,no-untyped-call]


class EinMix(_EinmixMixin, Module):
    """A linear layer over named axes: an einsum with a weight of its own, and rearrangements around it.

    Args:
        pattern: the axes of the input and of the result.
        weight_shape: the axes of the weight.
        bias_shape: the axes of the bias; None for none.
        axes_lengths: the lengths of the axes of weight and bias.

    Attributes:
        weight: from U(-r, r) with r = sqrt(3 / n), where n elements of the input make one of the result.
        bias: from U(-r, r) with r = sqrt(1 / n), or None.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn.einops import EinMix
        >>> mix = EinMix("b c h w -> b d h w", weight_shape="c d", bias_shape="d", c=3, d=5)
        >>> mix(tl.ones(2, 3, 4, 4)).shape
        (2, 5, 4, 4)
    """

    weight: Parameter
    bias: Parameter | None

    def _create_parameters(
        self, weight_shape: list[int], weight_bound: float, bias_shape: list[int] | None, bias_bound: float
    ) -> None:
        self.weight = Parameter(tl.empty(weight_shape).uniform_(-weight_bound, weight_bound))
        self.bias = None if bias_shape is None else Parameter(tl.empty(bias_shape).uniform_(-bias_bound, bias_bound))

    def _create_rearrange_layers(
        self,
        pre_reshape_pattern: str | None,
        pre_reshape_lengths: dict[str, int] | None,
        post_reshape_pattern: str | None,
        post_reshape_lengths: dict[str, int] | None,
    ) -> None:
        self.pre_rearrange = _rearrange(pre_reshape_pattern, pre_reshape_lengths)
        self.post_rearrange = _rearrange(post_reshape_pattern, post_reshape_lengths)

    def forward(self, input: Tensor) -> Tensor:
        """The mixed input."""
        if self.pre_rearrange is not None:
            input = self.pre_rearrange(input)
        result = tl.einsum(self.einsum_pattern, input, self.weight)
        if self.bias is not None:
            result = result + self.bias
        return result if self.post_rearrange is None else self.post_rearrange(result)


def _rearrange(pattern: str | None, lengths: dict[str, Any] | None) -> Rearrange | None:
    return None if pattern is None else Rearrange(pattern, **(lengths or {}))
