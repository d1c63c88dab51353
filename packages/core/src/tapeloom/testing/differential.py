"""One program on several devices: the same results and gradients, or an error saying where they part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.backend.plugins import report, resolve_device
from tapeloom.tensors.tensor import Tensor


def usable_devices() -> list[str]:
    """The device types that can be used here, cpu first."""
    found = [row["device"] for row in report() if row["usable"]]
    return sorted(found, key=lambda name: (name != "cpu", name))


def agree(
    function: Callable[..., Any],
    *inputs: Any,
    devices: Sequence[str] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Run ``function(*inputs)`` on each device with copies of its tensors, and compare with the first device.

    Results are a tensor, or a list or tuple of tensors. Where inputs require a gradient, the gradients of the sum of all
    results (of complex ones of both parts) are compared, too. ``devices`` are all that can be used unless given; the tolerances are, unless
    given, 100 spacings of the result's dtype at the largest magnitude. Raises AssertionError where devices disagree.
    """
    names = list(devices) if devices is not None else usable_devices()
    expected: list[tuple[str, Any, Any]] | None = None
    for name in names:
        found = _run(function, inputs, resolve_device(name))
        if expected is None:
            expected = found
            continue
        assert len(found) == len(expected), f"{name}: {len(found)} results, and {len(expected)} on {names[0]}"
        for (what, dtype, values), (_, wanted, others) in zip(found, expected, strict=True):
            where = f"{what} on {name} beside {names[0]}"
            assert dtype is wanted, f"{where}: {dtype} against {wanted}"
            if values is None or others is None:
                assert values is others, f"{where}: there on one device alone"
                continue
            assert values.shape == others.shape, f"{where}: shape {values.shape} against {others.shape}"
            _close(where, dtype, values, others, rtol, atol)


def _run(function: Callable[..., Any], inputs: tuple[Any, ...], device: Any) -> list[tuple[str, Any, Any]]:
    """(what it is, dtype, values) of every result and gradient on ``device``."""
    own = [
        item.detach().to(device).clone().requires_grad_(item.requires_grad) if isinstance(item, Tensor) else item
        for item in inputs
    ]
    given = function(*own)
    results = list(given) if isinstance(given, (tuple, list)) else [given]
    total: Any = 0
    found = []
    for number, out in enumerate(results):
        assert out.device is device, f"result {number} of a program on {device} is on {out.device}"
        found.append((f"result {number}", out.dtype, out.numpy(force=True)))
        if out.requires_grad:
            total = total + (out.real.sum() + out.imag.sum() if out.is_complex() else out.sum())
    if isinstance(total, Tensor):
        total.backward()
    for number, item in enumerate(own):
        if isinstance(item, Tensor) and item.requires_grad:
            held = None if item.grad is None else item.grad.numpy(force=True)
            found.append((f"the gradient of input {number}", item.dtype, held))
    return found


def _close(where: str, dtype: Any, values: Any, others: Any, rtol: float | None, atol: float | None) -> None:
    if not dtype.inexact:
        assert np.array_equal(values, others), f"{where}:\n{values}\nagainst\n{others}"
        return
    spacing = 100 * dtypes.finfo(dtype).eps
    precise = np.complex128 if dtype.is_complex else np.float64
    wide = others.astype(precise)
    finite = np.abs(wide[np.isfinite(wide)])
    np.testing.assert_allclose(
        values.astype(precise),
        wide,
        rtol=spacing if rtol is None else rtol,
        atol=spacing * float(finite.max(initial=0.0)) if atol is None else atol,
        err_msg=where,
    )
