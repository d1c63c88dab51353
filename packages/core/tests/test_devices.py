"""Devices: names, defaults, moving tensors between backends in one process, and what is refused."""

from __future__ import annotations

import threading

import pytest

import tapeloom as tl
from tapeloom.testing.refusals import another_device


@pytest.fixture
def other():
    """A second device type, beside cpu."""
    with another_device() as name:
        yield name


def test_names():
    assert tl.device("cpu") is tl.device("cpu:0") is tl.Device("cpu", 0)
    assert str(tl.device("cuda:1")) == "cuda:1" and repr(tl.device("cuda:1")) == "device(type='cuda', index=1)"
    assert repr(tl.device("cpu")) == "device(type='cpu')"
    assert tl.device("cuda").index is None and tl.device("cuda:3").index == 3
    assert tl.ones(1).device == "cpu"


@pytest.mark.parametrize("name", ["cuda:", "cuda:x", "cuda:-1", "a b", "", "1cpu"])
def test_what_is_no_name(name):
    with pytest.raises(tl.errors.DeviceError) as caught:
        tl.device(name)
    assert str(caught.value) == f"device: {name!r} is not a device. Write a type and a number, such as 'cuda:1'."


def test_what_is_no_device():
    with pytest.raises(
        tl.errors.ArgumentTypeError, match=r"^device: expected a name such as 'cpu' or 'cuda:1', got 1\.5\.$"
    ):
        tl.zeros(1, device=1.5)


def test_an_index_that_does_not_exist(other):
    with pytest.raises(tl.errors.DeviceError) as caught:
        tl.zeros(1, device=f"{other}:1")
    assert str(caught.value) == (
        "device 'elsewhere:1': the backend 'elsewhere' sees 1 device of this type. Give an index from 0 to 0."
    )


def test_moving_there_and_back(other):
    x = tl.tensor([[1.0, 2.0]], dtype=tl.float64)
    there = x.to(other)
    assert there.device == other and there.dtype is tl.float64 and there.tolist() == [[1.0, 2.0]]
    assert there.cpu().device == "cpu" and there.to("cpu").tolist() == x.tolist()
    assert x.to("cpu") is x and there.to(there) is there
    assert x.to(there).device == other
    assert x.to(other, tl.int32).tolist() == [[1, 2]]


def test_the_gradient_comes_back(other):
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    y = (x.to(other) * tl.tensor([3.0, 4.0], device=other)).cpu() * x
    y.sum().backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [6.0, 16.0]


def test_second_derivatives_cross_devices(other):
    x = tl.tensor([2.0], dtype=tl.float64, requires_grad=True)
    y = (x.to(other) ** 3).cpu()
    (first,) = tl.autograd.grad(y, x, tl.ones(1, dtype=tl.float64), create_graph=True)
    (second,) = tl.autograd.grad(first, x, tl.ones(1, dtype=tl.float64))
    assert first.item() == 12.0 and second.item() == 12.0 and second.device == "cpu"


def test_two_devices_do_not_mix(other):
    with pytest.raises(tl.errors.DeviceError) as caught:
        tl.ones(2) + tl.ones(2, device=other)
    assert str(caught.value) == (
        "add: other is on elsewhere, and the first input is on cpu. Move one of them: x = x.to(device), which gives a new tensor."
    )
    with pytest.raises(tl.errors.DeviceError, match=r"^index: the index is on elsewhere, and the tensor on cpu\."):
        tl.ones(2)[tl.tensor([0], device=other)]
    assert (tl.ones(2, device=other) + 1).device == other


def test_copies_move(other):
    x = tl.zeros(2, device=other)
    assert x.copy_(tl.tensor([1.0, 2.0])) is x and x.device == other and x.tolist() == [1.0, 2.0]
    with pytest.raises(tl.errors.DeviceError):
        tl.ones(2).add_(x)


def test_numpy_wants_the_host(other):
    with pytest.raises(tl.errors.DeviceError) as caught:
        tl.ones(2, device=other).numpy()
    assert str(caught.value) == "numpy: this tensor is on elsewhere. Use .cpu().numpy() to copy it to the host first."
    assert tl.ones(2, device=other).numpy(force=True).tolist() == [1.0, 1.0]


def test_the_order_of_defaults(other, monkeypatch):
    monkeypatch.setenv("TAPELOOM_DEVICE", other)
    assert tl.zeros(1).device == other
    tl.set_default_device("cpu")
    try:
        assert tl.zeros(1).device == "cpu"
        with tl.device(other):
            assert tl.zeros(1).device == other and tl.arange(3).device == other and tl.rand(2).device == other
            assert tl.zeros(1, device="cpu").device == "cpu"
            with tl.device("cpu"):
                assert tl.zeros(1).device == "cpu"
            assert tl.get_default_device() == other
    finally:
        tl.set_default_device(None)
    assert tl.get_default_device() == other


def test_a_wrong_environment_variable_is_named(monkeypatch):
    monkeypatch.setenv("TAPELOOM_DEVICE", "nowhere")
    with pytest.raises(tl.errors.DeviceError) as caught:
        tl.zeros(1)
    assert caught.value.__notes__ == ["The device came from the environment variable TAPELOOM_DEVICE."]


def test_the_block_acts_in_its_thread_alone(other):
    seen = []
    with tl.device(other):
        thread = threading.Thread(target=lambda: seen.append(str(tl.zeros(1).device)))
        thread.start()
        thread.join()
    assert seen == ["cpu"]


def test_an_error_in_a_block_restores_the_default(other):
    with pytest.raises(KeyError), tl.device(other):
        raise KeyError
    assert tl.zeros(1).device == "cpu"


def test_cuda_without_cuda_says_what_to_do():
    from tapeloom.backend.plugins import report

    row = next(row for row in report() if row["device"] == "cuda")
    if row["usable"]:
        assert tl.ones(1).cuda().device.type == "cuda"
        return
    with pytest.raises((tl.errors.DeviceError, tl.errors.BackendError)) as caught:
        tl.ones(1).cuda()
    assert "cuda" in str(caught.value)
