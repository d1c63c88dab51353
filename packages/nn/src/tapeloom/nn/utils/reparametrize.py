"""Weight norm and spectral norm in their older form: a hook sets the weight before each forward."""

from __future__ import annotations

from typing import Any, TypeVar

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from ..layers.conv import _ConvTranspose
from ..module import Module
from ..parameter import Parameter
from .parametrizations import as_matrix, norm_except, unit

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class _Hook:
    """Sets the parameter `name` of a module from others, before its forward."""

    name: str

    def compute(self, module: Module) -> Tensor:
        """The weight."""
        raise NotImplementedError

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))


def _taken(caller: str, module: Module, hook: _Hook) -> Parameter:
    """The parameter that the hook will set, which the module loses."""
    held = module._own_hooks().forward_pre.values()
    if any(type(other) is type(hook) and other.name == hook.name for other, _ in held if isinstance(other, _Hook)):
        raise ArgumentError(f"{caller}: '{hook.name}' of {type(module).__name__} has one already.")
    weight: Parameter | None = dict(module._entries("parameter")).get(hook.name)
    if weight is None:
        raise ArgumentError(f"{caller}: {type(module).__name__} has no parameter '{hook.name}'.")
    module.register_forward_pre_hook(hook)
    delattr(module, hook.name)
    return weight


def _removed(caller: str, module: Module, name: str, kind: type[_Hook], suffixes: tuple[str, ...]) -> None:
    """Takes the hook away, and makes the present weight a parameter."""
    held = module._own_hooks().forward_pre
    for key, (hook, _) in held.items():
        if isinstance(hook, kind) and hook.name == name:
            with tl.no_grad():
                weight = hook.compute(module)
            del held[key]
            for each in (name, *(name + suffix for suffix in suffixes)):
                delattr(module, each)
            module.register_parameter(name, Parameter(weight.detach()))
            return
    raise ArgumentError(f"{caller}: '{name}' of {type(module).__name__} has none.")


class WeightNorm(_Hook):
    """w = g * v / |v|."""

    def __init__(self, name: str, dim: int) -> None:
        self.name = name
        self.dim = dim

    def compute(self, module: Module) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        weight: Tensor = v * (g / norm_except(v, self.dim))
        return weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Trains length and direction of a weight apart, as the parameters <name>_g and <name>_v.

    Arguments and source as for `nn.utils.parametrizations.weight_norm`, which new programs should take.

    Raises:
        ArgumentError: the module has no such parameter, or it has weight norm already.
    """
    hook = WeightNorm(name, -1 if dim is None else dim)
    weight = _taken("weight_norm", module, hook)
    module.register_parameter(f"{name}_g", Parameter(norm_except(weight.detach(), hook.dim)))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, hook.compute(module))
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Makes the weight an ordinary parameter again, of its present value."""
    _removed("remove_weight_norm", module, name, WeightNorm, ("_g", "_v"))
    return module


class SpectralNorm(_Hook):
    """The weight divided by its greatest singular value."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations < 1:
            raise ArgumentError(f"spectral_norm: n_power_iterations must be 1 or more, got {n_power_iterations}.")
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def compute(self, module: Module) -> Tensor:
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        return weight / (u.clone() @ (matrix @ v.clone()))  # type: ignore[no-any-return]

    def __call__(self, module: Module, inputs: Any) -> None:
        if module.training:
            weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
            with tl.no_grad():
                matrix = as_matrix(weight, self.dim)
                for _ in range(self.n_power_iterations):
                    v.copy_(unit(matrix.mT @ u, self.eps))
                    u.copy_(unit(matrix @ v, self.eps))
        super().__call__(module, inputs)


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divides a weight by its greatest singular value; the state has <name>_orig, <name>_u and <name>_v.

    Arguments and source as for `nn.utils.parametrizations.spectral_norm`, which new programs should take.

    Raises:
        ArgumentError: the module has no such parameter, or it has spectral norm already.
    """
    axis = dim if dim is not None else int(isinstance(module, _ConvTranspose))
    hook = SpectralNorm(name, n_power_iterations, axis, eps)
    weight = _taken("spectral_norm", module, hook)
    module.register_parameter(f"{name}_orig", weight)
    sizes = as_matrix(weight.detach(), axis).shape
    for part, size in zip("uv", sizes, strict=True):
        start = tl.randn(size, dtype=weight.dtype, device=weight.device)
        module.register_buffer(f"{name}_{part}", unit(start, eps))
    setattr(module, name, weight.detach())
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Makes the weight an ordinary parameter again, of its present value."""
    _removed("remove_spectral_norm", module, name, SpectralNorm, ("_u", "_v", "_orig"))
    return module
