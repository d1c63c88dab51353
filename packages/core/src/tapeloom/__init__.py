"""tapeloom: tensors, a dynamic tape, and backends that plug in.

    An op is a name with a gradient; a backend is a class with a method of that name; a Tensor is an array value that
    remembers which op made it.
"""

import pkgutil
import sys as _sys
from typing import TYPE_CHECKING

__path__ = pkgutil.extend_path(__path__, __name__)
__version__ = "0.1.0"

_PARTS = {"nn": "tapeloom-nn", "optim": "tapeloom-nn", "data": "tapeloom-data"}


def _hint(name: str) -> str:
    return f"tapeloom.{name} is not installed; run: pip install {_PARTS[name]}"


class _MissingPart:
    """The last finder: reached only when no installed distribution has the part that is asked for."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> None:
        package, _, name = fullname.partition(".")
        if package == "tapeloom" and name in _PARTS:
            raise ModuleNotFoundError(_hint(name), name=_PARTS[name])


if _MissingPart not in _sys.meta_path:
    _sys.meta_path.append(_MissingPart)  # type: ignore[arg-type]

from tapeloom import errors, methods  # noqa: E402
from tapeloom.backend.plugins import (  # noqa: E402
    get_default_device,
    register_backend,
    set_default_device,
    unregister_backend,
)
from tapeloom.devices import Device  # noqa: E402
from tapeloom.devices import Device as device  # noqa: E402
from tapeloom.dtypes import (  # noqa: E402
    DType,
    bfloat16,
    bool_,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from tapeloom.generator import (  # noqa: E402
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from tapeloom.modes import (  # noqa: E402
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from tapeloom.printing import set_printoptions  # noqa: E402
from tapeloom.tape import backward as autograd  # noqa: E402
from tapeloom.tape.op import FUNCTIONS as _FUNCTIONS  # noqa: E402
from tapeloom.tape.op import REGISTRY as _REGISTRY  # noqa: E402
from tapeloom.tape.tensor import Tensor, is_tensor  # noqa: E402

double, half, long, short = float64, float16, int64, int16

for _name, _op in _REGISTRY.items():
    for _spelling in (_name, *_op.aliases):
        globals()[_spelling] = _op
for _name, (_function, _, _aliases) in _FUNCTIONS.items():
    for _spelling in (_name, *_aliases):
        globals()[_spelling] = _function
float = float32
int = int32
bool = bool_
