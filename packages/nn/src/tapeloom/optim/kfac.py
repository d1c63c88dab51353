"""K-FAC: the natural gradient by Kronecker factors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import StateError
from tapeloom.nn import Conv2d, Linear, Module
from tapeloom.nn import functional as F

from .arguments import Rate, is_zero
from .optimizer import Optimizer

__all__ = ["KFAC"]


class KFAC(Optimizer):
    """The natural gradient: each step is divided by the curvature of the model's own distribution.

    For a layer with the inputs a, with a 1 where it has a bias, and the gradients g of -log p(y) with respect to its
    outputs, where y is drawn from the model, the curvature is close to the Kronecker product of

        A = E[a a^T]        and        G = E[g g^T]

    and a step is W <- W - lr * (G + s / c * I)^-1 grad(W) (A + s * c * I)^-1, with s the root of `damping` and c the root
    of the ratio of the mean eigenvalues of A and G. For `Conv2d` A is the sum over the positions of the kernel, G the mean.
    `Linear` and `Conv2d` without groups are treated so, with padding by zeros; all other parameters by plain gradient
    descent. It is more than a formula: it watches the layers of a model. PyTorch has no such optimizer.

    Args:
        model: whose parameters to optimize.
        lr: learning rate, at least 0.
        damping: what is added to the product of the factors, above 0.
        decay: how much of the mean of factors stays, at least 0 and below 1; it grows to this in the first steps.
        weight_decay: factor of the L2 penalty, at least 0.

    Raises:
        ArgumentError: a setting out of its range.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn, optim
        >>> from tapeloom.nn import functional as F
        >>> _ = tl.manual_seed(0)
        >>> model = nn.Linear(4, 3)
        >>> optimizer = optim.KFAC(model, lr=0.1)
        >>> x, y = tl.randn(8, 4), tl.randint(0, 3, (8,))
        >>> with optimizer.curvature():
        ...     logits = model(x)
        ...     drawn = tl.multinomial(tl.softmax(logits.detach(), 1), 1).squeeze(1)
        ...     F.cross_entropy(logits, drawn, reduction="sum").backward()
        >>> F.cross_entropy(model(x), y).backward()
        >>> optimizer.step()

    Source: J. Martens, R. Grosse, "Optimizing neural networks with Kronecker-factored approximate curvature", ICML 2015,
    sections 3, 5 and 6.3; convolutions: R. Grosse, J. Martens, "A Kronecker-factored approximate Fisher matrix for
    convolution layers", ICML 2016, theorem 1.
    """

    def __init__(
        self, model: Module, lr: Rate = 0.01, damping: float = 1e-3, decay: float = 0.95, weight_decay: Rate = 0.0
    ) -> None:
        if not isinstance(model, Module):
            self._refuse(f"the first argument must be a model, got {type(model).__name__}", "type")
        defaults = {"lr": lr, "damping": damping, "decay": decay, "weight_decay": weight_decay}
        super().__init__(model.parameters(), defaults)
        self.layers: list[Any] = [layer for layer in model.modules() if _is_treated(layer)]

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "damping", "weight_decay"):
            self.check_number(name, group[name])
        if is_zero(group["damping"]):
            self._refuse("damping is 0; it must be above 0, as factors of few examples have no inverse")
        self.check_number("decay", group["decay"], below=1.0)

    @contextmanager
    def curvature(self) -> Iterator[None]:
        """Within it call the model, draw labels from what it gives, and backward from the *sum* of -log p of them.

        At the end the factors of each layer that was called take in the new ones. Gradients of parameters stay as they
        were before.

        Raises:
            StateError: no gradient has come to any layer.
        """
        held = [(param, param.grad) for param in self._params()]
        seen: dict[Any, list[tuple[Tensor, Tensor]]] = {}
        handles = [layer.register_forward_hook(partial(_watch, seen)) for layer in self.layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            for param, grad in held:
                param.grad = grad
        if not seen:
            raise StateError("KFAC.curvature: no gradient came to any layer. Call the model and backward within it.")
        decay = self.param_groups[0]["decay"]
        with tl.no_grad():
            for layer, calls in seen.items():
                self._take(layer, calls, decay)

    def _take(self, layer: Any, calls: list[tuple[Tensor, Tensor]], decay: float) -> None:
        """Takes the factors of one pass into the means."""
        state = self.state.setdefault(layer.weight, {})
        state["step"] = state.get("step", 0.0) + 1.0
        keep = min(1.0 - 1.0 / state["step"], decay)
        for name, new in zip(("A", "G"), _factors(layer, calls), strict=True):
            old = state.get(name)
            state[name] = new if old is None else old * keep + new * (1 - keep)

    def step(self, closure: Any = None) -> Any:
        """Updates every parameter that has a gradient, those of layers with factors along the natural gradient.

        Args:
            closure: a function that clears the gradients, computes the loss, calls backward and returns the loss.

        Returns:
            What the closure returned, or None.
        """
        loss = None if closure is None else self._loss(closure)
        group = self.param_groups[0]
        with tl.no_grad():
            directions = {
                param: param.grad + param * group["weight_decay"] for param in self._params() if param.grad is not None
            }
            for layer in self.layers:
                state = self.state.get(layer.weight)
                if state is not None and layer.weight in directions:
                    directions.update(_natural(layer, state, directions, group["damping"]))
            for param, direction in directions.items():
                param.sub_(direction * group["lr"])
        self._step_count += 1
        return loss


def _is_treated(layer: Module) -> bool:
    if isinstance(layer, Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros" and layer.weight.requires_grad
    return isinstance(layer, Linear) and layer.weight.requires_grad


def _watch(seen: dict[Any, list[tuple[Tensor, Tensor]]], layer: Any, args: tuple[Any, ...], output: Tensor) -> None:
    """A forward hook: keeps the input of a layer with the gradient of its output, once that comes."""
    if output.requires_grad:
        kept = args[0].detach()
        output.register_hook(lambda grad: seen.setdefault(layer, []).append((kept, grad.detach())))


def _factors(layer: Any, calls: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """A and G of what went through a layer, the examples of all calls being one batch."""
    inputs, grads, examples = [], [], 0
    for x, g in calls:
        if isinstance(layer, Conv2d):
            x, g = (x[None], g[None]) if x.ndim == 3 else (x, g)
            g = g.permute(0, 2, 3, 1)
            a = _patches(layer, x).permute(0, 2, 3, 1)
        else:
            a = x if x.ndim > 1 else x[None]
        examples += a.shape[0]
        inputs.append(a.reshape(-1, a.shape[-1]))
        grads.append(g.reshape(-1, g.shape[-1]))
    a, g = tl.cat(inputs), tl.cat(grads)
    if layer.bias is not None:
        a = tl.cat([a, a.new_ones(a.shape[0], 1)], 1)
    return a.T @ a / examples, g.T @ g / a.shape[0]  # a sum over positions and a mean over them


def _patches(layer: Any, x: Tensor) -> Tensor:
    """What a kernel sees at each of its positions, as channels: a convolution with a kernel for each element."""
    size = layer.weight[0].numel()
    kernel = tl.eye(size, dtype=x.dtype, device=x.device).reshape(size, *layer.weight.shape[1:])
    return F.conv2d(x, kernel, None, layer.stride, layer.padding, layer.dilation)


def _natural(
    layer: Any, state: dict[str, Any], directions: dict[Tensor, Tensor], damping: float
) -> dict[Tensor, Tensor]:
    """The directions of a layer's parameters, divided by its curvature."""
    weight, bias = layer.weight, layer.bias
    grad = directions[weight].reshape(weight.shape[0], -1)
    if bias is not None:
        column = directions.get(bias)
        grad = tl.cat([grad, tl.zeros_like(grad[:, :1]) if column is None else column[:, None]], 1)
    a, g = state["A"], state["G"]
    ratio = _mean_eigenvalue(a) / _mean_eigenvalue(g)
    balance = tl.where((ratio > 0) & tl.isfinite(ratio), ratio, tl.ones_like(ratio)).sqrt()
    root = damping**0.5
    left = g + tl.eye(len(g), dtype=g.dtype, device=g.device) * (root / balance)
    right = a + tl.eye(len(a), dtype=a.dtype, device=a.device) * (root * balance)
    found = tl.linalg.solve(right, tl.linalg.solve(left, grad).T).T
    count = weight[0].numel()
    new = {weight: found[:, :count].reshape(weight.shape)}
    if bias is not None and bias in directions:
        new[bias] = found[:, count]
    return new


def _mean_eigenvalue(matrix: Tensor) -> Tensor:
    return tl.trace(matrix) / len(matrix)
