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
    for x, y in data.DataLoader(dataset, batch_size=32, shuffle=True):
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


def mistakes(x: Tensor) -> None:
    tl.multipyl(x, x)  # type: ignore[attr-defined]
    nn.Linaer(2, 3)  # type: ignore[attr-defined]
    optim.SDG([x])  # type: ignore[attr-defined]
    data.DataLoda([x])  # type: ignore[attr-defined]
    x.bakward()  # type: ignore[attr-defined]
    _wrong: int = tl.multiply(x, x)  # type: ignore[assignment]
    nn.Linear("two", 3)  # type: ignore[arg-type]
