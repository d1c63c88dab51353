"""Optimizers, and schedulers of their learning rates, under the names of `torch.optim`.

    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=30)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

An optimizer is a class with the names of its state and one formula, which updates one parameter; see `Optimizer`. `LBFGS`
is more than a formula, as it evaluates the loss several times a step, and `KFAC`, which watches the layers of a model.

`foreach`, `fused` and `capturable`, which in PyTorch say how a step is computed, are taken and change nothing: every
optimizer hands whole groups to the backend. `differentiable` must be False.
"""

from . import lr_scheduler as lr_scheduler
from . import swa_utils as swa_utils
from .adadelta import *
from .adafactor import *
from .adagrad import *
from .adam import *
from .adamax import *
from .arguments import is_zero as is_zero
from .asgd import *
from .kfac import *
from .lamb import *
from .lbfgs import *
from .lion import *
from .muon import *
from .nadam import *
from .optimizer import Optimizer as Optimizer
from .radam import *
from .rmsprop import *
from .rprop import *
from .sgd import *
