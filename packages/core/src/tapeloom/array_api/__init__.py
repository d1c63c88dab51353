"""The Array API standard 2025.12 for Tensors: what ``x.__array_namespace__()`` gives.

Names, signatures and meanings are those of the standard (https://data-apis.org/array-api/2025.12), the work is done by
the ops: on every backend, and with gradients. Where the two differ, the standard holds here and PyTorch in ``tapeloom``.
Operators are those of Tensor, so that a 0-d tensor beside one with dimensions does not widen it; the functions here
promote by dtype alone.
"""

from tapeloom import bool_ as bool
from tapeloom.array_api import fft, linalg
from tapeloom.array_api.creation import *
from tapeloom.array_api.data_types import *
from tapeloom.array_api.elementwise import *
from tapeloom.array_api.inspection import *
from tapeloom.array_api.linalg import matmul, matrix_transpose, tensordot, vecdot
from tapeloom.array_api.manipulation import *
from tapeloom.array_api.searching import *
from tapeloom.array_api.statistics import *

e = 2.718281828459045
inf = float("inf")
nan = float("nan")
newaxis = None
pi = 3.141592653589793

__array_api_version__ = "2025.12"
