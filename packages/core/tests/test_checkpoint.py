"""Saving and loading: every value comes back, a kill leaves a whole file, every fault says what to do."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tapeloom as tl
from tapeloom import host
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    CheckpointError,
    DeviceError,
    MissingCheckpointError,
)

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


def same(found, expected):
    if isinstance(expected, tl.Tensor):
        assert isinstance(found, tl.Tensor)
        assert (found.dtype, found.device, found.shape) == (expected.dtype, expected.device, expected.shape)
        assert found.tolist() == expected.tolist()
        assert not found.requires_grad
        return
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, float):
        assert found.hex() == expected.hex() or (math.isnan(found) and math.isnan(expected))
    else:
        assert found == expected


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def rewrite(path, change):
    """Change the description of the data in a checkpoint, and take its checksum out."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:end])
    head["__metadata__"].pop("tapeloom_crc32", None)
    structure = json.loads(head["__metadata__"]["tapeloom"])
    head["__metadata__"]["tapeloom"] = change(structure)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


# what comes back


def test_nested_data_comes_back_equal_and_of_the_same_types(path):
    data = {
        "epoch": 3,
        "rate": 0.1,
        "flags": [True, False, None, "text ü \ud800", ""],
        "numbers": (2**64 - 1, -(2**70), 0.0, -0.0, 5e-324, 1e308, math.inf, -math.inf, math.nan),
        "empty": [{}, [], ()],
        "state": {0: {"exp_avg": tl.tensor([1.0, 2.0])}, 7: {}},
        (1, None, True, 2.5): {1: "int", "1": "str", None: "none"},
        "rng": tl.get_rng_state(),
        "scalar": tl.tensor(4.5),
        "empty tensor": tl.zeros(0, 3),
    }
    tl.save(data, path)
    same(tl.load(path), data)


@pytest.mark.parametrize("value", [None, 3, "x", 2.5, [1], (1, (2,)), {}])
def test_a_checkpoint_may_hold_no_tensor(path, value):
    tl.save(value, path)
    same(tl.load(path), value)


def test_a_single_tensor(path):
    tl.save(tl.arange(3), str(path))
    same(tl.load(str(path)), tl.arange(3))


@pytest.mark.parametrize("name", DTYPES + COMPLEX)
def test_every_dtype(path, name):
    value = tl.tensor([[0.0, 1.0, 3.0]]).to(getattr(tl, "bool_" if name == "bool" else name))
    tl.save({"x": value, "scalar": value[0, 2]}, path)
    same(tl.load(path), {"x": value, "scalar": value[0, 2]})


def test_values_in_any_memory_order(path):
    x = tl.arange(24).reshape(2, 3, 4)
    data = {"t": x.transpose(0, 2), "s": x[:, ::2], "e": tl.ones(1).expand(3, 2)}
    tl.save(data, path)
    same(tl.load(path), data)


def test_the_tape_is_not_saved(path):
    x = tl.tensor([2.0], requires_grad=True)
    tl.save({"leaf": x, "made": x * 3}, path)
    same(tl.load(path), {"leaf": tl.tensor([2.0]), "made": tl.tensor([6.0])})


def test_loaded_tensors_may_be_changed_and_leave_the_file_alone(path):
    tl.save(tl.zeros(3), path)
    first = tl.load(path)
    first += 1
    same(tl.load(path), tl.zeros(3))


def test_shared_values_are_written_once_and_come_back_as_tensors_of_their_own(path):
    x = tl.ones(1000)
    tl.save([x, x.detach(), {"again": x}], path)
    assert path.stat().st_size < 6000
    one, other, third = (*(loaded := tl.load(path))[:2], loaded[2]["again"])
    one += 1
    assert other.sum().item() == third.sum().item() == 1000


def test_equal_data_gives_equal_files(path, tmp_path):
    data = {"b": tl.ones(3), "a": tl.zeros(2, dtype=tl.float64), "n": {1: 2, "x": (1, 2)}}
    tl.save(data, path)
    tl.save(tl.load(path), tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_model_optimizer_scheduler_and_generator_go_on_where_they_stood(path):
    nn, optim = pytest.importorskip("tapeloom.nn"), pytest.importorskip("tapeloom.optim")

    def make():
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
        optimizer = optim.AdamW(model.parameters(), lr=0.1)
        return model, optimizer, optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    def train(model, optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            model(tl.randn(8, 3)).square().sum().backward()
            optimizer.step()
            scheduler.step()

    tl.manual_seed(1)
    unbroken = make()
    train(*unbroken, 3)
    tl.save({"parts": [part.state_dict() for part in unbroken], "rng": tl.get_rng_state()}, path)
    train(*unbroken, 3)

    tl.manual_seed(2)
    resumed = make()
    saved = tl.load(path)
    for part, state in zip(resumed, saved["parts"], strict=True):
        part.load_state_dict(state)
    tl.set_rng_state(saved["rng"])
    train(*resumed, 3)
    for one, other in zip(unbroken, resumed, strict=True):
        same(other.state_dict(), one.state_dict())


# complex numbers


@pytest.fixture(params=[False, True], ids=["this safetensors", "safetensors before 0.7"])
def safetensors(request, monkeypatch):
    """Also as if the installed safetensors did not know complex64, in which case it is stored as complex128 is."""
    if request.param:
        monkeypatch.setattr(host, "stored_as_pairs", lambda dtype: dtype.is_complex)


@pytest.mark.usefixtures("safetensors")
@pytest.mark.parametrize("name", COMPLEX)
def test_complex_tensors_come_back_to_the_last_bit(path, name):
    import numpy as np

    array = np.array([[1 + 2j, complex(-0.0, 0.0), complex("nan+infj")], [1e30 + 1j, 1e-40j, -0j]]).astype(name)
    x = tl.tensor(array)
    shapes = {
        "empty": x[:0],
        "thin": tl.zeros(2, 0, 3, dtype=name),
        "scalar": x[0, 0],
        "turned": x.T,
        "real": x[:, :1].bool(),
    }
    tl.save({"x": x, "again": x, **shapes}, path)
    found = tl.load(path)
    assert found["x"].numpy().tobytes() == found["again"].numpy().tobytes() == array.tobytes()
    assert found["turned"].numpy().tobytes() == array.T.tobytes()
    same(
        {name: found[name] for name in shapes if name != "turned"},
        {name: shapes[name] for name in shapes if name != "turned"},
    )


@pytest.mark.usefixtures("safetensors")
def test_equal_complex_data_gives_equal_files(path, tmp_path):
    tl.save({"z": tl.tensor([1j]), "w": tl.tensor([1j], dtype=tl.complex128), "n": [1j]}, path)
    tl.save(tl.load(path), tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_python_complex_numbers(path):
    data = {"n": [1j, complex(-0.0, 2.5), 1e308 - 5e-324j], 2j: "key", (1, 1j): "keys"}
    tl.save(data, path)
    found = tl.load(path)
    same(found, data)
    assert repr(found["n"]) == repr(data["n"])
    tl.save(complex("nan-infj"), path)
    assert repr(tl.load(path)) == "(nan-infj)"


def test_what_other_programs_see_of_complex_tensors(path):
    from safetensors.numpy import load_file

    tl.save({"w": tl.tensor([1 + 2j, 3j], dtype=tl.complex128), "z": tl.tensor([1 + 2j])}, path)
    found = load_file(path)
    assert found["w"].dtype.name == "float64" and found["w"].tolist() == [[1, 2], [0, 3]]
    if host.stored_as_pairs(tl.complex64):
        assert found["z"].dtype.name == "float32" and found["z"].tolist() == [[1, 2]]
    else:
        assert found["z"].dtype.name == "complex64" and found["z"].tolist() == [1 + 2j]


def test_a_file_says_format_2_only_where_complex_numbers_need_it(path):
    formats = []
    for data in ([tl.ones(2), 1.5], [tl.ones(2, dtype=tl.complex128)], [1j]):
        tl.save(data, path)
        rewrite(path, lambda content: formats.append(content["format"]) or json.dumps(content))
    assert formats == [1, 2, 2]


def test_files_of_before_load(path):
    """A file as format 1 was written before there were complex numbers, byte for byte."""
    structure = (
        '{"format":1,"structure":{"dict":{"x":{"tensor":"x","device":"cpu"},"n":{"tuple":[1,{"float":"inf"}]}}}}'
    )
    head = json.dumps(
        {"__metadata__": {"tapeloom": structure}, "x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
        separators=(",", ":"),
    ).encode()
    head += b" " * (-len(head) % 8)
    content = len(head).to_bytes(8, "little") + head + b"\0\0\x80?\0\0\0@"
    path.write_bytes(content)
    same(tl.load(path), {"x": tl.tensor([1.0, 2.0]), "n": (1, math.inf)})


def test_complex_files_of_other_programs(path):
    import numpy as np
    from safetensors.numpy import save_file

    if host.stored_as_pairs(tl.complex64):
        pytest.skip("this safetensors does not know complex64")
    save_file({"w": np.array([1j, 2], np.complex64)}, path)
    same(tl.load(path), {"w": tl.tensor([1j, 2])})


def test_a_complex64_file_where_safetensors_is_too_old(path, monkeypatch):
    import safetensors

    def refuses(*arguments, **named):
        raise safetensors.SafetensorError("unknown variant `C64`")

    head = b'{"z":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}  '
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    monkeypatch.setattr(safetensors, "safe_open", refuses)
    monkeypatch.setattr(host, "stored_as_pairs", lambda dtype: dtype.is_complex)
    with pytest.raises(CheckpointError) as caught:
        tl.load(path)
    assert str(caught.value) == (
        f"load: {path} holds complex64 tensors, which only safetensors 0.7 or newer reads. Upgrade safetensors."
    )


PARTS = st.floats(width=32)
NUMBERS = st.builds(complex, PARTS, PARTS)
TENSORS = st.builds(
    lambda values, dtype, rows: tl.tensor(values * rows, dtype=dtype).reshape(rows, len(values)),
    st.lists(NUMBERS, max_size=4),
    st.sampled_from([tl.complex64, tl.complex128]),
    st.integers(1, 3),
)
DATA = st.recursive(
    st.one_of(NUMBERS, TENSORS, st.integers(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def bits(data):
    """``data`` with each tensor and complex number as all of its bits."""
    if isinstance(data, tl.Tensor):
        return data.dtype.name, data.shape, data.numpy().tobytes()
    if isinstance(data, complex):
        return repr(data)
    if isinstance(data, dict):
        return {key: bits(value) for key, value in data.items()}
    return [bits(value) for value in data] if isinstance(data, list) else data


@settings(max_examples=60, deadline=None)
@given(DATA, st.booleans())
def test_any_complex_data_comes_back(tmp_path_factory, data, old):
    path = tmp_path_factory.mktemp("any") / "x"
    with pytest.MonkeyPatch.context() as patch:
        if old:
            patch.setattr(host, "stored_as_pairs", lambda dtype: dtype.is_complex)
        tl.save(data, path)
    assert bits(tl.load(path)) == bits(data)


# other programs


def test_other_programs_read_a_checkpoint_under_readable_names(path):
    from safetensors.numpy import load_file

    tl.save({"model": {"conv.weight": tl.ones(2, 2)}, "steps": [tl.tensor(3)]}, path)
    found = load_file(path)
    assert found["model.conv.weight"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert sorted(found) == ["model.conv.weight", "steps.0"]


def test_names_that_meet_stay_apart(path):
    data = {
        "a": {"b": tl.ones(1)},
        "a.b": tl.zeros(1),
        "a.b#2": tl.ones(2),
        "__metadata__": tl.ones(3),
        "\ud800": tl.ones(4),
    }
    tl.save(data, path)
    same(tl.load(path), data)


def test_files_of_other_programs_load_as_a_dict(path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"w": np.ones((2, 3), np.float32), "n": np.array(3)}, path, metadata={"format": "np"})
    same(tl.load(path), {"n": tl.tensor(3), "w": tl.ones(2, 3)})


def test_a_dtype_of_another_program_that_we_lack(path):
    head = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [3], "data_offsets": [0, 3]}}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(3))
    with pytest.raises(CheckpointError) as caught:
        tl.load(path)
    assert str(caught.value).startswith(f"load: {path}: the tensor 'w' has a dtype that NumPy does not have")


# devices


def test_tensors_go_where_map_location_says(path):
    pytest.importorskip("tapeloom_backend_jax")
    data = {"a": tl.ones(2), "b": tl.ones(2, device="xla")}
    tl.save(data, path)
    same(tl.load(path), data)
    assert {value.device.type for value in tl.load(path, map_location="cpu").values()} == {"cpu"}
    assert {value.device.type for value in tl.load(path, map_location=tl.device("xla")).values()} == {"xla"}
    moved = tl.load(path, map_location={"cpu": "xla", str(data["b"].device): "cpu"})
    assert (moved["a"].device.type, moved["b"].device.type) == ("xla", "cpu")


def test_bfloat16_on_another_device(path):
    pytest.importorskip("tapeloom_backend_jax")
    tl.save(tl.tensor([1.5, 2.0], dtype=tl.bfloat16, device="xla"), path)
    same(tl.load(path, map_location="cpu"), tl.tensor([1.5, 2.0], dtype=tl.bfloat16))


def test_a_device_that_is_not_here(path):
    tl.save(tl.ones(2), path)
    rewrite(path, lambda content: json.dumps(content).replace('"cpu"', '"npu:3"'))
    with pytest.raises(CheckpointError) as caught:
        tl.load(path)
    message = str(caught.value)
    assert message.startswith(
        f"load: {path} holds tensors for the device 'npu:3', which cannot be used here: device 'npu'"
    )
    assert message.endswith("Or load them elsewhere, for instance with map_location='cpu'.")
    same(tl.load(path, map_location="cpu"), tl.ones(2))
    same(tl.load(path, {"npu:3": tl.device("cpu")}), tl.ones(2))
    same(tl.load(path, {tl.device("npu:3"): "cpu", "cuda:7": "npu"}), tl.ones(2))


@pytest.mark.parametrize(
    ("location", "kind", "message"),
    [
        (
            lambda storage, location: storage,
            ArgumentTypeError,
            "load: map_location must be a device, its name or a dict",
        ),
        (3, ArgumentTypeError, "load: map_location must be a device, its name or a dict"),
        ({"cpu": 3}, ArgumentTypeError, "device: expected a name such as 'cpu' or 'cuda:1', got 3."),
        ({3: "cpu"}, ArgumentTypeError, "device: expected a name such as 'cpu' or 'cuda:1', got 3."),
        ("npu", DeviceError, "device 'npu': no installed backend serves it."),
    ],
)
def test_a_map_location_that_is_none(path, location, kind, message):
    tl.save(tl.ones(2), path)
    with pytest.raises(kind) as caught:
        tl.load(path, location)
    assert str(caught.value).startswith(message)


def test_weights_only_is_taken_as_nothing_is_ever_executed(path):
    tl.save(tl.ones(2), path)
    same(tl.load(path, "cpu", weights_only=True), tl.ones(2))
    with pytest.raises(ArgumentError) as caught:
        tl.load(path, weights_only=False)
    assert str(caught.value) == (
        "load: weights_only=False asks to run what a pickle holds, and tapeloom reads no pickles. Leave it out."
    )


# what cannot be saved


class Point(tuple):
    _fields = ("x", "y")


def circle():
    items = [1]
    items.append({"again": items})
    return items


def deep():
    value = None
    for _ in range(300):
        value = [value]
    return value


REFUSED = [
    ({"a": [1, {2}]}, "save: ['a'][1] is of type set, which cannot be saved. Save it as a list."),
    (
        {"f": print},
        "save: ['f'] is of type builtin_function_or_method, which cannot be saved. Save Tensors, numbers, strings, bools and None, "
        "in dicts, lists and tuples.",
    ),
    (
        tl.Generator(),
        "save: the value is of type Generator, which cannot be saved. Save its get_state().",
    ),
    (
        Point((1, 2)),
        "save: the value is of type Point, which cannot be saved. Save it as tuple(x), or as a dict with x._asdict().",
    ),
    (
        b"x",
        "save: the value is of type bytes, which cannot be saved. Save it as a tensor, with tapeloom.frombuffer(x, "
        "dtype=tapeloom.uint8).",
    ),
    (
        {frozenset(): 1},
        "save: a key of the value is of type frozenset. Keys may be strings, numbers, bools, None and tuples of them.",
    ),
    (circle(), "save: [1]['again'] contains itself. Save data without circles."),
    (deep(), "save: [0][0][0][0][0] … is nested more than 200 deep. Save flatter data."),
    ([1 << 9000], "save: [0] is an int of 9001 bits; 8192 can be saved."),
]


@pytest.mark.parametrize(
    ("data", "message"),
    REFUSED,
    ids="set function Generator namedtuple bytes key circle deep long".split(),
)
def test_what_cannot_be_saved_is_refused_and_the_old_file_stays(path, data, message):
    tl.save("old", path)
    with pytest.raises(CheckpointError) as caught:
        tl.save(data, path)
    assert str(caught.value) == message
    assert tl.load(path) == "old"
    assert names(path.parent) == [path.name]


def test_arrays_and_modules_say_what_to_save_instead(path):
    np = pytest.importorskip("numpy")
    nn = pytest.importorskip("tapeloom.nn")
    with pytest.raises(
        CheckpointError, match=r"is of type ndarray, .* Save tapeloom\.as_tensor\(x\), or x\.item\(\) for a number\.$"
    ):
        tl.save({"a": np.ones(3)}, path)
    with pytest.raises(CheckpointError, match=r"is of type Linear, which cannot be saved\. Save its state_dict\(\)\.$"):
        tl.save({"model": nn.Linear(2, 2)}, path)


@pytest.mark.parametrize("bad", [None, 3, b"x"])
def test_a_path_that_is_none(bad):
    for function in (lambda: tl.save(1, bad), lambda: tl.load(bad)):
        with pytest.raises(ArgumentTypeError, match=r"the path must be a string or a pathlib\.Path, got "):
            function()


# files that cannot be loaded or written


def test_no_file(tmp_path):
    with pytest.raises(MissingCheckpointError) as caught:
        tl.load(tmp_path / "none")
    assert str(caught.value) == f"load: there is no file {tmp_path / 'none'}. Check the path and the working directory."
    assert isinstance(caught.value, FileNotFoundError) and isinstance(caught.value, CheckpointError)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 20, 200, -1, -4000])
def test_a_truncated_file(path, kept):
    tl.save({"x": tl.ones(1000)}, path)
    content = path.read_bytes()
    path.write_bytes(content[:kept])
    with pytest.raises(CheckpointError) as caught:
        tl.load(path)
    message = str(caught.value)
    assert message.startswith(f"load: {path} is ")
    if kept == 0:
        assert message.endswith("is empty. The save was cut off; take an earlier checkpoint.")
    elif 9 <= kept < 200:
        assert message.endswith(
            f"is truncated: its header alone takes {8 + int.from_bytes(content[:8], 'little')} bytes, the file has {kept}. "
            f"Take an earlier checkpoint."
        )
    elif kept < 0:
        assert "is truncated or damaged: its header does not fit its" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"PK\x03\x04" + b"\0" * 100,
            "is a pickle or a zip archive, such as PyTorch writes; tapeloom never unpickles, since",
        ),
        (b"\x80\x04\x95" + b"\0" * 100, "is a pickle or a zip archive"),
        (
            b"epoch,loss\n" * 20,
            "is not a safetensors file. Give a file that tapeloom.save or another safetensors program wrote.",
        ),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "is not a safetensors file."),
    ],
)
def test_a_foreign_file(path, content, message):
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        tl.load(path)
    assert f"load: {path} {message}" in str(caught.value)


def test_a_pickle_is_never_run(path, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError):
        tl.load(path)
    assert not (tmp_path / "ran").exists()


def test_a_newer_format(path):
    tl.save({"x": tl.ones(2)}, path)
    rewrite(path, lambda content: json.dumps(content | {"format": 3}))
    with pytest.raises(CheckpointError) as caught:
        tl.load(path)
    assert str(caught.value) == (
        f"load: {path} has checkpoint format 3, this tapeloom reads formats 1 to 2. Upgrade tapeloom, or save the file again with "
        f"the version that reads it."
    )


DAMAGED = ['{"format":1', "[]", "{}", "3", "null"] + [
    json.dumps({"format": 1, "structure": structure})
    for structure in (
        {"dict": []},
        {"items": 3},
        {"items": [[1]]},
        {"items": [[[], 2]]},
        {"tuple": 1},
        {"float": "x"},
        {"object": 1},
        {},
        {"a": 1, "b": 2},
        {"tensor": "x"},
        {"tensor": "gone", "device": "cpu"},
        {"tensor": ["x"], "device": "cpu"},
        {"tensor": "x", "device": "cpu", "dtype": "complex64"},
        {"tensor": "pairs", "device": "cpu", "dtype": "complex128"},
        {"tensor": "pairs", "device": "cpu", "dtype": "float32"},
        {"tensor": "pairs", "device": "cpu", "dtype": "complex1"},
        {"tensor": "pairs", "device": "cpu", "dtype": 3},
        {"complex": [1]},
        {"complex": [1, "x"]},
        {"complex": 1},
    )
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_description(path, text):
    tl.save({"x": tl.ones(3), "pairs": tl.ones(3, 2)}, path)
    rewrite(path, lambda _: text)
    with pytest.raises(
        CheckpointError, match=r"^load: the description of the data in .* is damaged \(.*Take an earlier checkpoint\.$"
    ):
        tl.load(path)


def test_folders(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        tl.load(tmp_path)
    assert str(caught.value) == f"load: {tmp_path} could not be read: it is a folder."
    with pytest.raises(
        CheckpointError, match=r"could not be written: .* is a folder\. What was there before is unchanged\.$"
    ):
        tl.save(1, tmp_path)
    missing = tmp_path / "no" / "x"
    with pytest.raises(CheckpointError) as caught:
        tl.save(1, missing)
    assert str(caught.value) == (
        f"save: {missing} could not be written: the folder {tmp_path / 'no'} does not exist; create it first. "
        f"What was there before is unchanged."
    )


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs symbolic links")
def test_a_link_goes_on_leading_where_it_leads(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    tl.save(1, real)
    link.symlink_to(real)
    tl.save(2, link)
    assert link.is_symlink() and tl.load(real) == 2


# interrupted saves, in processes of their own


def program(text, *arguments):
    return [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]


@pytest.mark.skipif(os.name == "nt", reason="needs file size limits")
def test_a_full_disk_leaves_the_old_file_whole(path):
    tl.save("old", path)
    text = """
        import resource, signal, sys
        import tapeloom as tl
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            tl.save(tl.ones(100_000), sys.argv[1])
        except tl.errors.CheckpointError as error:
            print(error)
    """
    done = subprocess.run(program(text, path), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        f"save: {path} could not be written: File too large. What was there before is unchanged."
    )
    assert tl.load(path) == "old"
    assert names(path.parent) == [path.name]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_killed_save_leaves_a_whole_file(path):
    text = """
        import sys
        import tapeloom as tl
        for count in range(1_000_000):
            tl.save({"count": count, "x": tl.full((500_000,), float(count)), "y": tl.full((3,), count)}, sys.argv[1])
            print(count, flush=True)
    """
    last, left_over = -1, 0
    for attempt in range(8):
        with subprocess.Popen(program(text, path), stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "0\n"
            time.sleep(0.004 * attempt)
            running.send_signal(signal.SIGKILL)
            done = running.stdout.read().split()
        loaded = tl.load(path)
        last = int(done[-1]) if done else 0
        assert loaded["count"] in (last, last + 1)
        assert loaded["x"].min().item() == loaded["x"].max().item() == loaded["count"]
        assert loaded["y"].tolist() == [loaded["count"]] * 3
        left_over = len(names(path.parent)) - 1
    assert left_over <= 8  # each kill leaves one at most, and the next test says what becomes of them


def test_what_killed_saves_left_behind_goes_with_a_later_save(path, tmp_path):
    old, new = tmp_path / f".{path.name}.77-1.tmp", tmp_path / f".{path.name}.78-1.tmp"
    other = tmp_path / ".another.77-1.tmp"
    for file in (old, new, other):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    os.utime(other, (time.time() - 7200,) * 2)
    tl.save(1, path)
    assert names(tmp_path) == sorted([path.name, new.name, other.name])
