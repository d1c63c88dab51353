"""Writes the digits that tapeloom-data ships: python tools/make_digits.py (needs scikit-learn, which carries them).

The training samples come first, then the test samples: of each digit its share of 360, chosen by a hash of the sample's
position, so that the same file comes out on any machine. Prints the checksum that ``datasets/digits.py`` must hold.
"""

from __future__ import annotations

import json
import struct
from hashlib import sha256
from pathlib import Path

from sklearn.datasets import load_digits

TARGET = Path(__file__).parents[1] / "packages/data/src/tapeloom/data/datasets/digits.safetensors"
TEST = 360
SEED = "tapeloom digits 1"


def split(labels: list[int]) -> tuple[list[int], list[int]]:
    """Positions of the training and of the test samples, each in their first order."""
    digits = sorted(set(labels))
    shares = {digit: labels.count(digit) * TEST / len(labels) for digit in digits}
    counts = {digit: int(share) for digit, share in shares.items()}
    by_rest = sorted(digits, key=lambda digit: (counts[digit] - shares[digit], digit))  # the largest remainder first
    for digit in by_rest[: TEST - sum(counts.values())]:
        counts[digit] += 1
    test = set()
    for digit in digits:
        positions = [position for position, label in enumerate(labels) if label == digit]
        positions.sort(key=lambda position: sha256(f"{SEED}:{position}".encode()).digest())
        test.update(positions[: counts[digit]])
    return [p for p in range(len(labels)) if p not in test], sorted(test)


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]], metadata: dict[str, str]) -> bytes:
    """A safetensors file, written by hand: the library writes its metadata in no fixed order."""
    header: dict[str, object] = {"__metadata__": metadata}
    offset = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def main() -> None:
    digits = load_digits()
    labels = [int(label) for label in digits.target]
    train, test = split(labels)
    order = train + test
    count = len(order)
    images = bytes(int(value) for position in order for value in digits.images[position].reshape(-1))
    content = safetensors(
        {
            "images": ("U8", [count, 1, 8, 8], images),
            "labels": ("U8", [count], bytes(labels[position] for position in order)),
            "positions": ("U16", [count], struct.pack(f"<{count}H", *order)),
        },
        {
            "train": str(len(train)),
            "source": "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning "
            "Repository, https://doi.org/10.24432/C50P49 (its test part, as in scikit-learn)",
            "license": "CC-BY-4.0",
        },
    )
    TARGET.write_bytes(content)
    print(f"{TARGET.name}: {len(content)} bytes, {len(train)} train, {len(test)} test")
    print(f"SHA-256 {sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
