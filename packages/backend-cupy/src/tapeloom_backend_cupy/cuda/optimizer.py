"""SGD and Adam over all tensors of a group in one launch.

A launch costs the host several microseconds, more than the update of a small tensor takes: so the addresses of all
tensors go to the device in one small table, cut into chunks of equal work, and one kernel walks the chunks.
Formulas are those of PyTorch's single-tensor SGD, Adam and AdamW.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapeloom.errors import DTypeError

from .launch import MOST_BLOCKS, THREADS, Family, accumulator, ceil_div, check_dtype, cupy, function

FAMILY = Family("optimizer.cu", ("fused_sgd<{T}>", "fused_adam<{T}>"))

SMALLEST_CHUNK, LARGEST_CHUNK = 1024, 65536
WANTED_CHUNKS = 2048  # some blocks for each of the hundred-odd multiprocessors, several times over


@functools.lru_cache(maxsize=64)
def chunk_table(lengths: tuple[int, ...]) -> tuple[int, Any]:
    """(chunk length, int64 table of the lengths, each chunk's tensor, each chunk's first element).

    Empty tensors have no chunk. The table is kept for the next step, whose lengths are the same.
    """
    chunk = SMALLEST_CHUNK
    while chunk < LARGEST_CHUNK and chunk * WANTED_CHUNKS < sum(lengths):
        chunk *= 2
    of_tensor = np.array([ceil_div(length, chunk) for length in lengths], np.int64)
    tensor = np.repeat(np.arange(len(lengths)), of_tensor)
    before = np.cumsum(of_tensor) - of_tensor
    start = (np.arange(len(tensor)) - before[tensor]) * chunk
    table = np.concatenate([np.array(lengths, np.int64), tensor, start]).astype(np.int64)
    table.flags.writeable = False
    return chunk, table


def _addresses(arrays: Sequence[Any], count: int) -> list[int]:
    return [array.data.ptr for array in arrays] if arrays else [0] * count


def _launch(
    cp: Any, what: str, inputs: Sequence[Sequence[Any]], outputs: Sequence[Sequence[Any]], scalars: tuple[Any, ...]
) -> None:
    """Upload the table (pointers, lengths, chunks) and run the kernel; an empty list fills its slot with null."""
    params = inputs[0]
    chunk, tail = chunk_table(tuple(param.size for param in params))
    count = len(params)
    chunks = (len(tail) - count) // 2
    if chunks == 0:
        return
    pointers = [address for arrays in (*inputs, *outputs) for address in _addresses(arrays, count)]
    table = cp.asarray(np.concatenate([np.array(pointers, np.uint64).view(np.int64), tail]))
    sizes = (np.int64(count), np.int64(chunks), np.int64(chunk))
    kernel = function(cp, FAMILY, f"{what}<{{T}}>", params[0].dtype.name)
    kernel((min(chunks, MOST_BLOCKS),), (THREADS,), (table, *sizes, *scalars))


def _contiguous(cp: Any, what: str, params: Sequence[Any], *others: Sequence[Any]) -> tuple[list[Any], ...]:
    """All lists as lists of contiguous arrays, after a check that they fit together in dtype and size."""
    if params:
        check_dtype(what, params[0].dtype.name)
    for arrays in (params, *others):
        for param, array in zip(params, arrays, strict=True) if arrays else ():
            if array.dtype != params[0].dtype or array.size != param.size:
                raise DTypeError(
                    f"{what}: one group takes one dtype and each state the size of its parameter, but got "
                    f"{array.dtype.name} {array.shape} beside {params[0].dtype.name} {param.shape}; "
                    "call once for each dtype"
                )
    return tuple([cp.ascontiguousarray(array) for array in arrays] for arrays in (params, *others))


def _empty(xp: Any, arrays: Sequence[Any]) -> list[Any]:
    # one allocation each: slices of one buffer would all stay alive with any of them
    return [xp.empty(array.shape, array.dtype) for array in arrays]


def _held(arrays: Sequence[Any]) -> Sequence[Any]:
    """The arrays of a state; none where it is not there yet (entries of None)."""
    return arrays if arrays and arrays[0] is not None else []


def fused_sgd(
    params: Sequence[Any],
    grads: Sequence[Any],
    momenta: Sequence[Any],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> list[list[Any]]:
    """New parameters and momenta of one SGD step.

    Entries of ``momenta`` are None on the first step; without momentum it comes back as it is. All arrays are of one
    dtype.
    """
    cp = cupy()
    params, grads, held = _contiguous(cp, "fused_sgd", params, grads, _held(momenta) if momentum else [])
    new_params, new_momenta = _empty(cp, params), _empty(cp, params) if momentum else []
    rates = (np.float64(lr), np.float64(momentum), np.float64(1 - dampening), np.float64(weight_decay))
    flags = (np.int32(nesterov), np.int32(maximize))
    _launch(cp, "fused_sgd", (params, grads, held), (new_params, new_momenta), rates + flags)
    return [new_params, new_momenta if momentum else list(momenta)]


def _adam_scalars(
    step: float, lr: float, betas: tuple[float, float], eps: float, weight_decay: float, decoupled: bool
) -> tuple[Any, ...]:
    """The numbers that are the same for every element, worked out in float64 on the host, in the kernel's order."""
    beta1, beta2 = betas
    step_size = lr / (1 - beta1**step)
    root_correction = (1 - beta2**step) ** 0.5
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else weight_decay
    return tuple(map(np.float64, (step_size, root_correction, 1 - beta1, beta2, 1 - beta2, eps, decay, shrink)))


def fused_adam(
    params: Sequence[Any],
    grads: Sequence[Any],
    exp_avgs: Sequence[Any],
    exp_avg_sqs: Sequence[Any],
    max_exp_avg_sqs: Sequence[Any],
    *,
    step: float,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    maximize: bool,
    decoupled_weight_decay: bool,
) -> list[list[Any]]:
    """New parameters, first moments, second moments and their maxima, which are None unless ``amsgrad``.

    ``step`` is the number of this step, 1 for the first. ``decoupled_weight_decay`` shrinks the parameters themselves
    (AdamW), else the decay joins the gradient (Adam). All arrays are of one dtype.
    """
    cp = cupy()
    params, grads, exp_avgs, exp_avg_sqs, tops = _contiguous(
        cp, "fused_adam", params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs if amsgrad else []
    )
    results = [_empty(cp, params) for _ in range(3 + amsgrad)]
    scalars = _adam_scalars(step, lr, betas, eps, weight_decay, decoupled_weight_decay)
    outputs = results if amsgrad else [*results, []]
    _launch(cp, "fused_adam", (params, grads, exp_avgs, exp_avg_sqs, tops), outputs, (*scalars, np.int32(maximize)))
    return results if amsgrad else [*results, [None] * len(params)]


# ---------------------------------------------------------------------------------------------------------------------
# The twins: the same chunks, each as one slice.


def _slices(params: Sequence[Any]) -> list[tuple[int, slice]]:
    lengths = tuple(param.size for param in params)
    chunk, table = chunk_table(lengths)
    tensors, starts = table[len(lengths) :].reshape(2, -1)
    return [
        (int(tensor), slice(int(start), min(int(start) + chunk, lengths[tensor])))
        for tensor, start in zip(tensors, starts, strict=True)
    ]


def _flat(arrays: Sequence[Any]) -> list[Any]:
    return [np.ascontiguousarray(array).reshape(-1) for array in arrays]


def fused_sgd_twin(
    params: Sequence[Any],
    grads: Sequence[Any],
    momenta: Sequence[Any],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> list[list[Any]]:
    """The SGD kernel in NumPy."""
    held = _held(momenta)
    new_params, new_momenta = _empty(np, params), _empty(np, params) if momentum else []
    flat_params, flat_grads, flat_momenta = _flat(params), _flat(grads), _flat(held)
    out_params, out_momenta = [a.reshape(-1) for a in new_params], [a.reshape(-1) for a in new_momenta]
    for tensor, part in _slices(params):
        scalar = np.dtype(accumulator(params[tensor].dtype.name)).type
        p, g = flat_params[tensor][part].astype(scalar), flat_grads[tensor][part].astype(scalar)
        if maximize:
            g = -g
        if weight_decay != 0:
            g = g + scalar(weight_decay) * p
        if momentum != 0:
            m = g
            if held:
                m = scalar(momentum) * flat_momenta[tensor][part].astype(scalar) + scalar(1 - dampening) * g
            out_momenta[tensor][part] = m.astype(params[tensor].dtype)
            g = g + scalar(momentum) * m if nesterov else m
        out_params[tensor][part] = (p - scalar(lr) * g).astype(params[tensor].dtype)
    return [new_params, new_momenta if momentum else list(momenta)]


def fused_adam_twin(
    params: Sequence[Any],
    grads: Sequence[Any],
    exp_avgs: Sequence[Any],
    exp_avg_sqs: Sequence[Any],
    max_exp_avg_sqs: Sequence[Any],
    *,
    step: float,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    maximize: bool,
    decoupled_weight_decay: bool,
) -> list[list[Any]]:
    """The Adam kernel in NumPy."""
    inputs = [_flat(arrays) for arrays in (params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs if amsgrad else [])]
    results = [_empty(np, params) for _ in range(3 + amsgrad)]
    outputs = [[a.reshape(-1) for a in arrays] for arrays in results]
    scalars = _adam_scalars(step, lr, betas, eps, weight_decay, decoupled_weight_decay)
    for tensor, part in _slices(params):
        dtype = params[tensor].dtype
        scalar = np.dtype(accumulator(dtype.name)).type
        step_size, root_correction, keep1, beta2, keep2, floor, decay, shrink = map(scalar, scalars)
        p, g, m, v, *tops = (arrays[tensor][part].astype(scalar) for arrays in inputs if arrays)
        p = p * shrink
        if maximize:
            g = -g
        if decay != 0:
            g = g + decay * p
        m = m + keep1 * (g - m) if keep1 < 0.5 else g - (g - m) * (1 - keep1)
        v = beta2 * v + keep2 * g * g
        top = np.maximum(tops[0], v) if amsgrad else v
        p = p - step_size * (m / (np.sqrt(top) / root_correction + floor))
        for out, new in zip(outputs, (p, m, v, top), strict=False):
            out[tensor][part] = new.astype(dtype)
    return results if amsgrad else [*results, [None] * len(params)]
