"""Training in mixed precision beside PyTorch: the same model, the same data, the same losses and scales."""

from __future__ import annotations

import numpy as np
import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")


def train(lib, dtype, x, target, weights, init_scale, steps=25):
    """Losses and scales of a small convolutional network."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 8),
        nn.LayerNorm(8),
        nn.Linear(8, 3),
    )
    with lib.no_grad():
        for parameter, values in zip(model.parameters(), weights, strict=True):
            parameter.copy_(lib.tensor(values.reshape(tuple(parameter.shape))))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scaler = lib.amp.GradScaler("cpu", init_scale=init_scale, growth_interval=10)
    images, labels = lib.tensor(x), lib.tensor(target)
    losses, scales = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        with lib.autocast("cpu", dtype=getattr(lib, dtype)):
            out = model(images)
            assert str(out.dtype).endswith(dtype)
            loss = nn.functional.cross_entropy(out, labels)
            assert str(loss.dtype).endswith("float32")
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
        scales.append(scaler.get_scale())
    return losses, scales


@pytest.mark.parametrize("dtype, init_scale, tolerance", [("bfloat16", 2.0**16, 0.05), ("float16", 2.0**8, 0.01)])
def test_a_model_trains_alike(dtype, init_scale, tolerance):
    from tapeloom import nn, optim  # noqa: F401 - as attributes of tl

    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 2, 6, 6)).astype(np.float32)
    target = rng.integers(0, 3, 16)
    shapes = [(4, 2, 3, 3), (4,), (4,), (4,), (8, 64), (8,), (8,), (8,), (3, 8), (3,)]
    weights = [(rng.standard_normal(shape) * 0.3 + (len(shape) == 1)).astype(np.float32) for shape in shapes]
    ours, our_scales = train(tl, dtype, x, target, weights, init_scale)
    theirs, their_scales = train(torch, dtype, x, target, weights, init_scale)
    np.testing.assert_allclose(ours, theirs, atol=tolerance)
    assert theirs[-1] < theirs[0] / 2
    assert our_scales == their_scales


def scales(lib, factors, **settings):
    """The scale and its state after iterations with these gradients."""
    parameter = lib.nn.Parameter(lib.ones(2))
    optimizer = lib.optim.SGD([parameter], lr=0.1)
    scaler = lib.amp.GradScaler("cpu", **settings)
    found = []
    for factor in factors:
        optimizer.zero_grad()
        scaler.scale((parameter * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        found.append((*scaler.state_dict().items(), *parameter.tolist()))
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"init_scale": 1000.0, "growth_factor": 1.1, "backoff_factor": 0.7, "growth_interval": 2},
        {"init_scale": 3e38, "growth_interval": 1},
        {"init_scale": 2.0**-126, "backoff_factor": 2.0**-20, "growth_interval": 3},
    ],
)
def test_scales_and_states(settings):
    factors = [1e-3, 1e-3, float("inf"), 1e-3, float("nan"), 1e-3, 1e-3, 1e-3, 1e-3]
    ours, theirs = scales(tl, factors, **settings), scales(torch, factors, **settings)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[:5] == other[:5]
        np.testing.assert_allclose(mine[5:], other[5:], rtol=1e-6)
