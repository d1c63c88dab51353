"""Digits: 1,797 handwritten digits of 8 x 8 pixels, shipped with the package, so that examples run without a download."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import tapeloom as tl
from tapeloom import Tensor, host
from tapeloom.data.dataset import Dataset
from tapeloom.errors import DataError, IndexingError

__all__ = ["Digits"]

_FILE = "digits.safetensors"
_SHA256 = "db7ae056eef3ea050caca6dec80dcf5e8bece3351f20d32d76e8a2ed634c1e03"  # printed by tools/make_digits.py
_FIX = 'Fix it with: pip install --force-reinstall --no-deps "tapeloom-data"'


class Digits(Dataset[tuple[Any, int]]):
    """The UCI optical digits: sample ``i`` is an image (1, 8, 8), float32 from 0 to 1, and its label, an int 0 to 9.

    * ``root``: a folder that has a copy of the file ``digits.safetensors``; None is the one in this package.
    * ``train``: the 1,437 training samples, else the 360 test samples. The split is fixed and has its share of each
      digit in both parts.
    * ``transform``: called on each image; what it returns takes the image's place.

    ``images``, float32 (n, 1, 8, 8), and ``labels``, int64 (n,), are the whole part, on the default device.

    Raises DataError if the file is missing or is not the one that belongs to this version, byte for byte.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, CC BY 4.0; see ``digits.txt`` beside the file.
    """

    images: Tensor
    labels: Tensor

    def __init__(
        self, root: str | Path | None = None, train: bool = True, transform: Callable[[Tensor], Any] | None = None
    ) -> None:
        self.train = train
        self.transform = transform
        content = _content(Path(__file__).parent if root is None else Path(root))
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:end])
        count, first = header["labels"]["shape"][0], int(header["__metadata__"]["train"])
        part = range(first) if train else range(first, count)
        pixels = end + header["images"]["data_offsets"][0] + 64 * part.start
        labels = end + header["labels"]["data_offsets"][0] + part.start
        self._labels = content[labels : labels + len(part)]
        self.images = _tensor(content, 64 * len(part), pixels).reshape(len(part), 1, 8, 8).to(tl.float32) / 16
        self.labels = _tensor(content, len(part), labels).to(tl.int64)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if not -len(self) <= index < len(self):
            raise IndexingError(
                f"Digits: index {index} is out of range for {len(self)} samples. "
                f"Give an index from {-len(self)} to {len(self) - 1}."
            )
        image = self.images[index]
        return (image if self.transform is None else self.transform(image)), self._labels[index]

    def __getbatch__(self, indices: list[int]) -> Any:
        if self.transform is not None:
            return NotImplemented
        rows = tl.tensor(indices)
        return [self.images[rows], self.labels[rows]]

    def __len__(self) -> int:
        return len(self._labels)

    def __repr__(self) -> str:
        return f"Digits(train={self.train}, {len(self)} samples)"


def _tensor(content: bytes, count: int, offset: int) -> Tensor:
    return tl.as_tensor(host.array_from_buffer(content, tl.uint8, count, offset))


def _content(folder: Path) -> bytes:
    path = folder / _FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Digits: {path} cannot be read ({error.strerror}). {_FIX}") from error
    found = sha256(content).hexdigest()
    if found != _SHA256:
        raise DataError(
            f"Digits: {path} is damaged: it has {len(content)} bytes and the SHA-256 {found}, expected is {_SHA256}. "
            f"{_FIX}"
        )
    return content
