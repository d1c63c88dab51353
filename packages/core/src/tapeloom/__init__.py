"""tapeloom: tensors, a dynamic tape, and backends that plug in.

    An op is a name with a gradient; a backend is a class with a method of that name; a Tensor is an array value that
    remembers which op made it.

The names here are those of ``_EXPORTS``, the ops in ``tapeloom.ops`` and the functions beside them; what a type checker
sees of them is ``__init__.pyi``, which ``tools/make_stubs.py`` writes.
"""

import pkgutil
import sys as _sys
from importlib import import_module as _import_module

from tapeloom.dtypes import ALL as _DTYPES
from tapeloom.dtypes import BY_TENSOR_TYPE as _BY_TENSOR_TYPE

__path__ = pkgutil.extend_path(__path__, __name__)
__version__ = "0.1.0"

_PARTS = {"nn": "tapeloom-nn", "optim": "tapeloom-nn", "data": "tapeloom-data", "utils.data": "tapeloom-data"}


def _hint(name):
    from tapeloom.distributions import install_command

    return f"tapeloom.{name} is not installed; run: {install_command(_PARTS[name])}"


class _MissingPart:
    """The last finder: reached only when no installed distribution has the part that is asked for."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        package, _, name = fullname.partition(".")
        if package == "tapeloom" and name in _PARTS:
            raise ModuleNotFoundError(_hint(name), name=_PARTS[name])


if _MissingPart not in _sys.meta_path:
    _sys.meta_path.append(_MissingPart)

#: what comes from the modules, besides the ops and functions of the registry
_EXPORTS = {
    "tapeloom.amp.autocast_mode": (
        "autocast clear_autocast_cache get_autocast_dtype is_autocast_cache_enabled is_autocast_enabled set_autocast_cache_enabled "
        "set_autocast_dtype set_autocast_enabled"
    ),
    "tapeloom.amp.grad_scaler": "GradScaler",
    "tapeloom.autograd.anomaly_mode": "is_anomaly_check_nan_enabled is_anomaly_enabled",
    "tapeloom.backend.device_type": "cpu cuda xla",
    "tapeloom.backend.plugins": (
        "get_backend get_default_device host_fallback is_available register_backend set_default_device unregister_backend"
    ),
    "tapeloom.devices": "Device",
    "tapeloom.dtypes": (
        "DType bool_ can_cast finfo get_default_dtype iinfo promote_types set_default_dtype "
        + " ".join(dtype.name for dtype in _DTYPES if dtype.name != "bool")
    ),
    "tapeloom.func.batching": "vmap",
    "tapeloom.generator": "Generator default_generator fork_rng get_rng_state initial_seed manual_seed seed set_rng_state",
    "tapeloom.keys": "newaxis",
    "tapeloom.modes": "enable_grad inference_mode is_grad_enabled is_inference_mode_enabled no_grad set_grad_enabled",
    "tapeloom.printing": "set_printoptions",
    "tapeloom.tensors.tensor": "Tensor is_tensor",
}
#: PyTorch's other names for them
_ALIASES = {
    "bool": "bool_",
    "device": "Device",
    **{dtype.alias: dtype.name for dtype in _DTYPES if dtype.alias},
}
#: loaded on first use: name -> (module, name there)
_LAZY = {
    "hookimpl": ("tapeloom.backend.hookspecs", "hookimpl"),
    "load": ("tapeloom.checkpoint", "load"),
    "save": ("tapeloom.checkpoint", "save"),
}

import tapeloom.einops_backend  # noqa: E402 - einops may come later
import tapeloom.methods  # noqa: E402, F401 - binds the ops onto Tensor
from tapeloom import accelerator, amp, autograd, errors, fft, func, linalg, ops, random, signal, special  # noqa: E402
from tapeloom.op.registry import public_names as _public_names  # noqa: E402

_public = {
    "accelerator": accelerator,
    "amp": amp,
    "autograd": autograd,
    "errors": errors,
    "fft": fft,
    "func": func,
    "linalg": linalg,
    "ops": ops,
    "random": random,
    "signal": signal,
    "special": special,
    **_public_names(),
}
for _module, _names in _EXPORTS.items():
    _public.update({_name: getattr(_import_module(_module), _name) for _name in _names.split()})
for _name, _known in _ALIASES.items():
    _public[_name] = _public[_known]
globals().update(_public)
__all__ = sorted({*_public, *_LAZY})


def __getattr__(name):
    """``tapeloom.nn``, ``optim``, ``data``, ``utils`` and ``array_api``, and what is better not loaded before its use."""
    if name in _PARTS or name in ("utils", "array_api"):
        try:
            return _import_module(f"tapeloom.{name}")
        except ModuleNotFoundError as error:
            if error.name == _PARTS[name]:
                raise AttributeError(_hint(name)) from None
            raise
    if name in _LAZY:
        module, known = _LAZY[name]
        return getattr(_import_module(module), known)
    if name in _BY_TENSOR_TYPE:
        raise AttributeError(
            f"tapeloom has no {name}. Use tapeloom.tensor(data, dtype=tapeloom.{_BY_TENSOR_TYPE[name].name}), or zeros and empty "
            f"with that dtype."
        )
    raise AttributeError(f"module 'tapeloom' has no attribute {name!r}")


def __dir__():
    from importlib.util import find_spec

    def installed(part):
        try:
            return find_spec(f"tapeloom.{part}") is not None
        except ModuleNotFoundError:
            return False

    return sorted(
        [*__all__, *(part for part in ("array_api", "utils", *_PARTS) if "." not in part and installed(part))]
    )
