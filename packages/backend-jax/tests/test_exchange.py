"""Arrays of JAX and tensors: DLPack without a copy, and the Array API standard on XLA."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import ExchangeError


def address(array: Any) -> int:
    return int(array.unsafe_buffer_pointer())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "bool", "complex64"])
def test_an_array_of_jax_there_and_back(dtype: str) -> None:
    array = jnp.ones((2, 3), dtype)
    x = tl.from_dlpack(array, device="xla")
    assert (x.shape, x.dtype.name, str(x.device)) == ((2, 3), dtype, "xla:0")
    back = jnp.from_dlpack(x)
    assert isinstance(back, jax.Array) and back.dtype == array.dtype
    if jax.default_backend() == "cpu":
        assert address(back) == address(array)
    assert tl.from_dlpack(array, device="xla", copy=True).tolist() == x.tolist()


@pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="JAX computes on an accelerator here: its memory is not the host's"
)
def test_memory_of_the_host() -> None:
    x = tl.arange(3, dtype=tl.float32, device="xla")
    assert x.__dlpack_device__() == (1, 0)
    lent = np.from_dlpack(x)
    assert lent.tolist() == [0, 1, 2] and not lent.flags.writeable
    near = tl.from_dlpack(jnp.arange(3.0))  # host memory is cpu unless a device is given
    assert str(near.device) == "cpu" and near.tolist() == [0, 1, 2]
    array = np.zeros(1000, np.float32)
    taken = tl.from_dlpack(array, device="xla")
    array[:] = 1
    assert taken.sum().item() == 0  # JAX takes it that memory does not change
    assert tl.from_dlpack(tl.ones(3), device="xla").tolist() == [1, 1, 1]
    array.flags.writeable = False
    with pytest.raises(ExchangeError, match="from_dlpack: ndarray could not be taken over"):
        tl.from_dlpack(array, device="xla", copy=False)
    with pytest.raises(ExchangeError, match="requires a gradient"):
        jnp.from_dlpack(x.requires_grad_())


def test_the_namespace_of_the_standard() -> None:
    x = tl.tensor([[3.0, 1.0, 2.0]], device="xla", requires_grad=True)
    xp = x.__array_namespace__()
    out = xp.sum(xp.sort(x, axis=1) * xp.arange(3, dtype=xp.float32, device=x.device), dtype=xp.float64)
    out.backward()
    assert x.grad is not None and x.grad.tolist() == [[2, 0, 1]]
    assert out.device == x.device in xp.__array_namespace_info__().devices()
    assert "float64" in xp.__array_namespace_info__().dtypes(device=x.device)
