"""Whole training steps: the same course on the NumPy and the XLA backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.ops.optimizer import update_parameters
from tapeloom.testing.samples import optimizer as samples


def digits() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 32)
    images = rng.normal(size=(32, 1, 8, 8)) * 0.3
    images[np.arange(32), 0, labels * 2] += 1.0
    return images.astype(np.float32), labels


def model(device: str) -> list[tl.Tensor]:
    rng = np.random.default_rng(1)
    shapes = [(4, 1, 3, 3), (4,), (16, 4 * 4 * 4), (16,), (4, 16), (4,)]
    return [
        tl.tensor(
            rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])), dtype=tl.float32, device=device
        ).requires_grad_()
        for shape in shapes
    ]


def forward(params: list[tl.Tensor], x: tl.Tensor) -> tl.Tensor:
    k, kb, w1, b1, w2, b2 = params
    x = tl.max_pool2d(tl.relu(tl.conv2d(x, k, kb, padding=1)), 2)
    x = tl.relu(x.reshape(len(x), -1) @ w1.t() + b1)
    return x @ w2.t() + b2


def sgd_step(params: list[Any], grads: list[Any], momenta: list[Any], **settings: Any) -> None:
    update_parameters(
        "sgd", samples.sgd, params, grads, {"momenta": momenta}, samples.SGD_DEFAULTS | settings, fused="sgd"
    )


def train(device: str, optimizer: str, steps: int = 8) -> tuple[list[float], list[Any]]:
    images, labels = (tl.tensor(part, device=device) for part in digits())
    params = model(device)
    first: list[Any] = [None] * len(params)
    second = [tl.zeros_like(p) for p in params]
    averages = [tl.zeros_like(p) for p in params]
    losses = []
    for step in range(1, steps + 1):
        loss = tl.cross_entropy(forward(params, images), labels)
        loss.backward()
        losses.append(loss.item())
        grads = [p.grad for p in params]
        if optimizer == "sgd":
            sgd_step(params, grads, first, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
        else:
            settings = {"lr": 0.01 / step**0.5, "weight_decay": 0.01, "decoupled_weight_decay": optimizer == "adamw"}
            states = {"averages": averages, "squares": second, "largest": [None] * len(params)}
            steps = [float(step)] * len(params)
            settings = samples.ADAM_DEFAULTS | settings
            update_parameters("adam", samples.adam, params, grads, states, settings, steps=steps, fused="adam")
        for p in params:
            p.grad = None
    return losses, [p.numpy(force=True) for p in params]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_training_takes_the_same_course(optimizer: str) -> None:
    ours, our_params = train("xla", optimizer)
    theirs, their_params = train("cpu", optimizer)
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)
    assert ours[-1] < ours[0] * 0.8
    for a, b in zip(our_params, their_params, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-4)


def test_a_model_moves_in_mid_run() -> None:
    images, labels = digits()
    losses = []
    params = model("cpu")
    for step in range(6):
        device = "xla" if step % 2 else "cpu"
        params = [p.detach().to(device).requires_grad_() for p in params]
        loss = tl.cross_entropy(forward(params, tl.tensor(images, device=device)), tl.tensor(labels, device=device))
        loss.backward()
        losses.append(loss.item())
        sgd_step(params, [p.grad for p in params], [None] * len(params), lr=0.1)
    assert losses == sorted(losses, reverse=True)


def test_steps_never_touch_values_that_others_hold() -> None:
    p = tl.ones(3, device="xla", requires_grad=True)
    held, copy = p.detach(), p.detach().clone()
    sgd_step([p], [tl.ones(3, device="xla")], [None], lr=0.5)
    assert p.tolist() == held.tolist() == [0.5] * 3
    assert copy.tolist() == [1.0] * 3
