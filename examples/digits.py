"""Train a small convolutional network on real handwritten digits, on any backend.

    python examples/digits.py                       # on the CPU
    TAPELOOM_DEVICE=xla python examples/digits.py   # the same program on JAX
    python examples/digits.py --resume              # go on after an interruption, from the last finished epoch

The run's folder holds checkpoint.safetensors, curve.csv and, where matplotlib is installed, curve.png. On the CPU a run
that was interrupted and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.data import DataLoader, progress
from tapeloom.data.datasets import Digits


def build_model() -> nn.Module:
    """Two convolutions and a linear layer: images (batch, 1, 8, 8) to logits (batch, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(128, 10),
    )


def accuracy(model: nn.Module, images: tl.Tensor, labels: tl.Tensor) -> float:
    """The share of images whose largest logit is that of their label."""
    model.eval()
    with tl.no_grad():
        return float((model(images).argmax(1) == labels).float().mean())


def train_epoch(model: nn.Module, optimizer: optim.Optimizer, batches: Any) -> float:
    """One pass over the batches; the mean loss."""
    model.train()
    loss_function = nn.CrossEntropyLoss()
    total = count = 0.0
    for images, labels in batches:
        loss = loss_function(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        count += len(labels)
    return total / count


def write_curve(folder: Path, curve: list[list[float]]) -> None:
    """curve.csv, written whole each time and then renamed, so that it never lags behind half done."""
    rows = ["epoch,train_loss,test_accuracy"] + [f"{int(epoch)},{loss!r},{share!r}" for epoch, loss, share in curve]
    beside = folder / "curve.csv.part"
    beside.write_text("\n".join(rows) + "\n")
    beside.replace(folder / "curve.csv")


def draw_curve(folder: Path, curve: list[list[float]]) -> None:
    """curve.png, where matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print("no picture: matplotlib is not installed; run: pip install matplotlib")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    epochs, losses, shares = zip(*curve, strict=True)
    figure, left = pyplot.subplots(figsize=(6, 4))
    left.plot(epochs, losses, color="tab:blue", label="training loss")
    left.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    right = left.twinx()
    right.plot(epochs, shares, color="tab:orange", label="test accuracy")
    right.set(ylabel="test accuracy", ylim=(0.8, 1))
    figure.legend(loc="center right", bbox_to_anchor=(0.88, 0.5))
    figure.tight_layout()
    figure.savefig(folder / "curve.png", dpi=120)
    pyplot.close(figure)


def main() -> None:
    """Train, or go on training, and print the accuracy on held-out images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--lr", type=float, default=3e-3, help="learning rate at the start; it is halved every 5 epochs"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/digits"), help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out, if there is one")
    options = parser.parse_args()

    tl.manual_seed(options.seed)
    model = build_model().to(tl.get_default_device())
    optimizer = optim.AdamW(model.parameters(), lr=options.lr)
    schedule = optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
    curve: list[list[float]] = []

    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "checkpoint.safetensors"
    if options.resume and checkpoint.exists():
        saved = tl.load(checkpoint)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        curve = saved["curve"]
        tl.set_rng_state(saved["random"])  # shuffling and dropout go on where they were
        print(f"resumed after epoch {len(curve)}")

    test = Digits(train=False)
    images, labels = test.images.to(tl.get_default_device()), test.labels.to(tl.get_default_device())
    batches = DataLoader(Digits(train=True), batch_size=options.batch_size, shuffle=True)
    for epoch in range(len(curve) + 1, options.epochs + 1):
        loss = train_epoch(model, optimizer, progress(batches, desc=f"epoch {epoch:2}/{options.epochs}"))
        schedule.step()
        curve.append([epoch, loss, accuracy(model, images, labels)])
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "curve": curve,
            "random": tl.get_rng_state(),
        }
        tl.save(state, checkpoint)  # atomic: an interruption leaves the old file or the new one
        write_curve(options.out, curve)
    write_curve(options.out, curve)
    draw_curve(options.out, curve)
    print(f"device {tl.get_default_device()}; run in {options.out}")
    print(f"test accuracy {accuracy(model, images, labels):.4f}")


if __name__ == "__main__":
    main()
