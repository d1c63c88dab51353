"""The workloads that are timed, written once for tapeloom and for torch: both spell them alike.

Each function prepares its data and returns a callable that does the work once.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

Work = Callable[[], Any]


def library(name: str) -> SimpleNamespace:
    """The modules of one library under common names: ``t`` (tensors), ``nn``, ``optim``."""
    t: ModuleType
    if name == "torch":
        import torch as t
        from torch import nn, optim
    else:
        import tapeloom as t
        from tapeloom import nn, optim
    return SimpleNamespace(t=t, nn=nn, optim=optim)


def add(lib: Any) -> Work:
    """An untracked addition of 8 floats."""
    x, y = lib.t.ones(8), lib.t.ones(8)
    return lambda: x + y


def multiply(lib: Any) -> Work:
    """A tracked multiplication of 8 floats."""
    x, y = lib.t.ones(8, requires_grad=True), lib.t.ones(8)
    return lambda: x * y


def chain(lib: Any) -> Work:
    """100 multiply-adds of 8 floats, forward and backward."""
    x, y, z = lib.t.ones(8, requires_grad=True), lib.t.ones(8), lib.t.ones(8)

    def work() -> None:
        h = x
        for _ in range(100):
            h = h * y + z
        h.sum().backward()

    return work


def _mlp(lib: Any, optimizer: Callable[[Any], Any]) -> Work:
    nn = lib.nn
    lib.t.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    loss_function = nn.CrossEntropyLoss()
    steps = optimizer(model.parameters())
    x, y = lib.t.randn(64, 784), lib.t.randint(0, 10, (64,))

    def work() -> None:
        loss = loss_function(model(x), y)
        steps.zero_grad()
        loss.backward()
        steps.step()

    return work


def mlp_sgd(lib: Any) -> Work:
    """A training step of the MLP 784-128-64-10, batch 64, with SGD."""
    return _mlp(lib, lambda parameters: lib.optim.SGD(parameters, lr=0.01))


def mlp_adam(lib: Any) -> Work:
    """A training step of the MLP 784-128-64-10, batch 64, with Adam."""
    return _mlp(lib, lambda parameters: lib.optim.Adam(parameters, lr=0.001))


def cnn_sgd(lib: Any) -> Work:
    """A training step of a small CNN on 8x8 images, batch 64, with SGD."""
    nn = lib.nn
    lib.t.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip
    loss_function = nn.CrossEntropyLoss()
    steps = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = lib.t.randn(64, 1, 8, 8), lib.t.randint(0, 10, (64,))

    def work() -> None:
        loss = loss_function(model(x), y)
        steps.zero_grad()
        loss.backward()
        steps.step()

    return work


#: name -> (workload, calls in one timed round, the most that its time may be of torch's; None: watched only)
WORKLOADS: dict[str, tuple[Callable[[Any], Work], int, float | None]] = {
    "add": (add, 20_000, 0.75),
    "multiply": (multiply, 20_000, 0.65),
    "chain": (chain, 100, 0.55),
    "mlp_sgd": (mlp_sgd, 100, 0.85),
    "mlp_adam": (mlp_adam, 100, 0.85),
    "cnn_sgd": (cnn_sgd, 30, None),
}
