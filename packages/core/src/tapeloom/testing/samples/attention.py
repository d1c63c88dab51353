"""Samples of attention: each mean of values by its definition, one query after the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.testing.inputs import M, T, V
from tapeloom.testing.references import broadcast_shape
from tapeloom.testing.table import case, fails, row


def _attended(query: Any, key: Any, value: Any, allowed: Any, added: Any, scale: float) -> Any:
    """One head: the weights of a query's keys are its exponentials, divided by their sum."""
    out = np.zeros((len(query), value.shape[1]))
    for i, line in enumerate(query):
        raised = [
            math.exp(sum(float(a) * float(b) for a, b in zip(line, other, strict=True)) * scale + float(added[i, j])) * allowed[i, j]
            for j, other in enumerate(key)
        ]
        total = math.fsum(raised) or 1.0
        for column in range(value.shape[1]):
            out[i, column] = math.fsum(a * float(b) for a, b in zip(raised, value[:, column], strict=True)) / total
    return out


def _attention(query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, keep: Any = None, is_causal: bool = False, scale: Any = None, keep_scale: float = 1.0) -> Any:
    if query.ndim > 2 and key.shape[-3] not in (1, query.shape[-3]):
        key, value = (np.repeat(array, query.shape[-3] // array.shape[-3], axis=-3) for array in (key, value))
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    size = (*lead, query.shape[-2], key.shape[-2])
    allowed = np.broadcast_to(True if mask is None else mask, size) & (np.tri(*size[-2:]) > 0 if is_causal else True)
    added = np.broadcast_to(0.0 if bias is None else bias, size)
    query, key, value = (np.broadcast_to(array, (*lead, *array.shape[-2:])) for array in (query, key, value))
    out = np.zeros((*size[:-1], value.shape[-1]))
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else scale
    for place in np.ndindex(lead):
        out[place] = _attended(query[place], key[place], value[place], allowed[place], added[place], scale)
    return out


def _public(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, scale: Any = None, enable_gqa: bool = False) -> Any:
    boolean = attn_mask is not None and attn_mask.dtype == bool
    return _attention(query, key, value, None if boolean else attn_mask, attn_mask if boolean else None, None, is_causal, scale)


Q, K, W = T(2, 3, 4), T(2, 5, 4), T(2, 5, 2)
TALL: dict[str, Any] = {"budget": "chain", "magnitude": lambda *args, **named: np.float64(2.0), "without": "0d"}
row("attend", [Q, K, W, None, None, None, True, 0.5, 1.0], [Q, K, W, T(3, 5), M(2, 3, 5), None, False, 0.3, 1.0],
    case(T(3, 4), T(0, 4), T(0, 2), None, None, None, False, 1.0, 1.0, expect=np.zeros((3, 2))), reference=_attention, **TALL)
NONE = V([[0.0, -math.inf], [-math.inf, -math.inf]])
row("scaled_dot_product_attention", [Q, K, W], [T(3, 4), K, W, M(3, 5)], case(Q, T(1, 5, 4), T(1, 5, 2), T(2, 1, 5), scale=0.25), case(Q, K, W, is_causal=True),
    case(T(2, 4, 3, 2), T(2, 2, 3, 2), T(2, 2, 3, 2), is_causal=True, enable_gqa=True), [T(2, 0, 4), K, W],
    case(V([[1.0], [2.0]]), V([[1.0], [2.0]]), V([[3.0], [4.0]]), NONE, expect=[[3.0], [0.0]]),
    case(T(3, 4), T(5, 4), T(5, 2), None, 1.0, expect=np.zeros((3, 2))), reference=_public, **TALL)
_S = "scaled_dot_product_attention"
fails(_S, case(Q, K, W, M(3, 5), is_causal=True), ArgumentError, f"{_S}: give either attn_mask or is_causal=True, not both.")
fails(_S, [Q, T(2, 5, 3), W], ShapeError, f"{_S}: query of shape (2, 3, 4) and key of shape (2, 5, 3) must have the same last dimension.")
fails(_S, [Q, K, T(2, 4, 2)], ShapeError, f"{_S}: key of shape (2, 5, 4) and value of shape (2, 4, 2) must have as many rows (dim -2).")
fails(_S, [T(3), K, W], ShapeError, f"{_S}: query must have at least 2 dimensions, (…, length, size), got shape (3,).")
fails(_S, [Q, K, W, M(4, 5)], ShapeError, f"{_S}: attn_mask of shape (4, 5) does not broadcast to (2, 3, 5), (…, queries, keys).")
fails(_S, [Q, K, W, T(3, 5), 1.5], ArgumentError, f"{_S}: the probability must be from 0 to 1, got p=1.5.")
