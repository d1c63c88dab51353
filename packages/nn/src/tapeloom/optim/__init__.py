"""Optimizers, and schedulers of their learning rates, under the names of `torch.optim`.

    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=30)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

An optimizer is a class with the names of its state and one formula, which updates one parameter; see `Optimizer`.
"""

from . import lr_scheduler
from .adam import Adam, AdamW
from .arguments import is_zero
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "is_zero", "lr_scheduler"]
