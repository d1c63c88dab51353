"""Values and gradients where numbers overflow, vanish or are special, on every installed backend; the figures are PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tapeloom as tl
import tapeloom.nn.functional as F
from tapeloom.testing.differential import usable_devices

INF, NAN = math.inf, math.nan
HALVES = ("float16", "bfloat16")
ALL = (*HALVES, "float32", "float64")
#: what counts as equal: a few units in the last place
CLOSE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-5, "float64": 2e-5}


def bce(target, **settings):
    return lambda x: F.binary_cross_entropy_with_logits(x, tl.full_like(x, target), reduction="none", **settings)


#: name -> (dtypes, function, inputs, value, gradients of the sum)
CASES = {
    # half types, whose squares overflow and vanish
    "norm": (ALL, tl.norm, [[300.0, 400.0]], 500.0, [[0.6, 0.8]]),
    "norm of small numbers": (ALL, tl.norm, [[2**-14, 2**-14]], 2**-13.5, [[0.5**0.5] * 2]),
    "norm 3": (ALL, lambda x: tl.norm(x, 3), [[300.0, 400.0]], 449.7941, [[0.444851, 0.790847]]),
    "std": (ALL, lambda x: tl.std(x, correction=0), [[300.0, -300.0]], 300.0, [[0.5, -0.5]]),
    "round to places": (ALL, lambda x: tl.round(x, decimals=3), [[40960.0, -0.5]], [40960.0, -0.5], [[0.0, 0.0]]),
    "round to no place": (("float32",), lambda x: tl.round(x, decimals=60), [[1.5]], [NAN], [[0.0]]),
    "normalize": (ALL, lambda x: F.normalize(x, dim=0), [[300.0, 400.0]], [0.6, 0.8], [[0.00032, -0.00024]]),
    "normalize small numbers": (ALL, lambda x: F.normalize(x, dim=0), [[2**-14, 0.0]], [1.0, 0.0], [[0.0, 2.0**14]]),
    "smooth_l1": (ALL, lambda x: F.smooth_l1_loss(x, 0 * x, beta=1024.0), [[896.0]], 392.0, [[0.875]]),
    "glu": (("float16",), lambda x: F.glu(x, 0), [[200.0, -16.0]], [2.2507e-5], [[1.1254e-7, 2.2507e-5]]),
    "batch_norm by statistics": (HALVES, lambda x: F.batch_norm(x, 0 * x[0] + 1024, 0 * x[0] + 3), [[[1032.0]]], [[4.6188]], [[[0.57735]]]),
    # eps is that of the dtype that is computed in
    "rms_norm": (("float32", *HALVES), lambda x: F.rms_norm(x, (2,)), [[2**-10, 2**-10]], [0.94281] * 2, [[107.27] * 2]),
    # gradients that vanish in a difference
    "logits of 0": (("float32", "float64", "bfloat16"), bce(0.0), [[-17.0, -40.0]], [4.13994e-8, 4.24835e-18], [[4.13994e-8, 4.24835e-18]]),
    "logits of 1": (("float32", "float64", "bfloat16"), bce(1.0), [[17.0, 40.0]], [4.13994e-8, 4.24835e-18], [[-4.13994e-8, -4.24835e-18]]),
    "logits of 1, float16": (("float16",), bce(1.0), [[10.0, -10.0]], [4.5419e-5, 10.0], [[-4.5419e-5, -1.0]]),
    "gelu": (ALL, F.gelu, [[6e-8, -6e-8, 0.0]], [3e-8, -3e-8, 0.0], [[0.5, 0.5, 0.5]]),
    "gelu by tanh": (ALL, lambda x: F.gelu(x, "tanh"), [[6e-8, -6e-8, 0.0]], [3e-8, -3e-8, 0.0], [[0.5, 0.5, 0.5]]),
    # zeros and infinities
    "norm of zeros": (ALL, tl.norm, [[0.0, 0.0]], 0.0, [[0.0, 0.0]]),
    "norm .5 of zeros": (ALL, lambda x: tl.norm(x, 0.5), [[0.0, 0.0]], 0.0, [[0.0, 0.0]]),
    "norm .5 beside a zero": (ALL, lambda x: tl.norm(x, 0.5), [[0.0, 4.0]], 4.0, [[0.0, 1.0]]),
    "norm -1 of zeros": (ALL, lambda x: tl.norm(x, -1), [[0.0, 0.0]], 0.0, [[0.0, 0.0]]),
    "norm -1 beside a zero": (ALL, lambda x: tl.norm(x, -1), [[0.0, 2.0]], 0.0, [[0.0, 0.0]]),
    "norm inf shares": (ALL, lambda x: tl.norm(x, INF), [[2.0, -2.0, 0.0]], 2.0, [[0.5, -0.5, 0.0]]),
    "norm -inf of zeros": (ALL, lambda x: tl.norm(x, -INF), [[0.0, 2.0]], 0.0, [[0.0, 0.0]]),
    "norm 0": (ALL, lambda x: tl.norm(x, 0), [[0.0, 2.0]], 1.0, [[0.0, 0.0]]),
    "std of equal numbers": (ALL, tl.std, [[3.0, 3.0]], 0.0, [[0.0, 0.0]]),
    "var of too few": (ALL, lambda x: tl.var(x, correction=2), [[1.0, 3.0]], INF, None),
    "var of one": (ALL, tl.var, [[1.0]], NAN, None),
    "logsumexp of none": (ALL, lambda x: tl.logsumexp(x, 1), [[[], []]], [-INF, -INF], [[[], []]]),
    "normalize zeros": (("float32", "float64", "bfloat16"), lambda x: F.normalize(x, dim=0), [[0.0, 0.0]], [0.0, 0.0], [[1e12, 1e12]]),
    "normalize by inf": (ALL, lambda x: F.normalize(x, INF, 0), [[0.0, 2.0]], [0.0, 1.0], [[0.5, 0.0]]),
    "normalize by 0": (ALL, lambda x: F.normalize(x, 0, 0), [[3.0, 2.0]], [1.5, 1.0], [[0.5, 0.5]]),
    "normalize by 0, of inf": (ALL, lambda x: F.normalize(x, 0, 0), [[INF, 2.0]], [INF, 1.0], [[0.5, 0.5]]),
    "normalize by .5": (ALL, lambda x: F.normalize(x, 0.5, 0), [[0.0, 4.0]], [0.0, 1.0], [[0.25, 0.0]]),
    "celu, negative alpha": (ALL, lambda x: F.celu(x, -0.5), [[2.0, -0.25]], [2.0, -0.324361], [[1.0, 1.64872]]),
    "prelu": (ALL, F.prelu, [[INF, -INF, 0.0, 1.0], [0.25]], [INF, -INF, 0.0, 1.0], [[1.0, 0.25, 0.25, 1.0], [-INF]]),
    "prelu above 0": (ALL, F.prelu, [[INF, 1.0], [0.25]], [INF, 1.0], [[1.0, 1.0], [0.0]]),
    "smooth_l1 of inf": (ALL, lambda x, y: F.smooth_l1_loss(x, y) * 2, [[INF, -INF], [0.0, 0.0]], INF, [[1.0, -1.0], [-1.0, 1.0]]),
    "smooth_l1, beta 0": (ALL, lambda x: F.smooth_l1_loss(x, 0 * x, reduction="sum", beta=0.0), [[2.0, 0.0]], 2.0, [[1.0, 0.0]]),
}  # fmt: skip


@pytest.mark.parametrize("device", usable_devices())
@pytest.mark.parametrize("name", CASES)
def test_special_values(name, device):
    dtypes, function, inputs, value, gradients = CASES[name]
    for dtype in dtypes if device == "cpu" else {dtypes[0], dtypes[-1]}:  # others compile for each
        given = [tl.tensor(item, dtype=dtype, device=device, requires_grad=True) for item in inputs]
        result = function(*given)
        # a step of the smallest denormal number of the dtype is the least that can be asked for
        close = {"rtol": CLOSE[dtype], "atol": 6.2e-8 if dtype == "float16" else 0.0, "err_msg": f"{name}, {dtype}"}
        assert result.dtype.name == dtype
        np.testing.assert_allclose(result.double().numpy(force=True), np.array(value), **close)
        if gradients is None:
            continue
        result.sum().backward()
        for tensor, wanted in zip(given, gradients, strict=True):
            assert tensor.grad is not None
            np.testing.assert_allclose(tensor.grad.double().numpy(force=True), np.array(wanted), **close)


@pytest.mark.parametrize("device", usable_devices())
@pytest.mark.parametrize("shape", [(0, 3), (2, 3, 0)])
def test_an_empty_batch_leaves_the_running_statistics(shape, device):
    mean, var = tl.zeros(3, device=device), tl.ones(3, device=device)
    assert F.batch_norm(tl.ones(shape, device=device), mean, var, training=True).shape == shape
    assert mean.tolist() == [0.0] * 3 and var.tolist() == [1.0] * 3


@pytest.mark.parametrize("device", usable_devices())
@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round", "sign", "sgn"])
def test_a_flat_function_gives_0_to_any_gradient(name, device):
    x = tl.tensor([1.5, INF], device=device, requires_grad=True)
    getattr(tl, name)(x).backward(tl.tensor([INF, NAN], device=device))
    assert x.grad is not None and x.grad.tolist() == [0.0, 0.0]
