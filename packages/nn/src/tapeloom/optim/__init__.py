"""Optimizers, and schedulers of their learning rates, under the names of `torch.optim`.

    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=30)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

An optimizer keeps no gradients and writes no arithmetic: it hands parameters, gradients and state to one op of the
core for each dtype, device and group.
"""

from . import lr_scheduler
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
