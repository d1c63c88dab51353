"""Attention: means of values, weighted by how well queries and keys fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom import dtypes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.host_random import probability_threshold
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.dropout import kept_mask
from tapeloom.shapes import broadcast

if TYPE_CHECKING:
    from tapeloom.op.parameter import Mask
    from tapeloom.tensors.tensor import Tensor

NAME = "scaled_dot_product_attention"


@primitive(takes="floating", composite=True, residuals=("weights",))
def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    mask: Mask | None,
    keep: Mask | None,
    is_causal: bool,
    scale: float,
    keep_scale: float,
) -> Tensor:
    """``scaled_dot_product_attention`` of checked arguments: ``bias`` is added, ``mask`` says what may be attended to.

    ``keep`` says which weights dropout keeps, times ``keep_scale``. Where query has more heads than key, each head of key
    serves as many in a row.
    """
attend.gradient(
    lambda g, need, query, key, value, keep, scale, keep_scale, weights, ops: ops.attend_backward(
        g, query, key, value, keep, scale, keep_scale, weights, need
    )
)


@function(method=False, autocast="lower")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.mT * scale + attn_mask) @ value`` for query (…, L, E), key (…, S, E), value (…, S, V): (…, L, V).

    ``scale`` is 1 / sqrt(E) unless given. ``attn_mask`` broadcasts to (…, L, S): floating values are added, of a bool mask True
    may be attended to. ``is_causal`` lets position i attend to those up to i. A query that may attend to nothing gives 0.
    With ``dropout_p`` each weight becomes 0 with this probability and is divided by 1 - dropout_p otherwise. With
    ``enable_gqa`` key and value may have fewer heads (dim -3) than query, each serving as many in a row.

    Raises ShapeError for shapes that do not fit, DTypeError for tensors of several dtypes, ArgumentError for ``attn_mask``
    together with ``is_causal``.

    Source: A. Vaswani et al., "Attention is all you need", NIPS 2017, eq. 1; the groups: J. Ainslie et al., "GQA: training
    generalized multi-query transformer models from multi-head checkpoints", EMNLP 2023.
    """
    as_tensor_of(NAME, query, "query")
    _check_dtypes(query, as_tensor_of(NAME, key, "key"), as_tensor_of(NAME, value, "value"))
    lead = _check_shapes(query, key, value, enable_gqa)
    size = (*lead, query.shape[-2], key.shape[-2])
    bias = mask = None
    if attn_mask is not None:
        if is_causal:
            raise ArgumentError(f"{NAME}: give either attn_mask or is_causal=True, not both.")
        _check_mask(as_tensor_of(NAME, attn_mask, "attn_mask"), query.dtype, size)
        mask, bias = (attn_mask, None) if attn_mask.dtype is dtypes.bool_ else (None, attn_mask)
    dropout_p = as_number(NAME, "dropout_p", dropout_p)
    keep = kept_mask(NAME, query, probability_threshold(NAME, dropout_p), None, size) if dropout_p else None
    scale = query.shape[-1] ** -0.5 if scale is None and query.shape[-1] else scale or 0.0
    keep_scale = 1 / (1 - dropout_p) if dropout_p < 1 else 0.0
    return OPS.attend(query, key, value, bias, mask, keep, is_causal, scale, keep_scale)


def _check_dtypes(query: Tensor, key: Tensor, value: Tensor) -> None:
    for name, tensor in {"key": key, "value": value}.items():
        if tensor.dtype is not query.dtype:
            raise DTypeError(
                f"{NAME}: {name} is {tensor.dtype.name}, and query {query.dtype.name}; they must be the same. Cast one with .to(dtype)."
            )


def _check_shapes(query: Tensor, key: Tensor, value: Tensor, grouped: bool) -> tuple[int, ...]:
    """The dimensions before the last two that the result has."""
    tensors = {"query": query, "key": key, "value": value}
    for name, tensor in tensors.items():
        if tensor.ndim < 2:
            raise ShapeError(f"{NAME}: {name} must have at least 2 dimensions, (…, length, size), got shape {tensor.shape}.")
    if query.shape[-1] != key.shape[-1]:
        raise ShapeError(f"{NAME}: query of shape {query.shape} and key of shape {key.shape} must have the same last dimension.")
    if key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{NAME}: key of shape {key.shape} and value of shape {value.shape} must have as many rows (dim -2).")
    leads = [tensor.shape[:-2] for tensor in tensors.values()]
    if grouped:
        if not all(leads):
            raise ShapeError(f"{NAME}: with enable_gqa all tensors must have a dimension of heads, (…, heads, length, size).")
        heads = query.shape[-3]
        for name in ("key", "value"):
            own = tensors[name].shape[-3]
            if not own or heads % own:
                raise ShapeError(f"{NAME}: the {own} heads of {name} must divide the {heads} heads of query.")
        leads = [(*lead[:-1], heads) for lead in leads]
    try:
        return broadcast(NAME, *leads)
    except ShapeError:
        shapes = ", ".join(f"{name} {tensor.shape}" for name, tensor in tensors.items())
        advice = "" if grouped else " For fewer heads of key and value than of query give enable_gqa=True."
        raise ShapeError(f"{NAME}: the dimensions before the last two do not broadcast: {shapes}.{advice}") from None


def _check_mask(mask: Tensor, dtype: dtypes.DType, size: tuple[int, ...]) -> None:
    if mask.dtype not in (dtypes.bool_, dtypes.float32, dtype):
        raise DTypeError(f"{NAME}: attn_mask must be bool, float32 or {dtype.name} as query is, got {mask.dtype.name}.")
    if len(mask.shape) > len(size) or any(a not in (1, b) for a, b in zip(mask.shape[::-1], size[::-1], strict=False)):
        raise ShapeError(f"{NAME}: attn_mask of shape {mask.shape} does not broadcast to {size}, (…, queries, keys).")
