"""Checkpoints as files: permissions, links, devices and pipes, odd names, the system's limits, damage to any bit."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tapeloom as tl
from tapeloom.errors import ArgumentError, CheckpointError, MissingCheckpointError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="speaks of POSIX files")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def child(text, *arguments):
    """What a program prints that runs ``text`` in a process of its own; ``report(call)`` prints what the call raises."""
    head = """
        import os, sys
        import tapeloom as tl
        def report(call):
            try:
                print("done", call())
            except Exception as error:
                print(type(error).__name__, error)
    """
    command = [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(text), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


#: in a child: load everything that saving and loading need, then be a user without rights
AS_NOBODY = """
tl.load(sys.argv[1])
tl.save(tl.load(sys.argv[1]), sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
"""


@pytest.fixture
def open_folder():
    """A folder that every user can get at, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


# only a file that is not there is a missing one


def test_a_file_without_permission_is_not_missing(open_folder):
    warm, shut, inside = open_folder / "warm", open_folder / "shut", open_folder / "private" / "state"
    inside.parent.mkdir()
    for file in (warm, shut, inside):
        tl.save({"epoch": 3, "x": tl.ones(2, dtype=tl.bfloat16)}, file)
    shut.chmod(0)
    inside.parent.chmod(0)
    text = AS_NOBODY + "for name in sys.argv[2:]: report(lambda: tl.load(name))"
    said = child(text, warm, shut, inside, open_folder / "none").splitlines()
    inside.parent.chmod(0o700)
    assert said == [
        f"CheckpointError load: {shut} could not be read: Permission denied.",
        f"CheckpointError load: {inside} could not be read: Permission denied.",
        f"MissingCheckpointError load: there is no file {open_folder / 'none'}. Check the path and the working directory.",
    ]


def test_no_descriptors_left(path):
    tl.save("old", path)
    text = """
        import resource
        tl.save(tl.load(sys.argv[1]), sys.argv[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held = []
        try:
            while True:
                held.append(open(os.devnull))
        except OSError:
            pass
        report(lambda: tl.load(sys.argv[1]))
        report(lambda: tl.save("new", sys.argv[1]))
        held.pop()
        report(lambda: tl.load(sys.argv[1]))
        report(lambda: tl.save("new", sys.argv[1]))
    """
    said = child(text, path).splitlines()
    assert said == [
        f"CheckpointError load: {path} could not be read: Too many open files.",
        f"CheckpointError save: {path} could not be written: Too many open files. What was there before is unchanged.",
        "done old",
        "done None",
    ]
    assert tl.load(path) == "new" and names(path.parent) == [path.name]


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"")
    for what, reason in {
        tmp_path: "it is a folder",
        tmp_path / "pipe": "it is a device or a pipe, not a file",
        tmp_path / "file" / "state": "Not a directory",
        tmp_path / ("x" * 300): "File name too long",
    }.items():
        with pytest.raises(CheckpointError) as caught:
            tl.load(what)
        assert str(caught.value) == f"load: {what} could not be read: {reason}."
        assert not isinstance(caught.value, FileNotFoundError)


# permissions


def test_a_file_keeps_its_permissions_and_a_new_one_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        tl.save(1, tmp_path / "new")
        assert mode(tmp_path / "new") == 0o640
        for bits in (0o600, 0o666, 0o755):
            (tmp_path / "new").chmod(bits)
            tl.save(bits, tmp_path / "new")
            assert mode(tmp_path / "new") == bits and tl.load(tmp_path / "new") == bits
    finally:
        os.umask(before)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives a file to another user")
def test_a_file_keeps_its_owner(path):
    tl.save(1, path)
    path.chmod(0o600)
    os.chown(path, 65534, 65533)
    tl.save(2, path)
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (65534, 65533, 0o600)


def test_what_one_may_not_write(open_folder):
    warm, protected, inside = open_folder / "warm", open_folder / "protected", open_folder / "shut" / "state"
    inside.parent.mkdir()
    for file in (warm, protected, inside):
        tl.save("old", file)
    protected.chmod(0o444)
    inside.chmod(0o666)
    inside.parent.chmod(0o555)
    warm.chmod(0o666)
    text = AS_NOBODY + "for name in sys.argv[2:]: report(lambda: tl.save('new', name))"
    said = child(text, warm, protected, inside).splitlines()
    assert said == [
        f"CheckpointError save: {file} could not be written: {reason}. What was there before is unchanged."
        for file, reason in [(protected, "the file there is write-protected"), (inside, "Permission denied")]
    ]
    assert tl.load(protected) == tl.load(inside) == "old"
    assert names(open_folder) == ["protected", "shut", "warm"] and names(inside.parent) == ["state"]
    inside.parent.chmod(0o700)


def test_a_folder_that_may_be_written_to_but_not_read(open_folder):
    warm, inside = open_folder / "warm", open_folder / "dropbox" / "state"
    tl.save("warm", warm)
    warm.chmod(0o666)
    inside.parent.mkdir()
    inside.parent.chmod(0o333)
    assert child(AS_NOBODY + "report(lambda: tl.save('new', sys.argv[2]))", warm, inside) == "done None\n"
    inside.parent.chmod(0o700)
    assert tl.load(inside) == "new" and names(inside.parent) == ["state"]


# devices, pipes, links


def test_a_pipe_gets_what_is_saved(tmp_path):
    pipe, copy = tmp_path / "pipe", tmp_path / "copy"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    tl.save({"x": tl.ones(100_000)}, pipe)
    reader.join(10)
    copy.write_bytes(got[0])
    assert tl.load(copy)["x"].sum().item() == 100_000
    assert stat.S_ISFIFO(pipe.stat().st_mode) and names(tmp_path) == ["copy", "pipe"]


def test_a_device_stays_a_device(tmp_path):
    null, full, link = tmp_path / "null", tmp_path / "full", tmp_path / "link"
    try:
        for node, minor in ((null, 3), (full, 7)):
            os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        null.write_bytes(b"x")
    except PermissionError:
        pytest.skip("may make no devices")
    link.symlink_to(null)
    tl.save(tl.ones(1000), null)
    tl.save(tl.ones(1000), link)
    assert stat.S_ISCHR(null.stat().st_mode) and link.is_symlink()
    with pytest.raises(CheckpointError) as caught:
        tl.save(tl.ones(1000), full)
    assert str(caught.value) == f"save: {full} could not be written: No space left on device."
    assert stat.S_ISCHR(full.stat().st_mode) and names(tmp_path) == ["full", "link", "null"]


def test_links(tmp_path):
    real, link, second = tmp_path / "folder" / "real", tmp_path / "link", tmp_path / "second"
    real.parent.mkdir()
    link.symlink_to(Path("folder") / "real")  # to what is not there yet
    second.symlink_to("link")
    with pytest.raises(MissingCheckpointError):
        tl.load(second)
    for count in range(2):
        tl.save(count, second)
        assert second.is_symlink() and link.is_symlink() and not real.is_symlink()
        assert tl.load(real) == tl.load(second) == count
    assert names(tmp_path) == ["folder", "link", "second"] and names(real.parent) == ["real"]


def test_a_circle_of_links(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for call in (lambda: tl.save(1, tmp_path / "a"), lambda: tl.load(tmp_path / "a")):
        with pytest.raises(CheckpointError, match=r"Too many levels of symbolic links"):
            call()


# names


def test_names_of_any_length(tmp_path):
    for name in ("x" * 255, "ü" * 127, "[a]*?", " ", "-", "\udcff"):
        path = tmp_path / name
        tl.save(1, path)
        tl.save(2, path)
        assert tl.load(path) == 2
        path.unlink()
    assert names(tmp_path) == []
    with pytest.raises(CheckpointError) as caught:
        tl.save(1, tmp_path / ("x" * 256))
    assert str(caught.value).endswith("could not be written: File name too long. What was there before is unchanged.")
    assert names(tmp_path) == []


def test_what_a_killed_save_of_a_long_name_left_behind_goes(tmp_path):
    path = tmp_path / ("x" * 255)
    text = """
        import pathlib, signal
        pathlib.Path.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
        tl.save(1, sys.argv[1])
    """
    with pytest.raises(subprocess.CalledProcessError):
        child(text, path)
    (leftover,) = tmp_path.iterdir()
    os.utime(leftover, (0, 0))
    tl.save(1, path)
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("bad", ["a\0b", "\ud800"])
def test_names_that_no_file_can_have(tmp_path, bad):
    for call in (lambda: tl.save(1, tmp_path / bad), lambda: tl.load(tmp_path / bad)):
        with pytest.raises(ArgumentError, match=r"has a character in it that no file name can have\.$"):
            call()
    assert names(tmp_path) == []


# damage

DATA = {"x": tl.tensor([1.0, -2.5]), "z": tl.tensor([1j], dtype=tl.complex128), "n": (3, [0.1, None, "text"])}


def text_of(data):
    """All that there is of loaded data, as text."""
    return repr(data) + repr([value.numpy().tobytes() for value in data.values() if isinstance(value, tl.Tensor)])


def load_or_refuse(path, content):
    """The text of what ``content`` loads as, None where it is refused as it should be."""
    path.write_bytes(content)
    try:
        return text_of(tl.load(path))
    except MissingCheckpointError:
        raise
    except CheckpointError:
        return None


def without_checksum(path):
    """The file ``path`` as tapeloom wrote it before there were checksums."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:end])
    del head["__metadata__"]["tapeloom_crc32"]
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + content[end:]


def test_a_flipped_bit_in_any_byte_is_noticed(path):
    tl.save(DATA, path)
    content, whole = path.read_bytes(), text_of(tl.load(path))
    start = content.index(b"tapeloom_crc32")
    harmless = {*range(start, start + 14), *(place for place, byte in enumerate(content) if byte == ord(" "))}
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place * 5 % 8)
        found = load_or_refuse(path, bytes(changed))
        assert found is None or (found == whole and place in harmless), content[max(0, place - 20) : place + 20]


def test_what_is_said_of_damaged_data(path):
    tl.save({"x": tl.ones(1000)}, path)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 4
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        tl.load(path)
    assert str(caught.value) == (
        f"load: {path} is damaged: what it holds does not match its checksum. Take an earlier checkpoint."
    )


def test_files_without_a_checksum_load(path):
    tl.save(DATA, path)
    whole = text_of(tl.load(path))
    assert load_or_refuse(path, without_checksum(path)) == whole


MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.floats(0, 1), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 60)),
        st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("move"), st.floats(0, 1), st.floats(0, 1)),
        st.tuples(st.just("digit"), st.floats(0, 1), st.sampled_from(b"0123456789-.eE\"'[]{},:nltf")),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content, mutations):
    content = bytearray(content)
    for what, where, how in mutations:
        place = int(where * len(content))
        if what == "set":
            content[place : place + len(how)] = how
        elif what == "cut":
            del content[place : place + how]
        elif what == "insert":
            content[place:place] = how
        elif what == "digit":
            content[place : place + 1] = bytes([how])
        else:
            other = int(how * len(content))
            content[place : place + 8], content[other : other + 8] = (
                content[other : other + 8],
                content[place : place + 8],
            )
    return bytes(content)


@settings(max_examples=150, deadline=None)
@given(MUTATIONS, st.booleans())
def test_no_broken_file_raises_anything_but_our_errors(tmp_path_factory, mutations, old):
    path = tmp_path_factory.mktemp("any") / "x"
    tl.save(DATA, path)
    whole = text_of(tl.load(path))
    found = load_or_refuse(path, mutated(without_checksum(path) if old else path.read_bytes(), mutations))
    assert old or found in (None, whole)


@settings(max_examples=200, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from(["x", "cpu", "cuda:99", "dict", "tensor", "complex128"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["dict", "items", "tuple", "float", "complex", "tensor", "device", "dtype", "structure"])
        | st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
), st.sampled_from([1, 2, 3, True, "1", None, 1.0]))  # fmt: skip
def test_any_description_is_read_or_refused(tmp_path_factory, structure, version):
    from safetensors.numpy import save_file

    path = tmp_path_factory.mktemp("any") / "x"
    text = json.dumps({"format": version, "structure": structure})
    save_file({"x": tl.ones(2).numpy()}, path, {"tapeloom": text})
    with contextlib.suppress(CheckpointError):
        tl.load(path)
