import re
from hashlib import sha256
from importlib.resources import files

import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import tapeloom as tl
from tapeloom.data import DataLoader
from tapeloom.data.datasets import Digits
from tapeloom.errors import DataError, IndexingError

FILE = files("tapeloom.data.datasets") / "digits.safetensors"


@pytest.mark.parametrize("train, count", [(True, 1437), (False, 360)])
def test_parts(train, count):
    digits = Digits(train=train)
    assert len(digits) == count and digits.images.shape == (count, 1, 8, 8) and digits.labels.shape == (count,)
    assert digits.images.dtype is tl.float32 and digits.labels.dtype is tl.int64
    assert digits.images.min().item() == 0 and digits.images.max().item() == 1
    labels = digits.labels.tolist()
    for digit in range(10):  # its share in both parts
        assert abs(labels.count(digit) / count - 0.1) < 0.005
    assert repr(digits) == f"Digits(train={train}, {count} samples)"


def test_samples():
    digits = Digits()
    image, label = digits[3]
    assert image.shape == (1, 8, 8) and image.dtype is tl.float32 and type(label) is int
    assert image.tolist() == digits.images[3].tolist() and label == digits.labels[3].item()
    assert digits[-1][1] == digits.labels[-1].item()
    with pytest.raises(
        IndexingError,
        match=r"^Digits: index 1437 is out of range for 1437 samples\. Give an index from -1437 to 1436\.$",
    ):
        digits[1437]


def test_the_file_is_the_whole_data_set():
    tensors = load_file(FILE)
    with safe_open(FILE, framework="np") as file:
        metadata = file.metadata()
    assert sorted(tensors["positions"].tolist()) == list(range(1797))
    assert metadata["train"] == "1437" and metadata["license"] == "CC-BY-4.0"
    images = tl.cat([Digits(train=train).images for train in (True, False)])
    labels = tl.cat([Digits(train=train).labels for train in (True, False)])
    assert (images * 16).to(tl.uint8).tolist() == tensors["images"].tolist()
    assert labels.tolist() == tensors["labels"].tolist()
    assert len(FILE.read_bytes()) < 150_000 and "CC BY 4.0" in (FILE.parent / "digits.txt").read_text()


def test_transform():
    digits = Digits(train=False, transform=lambda image: image.flatten() * 2)
    assert digits[0][0].tolist() == (Digits(train=False).images[0].flatten() * 2).tolist()
    x, y = next(iter(DataLoader(digits, 8)))
    assert x.shape == (8, 64) and y.tolist() == digits.labels[:8].tolist()


@pytest.mark.parametrize("workers", [0, 1])
def test_loading(workers):
    loader = DataLoader(Digits(train=False), 100, num_workers=workers)
    batches = list(loader)
    assert [x.shape for x, _ in batches] == [(100, 1, 8, 8)] * 3 + [(60, 1, 8, 8)]
    assert tl.cat([y for _, y in batches]).tolist() == Digits(train=False).labels.tolist()
    assert all(x.dtype is tl.float32 and y.dtype is tl.int64 for x, y in batches)


def test_a_copy_elsewhere(tmp_path):
    (tmp_path / FILE.name).write_bytes(FILE.read_bytes())
    assert len(Digits(tmp_path)) == len(Digits(str(tmp_path))) == 1437


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_copy(tmp_path, damage):
    content = bytearray(FILE.read_bytes())
    expected = sha256(content).hexdigest()
    if damage == "flip":
        content[70_000] ^= 1
    else:
        del content[70_000 if damage == "cut" else 0 :]
    path = tmp_path / FILE.name
    path.write_bytes(content)
    text = (
        f"Digits: {path} is damaged: it has {len(content)} bytes and the SHA-256 {sha256(content).hexdigest()}, expected "
        f'is {expected}. Fix it with: pip install --force-reinstall --no-deps "tapeloom-data"'
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        Digits(tmp_path)


def test_a_missing_file(tmp_path):
    text = (
        f"Digits: {tmp_path / FILE.name} cannot be read (No such file or directory). "
        'Fix it with: pip install --force-reinstall --no-deps "tapeloom-data"'
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        Digits(root=tmp_path)
