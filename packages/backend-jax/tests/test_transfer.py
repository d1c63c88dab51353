"""Values on their way between the host, the NumPy backend and XLA's devices."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

import jax
import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import DeviceError, StateError


def in_a_process(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("size", [8, 1024, 10**6])
def test_the_host_array_is_copied_at_once(backend: Any, size: int) -> None:
    """JAX itself may read the host's memory later, or share it for good: whoever writes then changes our values."""
    for shift in (0, 8):  # bytes from an aligned address: aligned memory is what JAX shares
        memory = np.zeros(4 * size + 128, np.uint8)
        start = -memory.ctypes.data % 64 + shift
        lent = memory[start : start + 4 * size].view(np.float32)
        lent[:] = 1
        ours = backend.from_host(lent, tl.device("xla:0"))
        lent[:] = 5
        assert (np.asarray(ours) == 1).all()


def test_to_the_host_without_a_copy_and_read_only() -> None:
    x = tl.arange(6.0, device="xla")
    array = x.numpy(force=True)
    assert not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    assert x.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("dtype", tl.dtypes.ALL, ids=lambda dtype: dtype.name)
def test_every_dtype_goes_there_and_back(dtype: Any) -> None:
    for data in ([[0, 1], [1, 0]], [], 1):
        x = tl.tensor(data, dtype=dtype)
        there = x.to("xla")
        assert there.dtype is dtype
        assert there.array.dtype == x.numpy().dtype
        assert there.cpu().dtype is dtype
        assert there.tolist() == there.cpu().tolist() == x.tolist()


def test_bits_survive() -> None:
    data = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7e308])
    there = tl.tensor(data, device="xla")
    assert there.numpy(force=True).tobytes() == data.tobytes()
    assert [np.signbit(tl.tensor(zero, device="xla").numpy(force=True)) for zero in (0.0, -0.0)] == [False, True]
    x = tl.tensor([1.0], device="xla")
    assert [np.signbit((x * zero).item()) for zero in (0.0, -0.0, 0.0)] == [False, True, False]


def test_one_graph_over_two_backends() -> None:
    x = tl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = tl.tensor([2.0, 0.5, 1.0], requires_grad=True, device="xla")
    hidden = (x * 2).to("xla") * w
    out = (hidden.exp().cpu() * x).sum() + hidden.sum().cpu()
    out.backward()
    assert x.grad is not None
    assert w.grad is not None
    assert (x.grad.device.type, w.grad.device.type) == ("cpu", "xla")
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.5, 1.0])
    e = np.exp(2 * a * b)
    np.testing.assert_allclose(x.grad.numpy(), e + 2 * b * e * a + 2 * b, rtol=1e-5)
    np.testing.assert_allclose(w.grad.numpy(force=True), 2 * a * e * a + 2 * a, rtol=1e-5)


def test_devices_that_are_not_there() -> None:
    count = len(jax.local_devices())
    with pytest.raises(DeviceError, match=f"sees {count} device"):
        tl.zeros(1, device="xla:99")
    with pytest.raises(DeviceError, match="Move one of them"):
        tl.zeros(1, device="xla") + tl.zeros(1)
    assert str(tl.zeros(1, device="xla").device) == "xla:0"


def test_a_platform_that_is_not_there_is_a_clear_error() -> None:
    done = in_a_process(
        """
        import tapeloom as tl
        print(tl.tensor([1.0]).tolist())
        try:
            tl.zeros(1, device="xla")
        except tl.errors.BackendError as error:
            print(error)
        """,
        JAX_PLATFORMS="tpu",
    )
    assert done.stdout.startswith("[1.0]\n"), done.stderr
    assert "device 'xla': JAX" in done.stdout
    assert "JAX_PLATFORMS is 'tpu': unset it, or install JAX for that platform." in done.stdout


def test_two_devices() -> None:
    done = in_a_process(
        """
        import tapeloom as tl
        a, b = tl.device("xla:0"), tl.device("xla:1")
        x = tl.tensor([1.0, 2.0], device=b, requires_grad=True)
        y = (x * 2 + 1).to(a)
        z = (y * tl.tensor([3.0, 4.0], device=a)).to(b) + tl.zeros(2, device=b) + tl.rand(2, device=b) * 0
        z.sum().backward()
        assert x.grad.device == b and x.grad.tolist() == [6.0, 8.0], x.grad
        assert {str(t.device) for t in (y, tl.full((2,), 1.5, device=a))} == {"xla:0"}
        for made in (z, x[0], x[x > 1], tl.arange(3, device=b), tl.zeros(300, 300, device=b), x.sum(), tl.randint(9, (3,), device=b)):
            assert next(iter(made.array.devices())).id == 1, made
        try:
            x + y
        except tl.errors.DeviceError as error:
            print("refused")
        tl.synchronize(b) if hasattr(tl, "synchronize") else None
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
        JAX_PLATFORMS="cpu",
    )
    assert done.stdout == "refused\n", done.stderr


def test_switching_64_bit_numbers_off_is_noticed() -> None:
    done = in_a_process(
        """
        import jax, tapeloom as tl
        tl.zeros(1, device="xla")
        jax.config.update("jax_enable_x64", False)
        try:
            tl.tensor([2**40], device="xla")
        except tl.errors.StateError as error:
            print(error)
        """
    )
    assert done.stdout == (
        "device 'xla:0': int64 became int32, because jax_enable_x64 was switched off after the backend was loaded. Leave it on.\n"
    ), done.stderr
    assert issubclass(StateError, RuntimeError)


def test_synchronize_waits(backend: Any) -> None:
    x = tl.ones(500, 500, device="xla")
    for _ in range(10):
        x = x @ x * 0.001
    backend.synchronize(tl.device("xla:0"))
    assert x.array.is_ready()


def test_importing_the_plugin_loads_no_jax() -> None:
    done = in_a_process("import sys, tapeloom, tapeloom_backend_jax; print('jax' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


def test_values_are_never_shared_with_what_changes() -> None:
    x = tl.zeros(3, device="xla")
    y, z, w = x.clone(), x.detach(), tl.zeros(3, device="xla")
    x[0] = 1
    x += 1
    assert (x.tolist(), y.tolist(), z.tolist(), w.tolist()) == ([2, 1, 1], [0, 0, 0], [2, 1, 1], [0, 0, 0])
