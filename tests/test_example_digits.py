"""The main job: examples/digits.py as a user runs it, killed with kill -9 and resumed."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tapeloom as tl

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "digits.py"
FILES = ["checkpoint.safetensors", "curve.csv", "model.safetensors"]


def command(out, *arguments):
    return [sys.executable, "-W", "error", str(EXAMPLE), "--out", str(out), *arguments]


def environment(device="cpu"):
    return os.environ | {"TAPELOOM_DEVICE": device, "PYTHONUNBUFFERED": "1"}


def run(out, *arguments, device="cpu"):
    """What the example prints; its exit status must be 0."""
    done = subprocess.run(
        command(out, *arguments), capture_output=True, text=True, env=environment(device), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def killed(out, *arguments, after, seconds):
    """Run the example and kill it ``seconds`` after it has printed a line that begins with ``after``."""
    with subprocess.Popen(command(out, *arguments), stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(after):
                break
        else:
            raise AssertionError(f"the example ended without printing {after!r}")
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    assert process.returncode in (-signal.SIGKILL, 0)  # 0: the kill came after its last moment


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run of three epochs on the CPU that nothing disturbed."""
    out = tmp_path_factory.mktemp("unbroken")
    run(out, "--epochs", "3")
    return {name: (out / name).read_bytes() for name in FILES}


def accuracy_in(line):
    found = re.fullmatch(r"test accuracy (0\.\d{4}|1\.0000)", line)
    assert found, line
    return float(found[1])


@pytest.mark.slow
def test_it_reaches_the_accuracy_in_well_under_a_minute(tmp_path):
    before = os.times()
    lines = run(tmp_path / "runs" / "digits")
    after = os.times()
    assert accuracy_in(lines[-1]) >= 0.97
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 60  # seconds of processor time; about 6 on the machine where this was written
    written = {path.name for path in (tmp_path / "runs" / "digits").iterdir()}
    if importlib.util.find_spec("matplotlib"):
        assert written == {*FILES, "curve.png"}
    else:
        assert written == set(FILES)
        assert "no curve.png: matplotlib is not installed" in lines
    rows = (tmp_path / "runs" / "digits" / "curve.csv").read_text().splitlines()
    assert rows[0] == "epoch,loss,accuracy" and [row.split(",")[0] for row in rows[1:]] == [str(n) for n in range(1, 9)]


def test_it_learns_on_each_device(device, tmp_path):
    lines = run(tmp_path, "--epochs", "2", device=device)
    assert f"parameters on {tl.device(device).type}" in lines[0]
    assert accuracy_in(lines[-1]) >= 0.95
    assert lines[-2].startswith(("epoch 2: loss 0.", "no curve.png"))


KILLS = {
    "before the first checkpoint": [("10026 parameters", 0.3)],
    "while the first is written": [("epoch 1:", 0.0)],
    "in the second epoch": [("epoch 1:", 0.25)],
    "again and again": [("10026 parameters", 0.0), ("epoch 1:", 0.001), ("epoch 2:", 0.0), ("epoch 3:", 0.0)],
}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("kills", KILLS.values(), ids=KILLS)
def test_a_killed_run_goes_on_and_equals_an_unbroken_one_bit_for_bit(unbroken, tmp_path, kills):
    for after, seconds in kills:
        killed(tmp_path, "--epochs", "3", "--resume", after=after, seconds=seconds)
    lines = run(tmp_path, "--epochs", "3", "--resume")
    accuracy_in(lines[-1])
    for name in FILES:
        assert (tmp_path / name).read_bytes() == unbroken[name], name


def test_a_finished_run_is_not_run_again_and_a_longer_one_goes_on(unbroken, tmp_path):
    run(tmp_path, "--epochs", "2")
    lines = run(tmp_path, "--epochs", "2", "--resume")
    assert lines[1] == "going on after epoch 2" and not any(line.startswith("epoch") for line in lines)
    run(tmp_path, "--epochs", "3", "--resume")
    for name in FILES:
        assert (tmp_path / name).read_bytes() == unbroken[name], name


def test_without_resume_it_starts_anew(unbroken, tmp_path):
    for name, content in unbroken.items():
        (tmp_path / name).write_bytes(content)
    lines = run(tmp_path, "--epochs", "1", "--seed", "5")
    assert not any(line.startswith("going on") for line in lines)
    assert len((tmp_path / "curve.csv").read_text().splitlines()) == 2
    assert tl.load(tmp_path / "checkpoint.safetensors")["settings"]["seed"] == 5


def test_resuming_with_other_settings_or_a_damaged_checkpoint_says_so_and_changes_nothing(unbroken, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(unbroken["checkpoint.safetensors"])
    done = subprocess.run(
        command(tmp_path, "--resume", "--lr", "0.5"), capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2
    assert (
        f"{checkpoint} was made with {{'batch_size': 32, 'lr': 0.002, 'seed': 0}}; --resume needs the same"
        in done.stderr
    )
    checkpoint.write_bytes(unbroken["checkpoint.safetensors"][:-5])
    done = subprocess.run(command(tmp_path, "--resume"), capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 1
    assert f"CheckpointError: load: {checkpoint} is truncated or damaged" in done.stderr
    assert checkpoint.read_bytes() == unbroken["checkpoint.safetensors"][:-5]


def test_a_run_of_another_device_can_be_taken_over(device, unbroken, tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(unbroken["checkpoint.safetensors"])
    lines = run(tmp_path, "--epochs", "4", "--resume", device=device)
    assert lines[1] == "going on after epoch 3" and accuracy_in(lines[-1]) >= 0.95


def test_other_programs_can_read_the_weights(unbroken, tmp_path):
    from safetensors.numpy import load_file

    (tmp_path / "model.safetensors").write_bytes(unbroken["model.safetensors"])
    weights = load_file(tmp_path / "model.safetensors")
    assert weights["0.weight"].shape == (16, 1, 3, 3) and weights["9.bias"].shape == (10,)
