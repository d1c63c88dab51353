"""Optimizers, and schedulers of their learning rates, under the names of `torch.optim`.

    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=30)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

An optimizer is a class with the names of its state and one formula, which updates one parameter; see `Optimizer`.
"""

from . import lr_scheduler as lr_scheduler
from .adam import *
from .arguments import is_zero as is_zero
from .optimizer import Optimizer as Optimizer
from .rmsprop import *
from .sgd import *
