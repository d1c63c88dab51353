"""Neural networks: modules, layers, losses and initialisers, under the names of `torch.nn`.

    from tapeloom import nn

    net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))

A layer is a `Module`: parameters made in `__init__`, one formula in `forward`. Gradients, dtypes and devices are the
core's, so no layer knows of them.
"""

from . import functional as functional
from . import init as init
from . import utils as utils
from .containers import *
from .data_parallel import *
from .layers.activation import *
from .layers.adaptive_pool import *
from .layers.attention import *
from .layers.batch_norm import *
from .layers.cells import *
from .layers.conv import *
from .layers.distance import *
from .layers.dropout import *
from .layers.embedding import *
from .layers.lazy import *
from .layers.likelihood_losses import *
from .layers.linear import *
from .layers.losses import *
from .layers.margin_losses import *
from .layers.norm import *
from .layers.padding import *
from .layers.pool import *
from .layers.rectifier import *
from .layers.recurrent import *
from .layers.softmax import *
from .layers.spatial import *
from .layers.transformer import *
from .module import *
from .overview import *
from .parameter import *
