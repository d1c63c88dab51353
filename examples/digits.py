"""Train a small convolutional network on handwritten digits, on any device.

    python examples/digits.py
    TAPELOOM_DEVICE=cuda python examples/digits.py --epochs 20
    python examples/digits.py --resume      # after a crash: go on from the last checkpoint

The run's files are in --out: checkpoint.safetensors (everything needed to go on, written after each epoch),
model.safetensors (the trained weights), curve.csv, and curve.png where matplotlib is installed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.data import DataLoader, progress
from tapeloom.data.datasets import Digits


def make_model() -> nn.Module:
    """Images (N, 1, 8, 8) in, scores of the ten digits (N, 10) out."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 4 * 4, 10),
    )


def train_epoch(model: nn.Module, optimizer: optim.Optimizer, loader: DataLoader[Any], title: str) -> float:
    """Go through the training data once; returns the mean loss."""
    model.train()
    losses: list[float] = []
    bar = progress(loader, title)
    for images, labels in bar:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
    return sum(losses) / len(losses)


def accuracy(model: nn.Module, data: Digits) -> float:
    """The share of images whose highest score is that of the right digit."""
    model.eval()
    with tl.no_grad():
        return float((model(data.images).argmax(1) == data.labels).float().mean())


def draw(curve: list[list[float]], path: Path) -> None:
    """A picture of the curve, where matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"no {path.name}: matplotlib is not installed")
        return
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    epochs, losses, accuracies = zip(*curve, strict=True)
    axes.plot(epochs, losses, label="training loss")
    axes.plot(epochs, accuracies, label="test accuracy")
    axes.set_xlabel("epoch")
    axes.legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small convolutional network on handwritten digits.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3, help="the learning rate at the start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/digits"), help="the folder for the run's files")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in --out, if there is one"
    )
    args = parser.parse_args()
    settings = {"batch_size": args.batch_size, "lr": args.lr, "seed": args.seed}

    tl.manual_seed(args.seed)
    device = tl.get_default_device()
    train, test = Digits(train=True), Digits(train=False)
    loader = DataLoader(train, batch_size=args.batch_size, shuffle=True)
    model = make_model()
    optimizer = optim.AdamW(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
    curve: list[list[float]] = []  # a row an epoch: its number, the training loss, the test accuracy
    print(f"{sum(p.numel() for p in model.parameters())} parameters on {device}, {len(train)} training images")

    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / "checkpoint.safetensors"
    if args.resume and checkpoint.exists():
        saved = tl.load(checkpoint, map_location=device)
        if saved["settings"] != settings:
            parser.error(f"{checkpoint} was made with {saved['settings']}; --resume needs the same, not {settings}")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        scheduler.load_state_dict(saved["scheduler"])
        tl.set_rng_state(saved["rng"])
        curve = saved["curve"]
        print(f"going on after epoch {len(curve)}")

    for epoch in range(len(curve) + 1, args.epochs + 1):
        loss = train_epoch(model, optimizer, loader, f"epoch {epoch}/{args.epochs}")
        scheduler.step()
        curve.append([epoch, loss, accuracy(model, test)])
        print(f"epoch {epoch}: loss {loss:.4f}, test accuracy {curve[-1][2]:.4f}")
        rows = [f"{epoch},{loss!r},{correct!r}\n" for epoch, loss, correct in curve]
        (args.out / "curve.csv").write_text("epoch,loss,accuracy\n" + "".join(rows))
        state = {
            "settings": settings,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "rng": tl.get_rng_state(),  # the order of the next epoch and its dropout masks
            "curve": curve,
        }
        tl.save(state, checkpoint)  # in one step: a kill leaves the old checkpoint or the new one

    tl.save(model.state_dict(), args.out / "model.safetensors")
    draw(curve, args.out / "curve.png")
    print(f"test accuracy {accuracy(model, test):.4f}")


if __name__ == "__main__":
    main()
