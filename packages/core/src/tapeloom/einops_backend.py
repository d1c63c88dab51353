"""einops on Tensors: the backend that it looks for is defined when einops is imported, before or after tapeloom.

einops finds the subclasses of its ``AbstractBackend``, so that ours can be made only once einops is there. Until then a
finder waits for that import; it finds nothing else, and goes with it. einops is never imported from here.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from tapeloom.op.registry import public_names
from tapeloom.tensors.tensor import Tensor

MODULE = "einops._backends"


class EinopsFinder:
    """Finds ``einops._backends`` as Python would, and has our backend defined when it has run."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The module of einops, and None for all others."""
        if fullname != MODULE:
            return None
        sys.meta_path.remove(cls)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            run = loader.exec_module

            def run_and_define(module: Any) -> None:
                run(module)
                define(module)

            loader.exec_module = run_and_define
        return spec


def define(einops: Any) -> None:
    """Make the backend, for what einops has in its module of backends; einops finds it by itself."""
    if not hasattr(einops, "AbstractBackend"):  # another einops than the one that this was written for
        return
    functions = public_names()

    class TapeloomBackend(einops.AbstractBackend):  # type: ignore[misc]
        """What einops asks for, over the methods of Tensor, so that gradients are kept."""

        framework_name = "tapeloom"

        def is_appropriate_type(self, tensor: Any) -> bool:
            return isinstance(tensor, Tensor)

        def from_numpy(self, x: Any) -> Tensor:
            return functions["tensor"](x)  # type: ignore[no-any-return]

        def to_numpy(self, x: Tensor) -> Any:
            return x.numpy(force=True)

        def arange(self, start: int, stop: int) -> Tensor:
            return functions["arange"](start, stop)  # type: ignore[no-any-return]

        def transpose(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
            return x.permute(axes)

        def reduce(self, x: Tensor, operation: str, axes: tuple[int, ...]) -> Tensor:
            method = getattr(x, {"min": "amin", "max": "amax"}.get(operation, operation))
            return method(dim=axes)  # type: ignore[no-any-return]

        def stack_on_zeroth_dimension(self, tensors: list[Tensor]) -> Tensor:
            return functions["stack"](tensors)  # type: ignore[no-any-return]

        def add_axis(self, x: Tensor, new_position: int) -> Tensor:
            return x.unsqueeze(new_position)

        def add_axes(self, x: Tensor, n_axes: int, pos2len: dict[int, int]) -> Tensor:
            for position in pos2len:
                x = x.unsqueeze(position)
            return x.expand([pos2len.get(position, -1) for position in range(n_axes)])

        def tile(self, x: Tensor, repeats: tuple[int, ...]) -> Tensor:
            return x.repeat(repeats)

        def concat(self, tensors: list[Tensor], axis: int) -> Tensor:
            return functions["cat"](tensors, axis)  # type: ignore[no-any-return]

        def is_float_type(self, x: Tensor) -> bool:
            return x.dtype.is_floating_point

        def layers(self) -> Any:
            return import_module("tapeloom.nn.einops")

        def einsum(self, pattern: str, *x: Tensor) -> Tensor:
            return functions["einsum"](pattern, *x)  # type: ignore[no-any-return]

    einops.TapeloomBackend = TapeloomBackend  # einops keeps no reference, and the list of subclasses is a weak one


def register() -> None:
    """Define the backend now, where einops is loaded, or when it will be."""
    if MODULE in sys.modules:
        define(sys.modules[MODULE])
    else:
        sys.meta_path.insert(0, EinopsFinder)


register()
