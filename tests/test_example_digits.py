"""The main job, run as a user runs it: a real process, really killed, on every device that can be used here."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapeloom.backend.plugins import report

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "digits.py"
USABLE = [row["device"] for row in report() if row["usable"]]


def start(folder, *arguments, device="cpu"):
    command = [sys.executable, str(EXAMPLE), "--out", str(folder), *arguments]
    environment = os.environ | {"TAPELOOM_DEVICE": device}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def run(folder, *arguments, device="cpu"):
    process = start(folder, *arguments, device=device)
    out, _ = process.communicate(timeout=300)
    assert not process.returncode, out
    return out


@pytest.mark.parametrize("device", USABLE)
def test_it_learns_the_digits(tmp_path, device):
    out = run(tmp_path, device=device)
    last = out.strip().splitlines()[-1]
    assert re.fullmatch(r"test accuracy 0\.\d{4}|test accuracy 1\.0000", last)
    assert float(last.split()[-1]) >= 0.97
    assert f"device {device}" in out
    rows = list(csv.DictReader((tmp_path / "curve.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 16))
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert (tmp_path / "checkpoint.safetensors").stat().st_size > 10_000


def test_the_same_seed_gives_the_same_run_bit_for_bit_and_another_does_not(tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run(tmp_path / name, "--epochs", "2", "--seed", seed)
    a, b, c = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("moment", range(2))
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, moment):
    """kill -9 at different moments, a second time during the resumed run, then to the end."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(whole, "--epochs", "6")
    checkpoint = broken / "checkpoint.safetensors"
    for attempt in range(2):
        process = start(broken, "--epochs", "6", "--resume")
        deadline = time.monotonic() + 60
        seen = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        while time.monotonic() < deadline and process.poll() is None:
            now = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
            if now != seen:  # an epoch was saved since the start: kill somewhere in the next one
                time.sleep(0.02 * (moment + attempt))
                break
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    out = run(broken, "--epochs", "6", "--resume")
    assert "resumed after epoch" in out
    assert checkpoint.read_bytes() == (whole / "checkpoint.safetensors").read_bytes()
    assert (broken / "curve.csv").read_bytes() == (whole / "curve.csv").read_bytes()


def test_resume_without_a_checkpoint_starts_anew(tmp_path):
    out = run(tmp_path, "--epochs", "1", "--resume")
    assert "resumed" not in out and out.strip().splitlines()[-1].startswith("test accuracy 0.")
