"""What a user writes, for type checkers: the `types` and `dist` environments check this file and never run it.

A line with `type: ignore[...]` is a mistake that a checker has to see: were the names Any, the comment would be unused,
and that is an error too.
"""

from __future__ import annotations

import tapeloom
import tapeloom as tl
import tapeloom.nn.functional as F
from tapeloom import Tensor, data, nn, optim
from tapeloom.nn import Linear
from tapeloom.utils.data import DataLoader


class Classifier(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.hidden = Linear(64, 32)
        self.out = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = F.relu(self.hidden(x))
        result: Tensor = self.out(hidden)
        return result


def train(model: nn.Module, dataset: data.Dataset[tuple[Tensor, Tensor]]) -> float:
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss = tl.tensor(0.0)
    for x, y in DataLoader(dataset, batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return float(loss.item())


def arithmetic(x: Tensor, y: Tensor) -> Tensor:
    total: Tensor = tl.multiply(x, y) + 2.0 * x - y / 3
    with tl.no_grad():
        shape: tuple[int, ...] = total.shape
    assert total.dtype is tapeloom.float32 and len(shape) == 2
    return total.sum(dim=0, keepdim=True)


def call_forms(x: Tensor, y: Tensor) -> list[Tensor]:
    largest: Tensor = x.max()
    pooled: Tensor = tl.max_pool2d(x, 2)
    pair: tuple[Tensor, Tensor] = tl.max_pool2d(x, 2, return_indices=True)
    parts: tuple[Tensor, ...] = x.split(2, dim=1)
    moved: Tensor = x.to("cpu").to(tl.float64).to("cpu", tl.float32).to(y)
    scaled: Tensor = tl.add(x, y, alpha=2)
    rounded: Tensor = x.div(y, rounding_mode="floor").round(decimals=1)
    x.add_(y, alpha=0.5).mul_(2).clamp_(min=0, max=1)
    x.data = y.detach()
    x[0, 1:, None] = y[..., 0]
    same: bool = tl.allclose(x, y)
    normal: Tensor = tl.linalg.vector_norm(x, dim=(-2, -1), keepdim=True)
    seen: Tensor = x.permute(1, 0).reshape((2, -1)).view(3, -1)
    drawn: Tensor = tl.randint(10, (2, 3)) + tl.randint(0, 10, (2, 3), dtype=tl.int32) + tl.normal(0.0, 1.0, (2, 3))
    made: Tensor = tl.zeros(2, 3) + tl.full((2, 3), 1.0, dtype="float64") + tl.arange(3, device="cpu")
    largest.backward(retain_graph=same)
    return [x.max(0).values, tl.min(x, 1, keepdim=True).indices, x.max(y), pooled, *pair, *parts, moved, scaled, rounded,
            normal, seen, drawn, made, x.std(unbiased=False), tl.var(x, (0, 1), correction=0)]  # fmt: skip


def mistakes(x: Tensor) -> None:
    tl.multipyl(x, x)  # type: ignore[attr-defined]
    nn.Linaer(2, 3)  # type: ignore[attr-defined]
    optim.SDG([x])  # type: ignore[attr-defined]
    data.DataLoda([x])  # type: ignore[attr-defined]
    x.bakward()  # type: ignore[attr-defined]
    _wrong: int = tl.multiply(x, x)  # type: ignore[assignment]
    nn.Linear("two", 3)  # type: ignore[arg-type]
    tl.add(x, x, alhpa=2)  # type: ignore[call-arg]
    x.sum(dimension=0)  # type: ignore[call-arg]
    _ = x.max(0).value  # type: ignore[attr-defined]
    tl.max_values(x, 0)  # type: ignore[attr-defined]
    x.sum(axis=0)  # type: ignore[call-arg] # runs: other spellings are taken, and only PyTorch's names are in the stubs
