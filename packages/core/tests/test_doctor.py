"""``python -m tapeloom doctor`` with sound and with broken plugins, in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tapeloom as tl
from tapeloom.distributions import install_command

GOOD = """
from tapeloom.backend.hookspecs import hookimpl

TAPELOOM_API = (1, 0)

@hookimpl
def tapeloom_backend():
    import numpy
    from tapeloom_backend_numpy.backend import NumpyBackend

    class Toy(NumpyBackend):
        name = "toy"
        BODY

    return Toy(numpy)
"""


def good(body="pass"):
    return GOOD.replace("BODY", textwrap.indent(textwrap.dedent(body), "        ").strip())


def install(folder: Path, distribution: str, source: str, device: str, version: str = "1.2") -> None:
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[tapeloom.backends]\n{device} = {module}\n")


def doctor(*arguments, path="", **variables):
    """The exit status and what the doctor printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAPELOOM_")}
    done = subprocess.run(
        [sys.executable, "-m", "tapeloom", "doctor", *arguments],
        capture_output=True,
        text=True,
        env=kept
        | {"PYTHONPATH": f"{path}{os.pathsep}{kept.get('PYTHONPATH', '')}", "JAX_PLATFORMS": "cpu"}
        | variables,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def as_json(*, path="", **variables):
    status, out = doctor("--json", path=path, **variables)
    report = json.loads(out)
    assert report["ok"] == (status == 0)
    return status, report, {row["device"]: row for row in report["devices"]}


def test_a_sound_installation():
    status, report, devices = as_json()
    assert status == 0
    assert report["tapeloom"] == tl.__version__
    assert report["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert report["executable"] == sys.executable
    assert devices["cpu"]["usable"] and devices["cpu"]["tests"] == {"cpu": "ok"} and devices["cpu"]["problem"] is None
    assert devices["cpu"]["versions"]["numpy"]
    assert report["default"] == {
        "device": "cpu",
        "reason": "TAPELOOM_DEVICE is not set, and cpu is installed",
        "ok": True,
        "problem": None,
    }
    names = {row["name"]: row for row in report["distributions"]}
    assert names["tapeloom"]["version"] == tl.__version__ and names["tapeloom"]["problem"] is None
    assert {row["name"]: row["value"] for row in report["environment"]}["TAPELOOM_DEVICE"] is None
    for row in report["devices"]:
        assert row["usable"] == (row["problem"] is None)
        assert row["distribution"] or row["fix"], "what is not installed can be"


BROKEN = {
    "a": ("plugin-import", "import a_library_that_is_not_there"),
    "b": ("plugin-api", good().replace("(1, 0)", "(2, 0)")),
    "d": ("plugin-hook-exits", good().replace("import numpy\n", "raise SystemExit('no licence')\n")),
    "e": ("plugin-exits", "import os\nprint('bye')\nos._exit(3)"),
    "f": ("plugin-crashes", "import os\nos.abort()"),
    "g": ("plugin-counts", good("def device_count(self): raise SystemExit('no driver')")),
    "h": (
        "plugin-gradient",
        good(
            "from tapeloom.backend.kernels import ArrayKernels\n"
            "kernels_class = type('Kernels', (ArrayKernels,), {'multiply': staticmethod(lambda x, y: x + y)})"
        ),
    ),
    "i": ("plugin-without-devices", good("def device_count(self): return 0")),
    "l": ("plugin-counts-in-words", good("def device_count(self): return 'two'")),
    "m": ("plugin-counts-halves", good("def device_count(self): return 1.5")),
    "n": ("plugin-counts-nothing", good("def device_count(self): return None")),
    "o": ("plugin-counts-below-nothing", good("def device_count(self): return -1")),
    "p": ("plugin-fails-to-count", good("def device_count(self): raise OSError('driver gone')")),
    "q": ("plugin-counts-by-numpy", good("def device_count(self): return numpy.int64(2)")),
    "j": ("plugin-prints", "print('hello')\n" + good() + "\nimport atexit; atexit.register(print, 'good bye')"),
    "k": ("plugin-two-devices", good("def device_count(self): return 2\ndef current_index(self): return 1")),
}


def test_broken_plugins_are_reported_with_the_reason_and_what_mends_them(tmp_path):
    for device, (distribution, source) in BROKEN.items():
        install(tmp_path, distribution, source, device)
    install(tmp_path, "plugin-one", good(), "c")
    install(tmp_path, "plugin-two", good(), "c")
    status, report, devices = as_json(path=tmp_path)
    assert status == 0 and report["default"]["device"] == "cpu", "others' faults do not touch the default device"

    def problem(device):
        assert not devices[device]["usable"]
        return devices[device]["problem"], devices[device]["fix"]

    assert problem("a") == (
        "backend 'a' (distribution plugin-import 1.2): importing plugin_import failed with ModuleNotFoundError: No module "
        "named 'a_library_that_is_not_there'. Reinstall it, or uninstall it if it is not needed.",
        "pip install --force-reinstall plugin-import",
    )
    assert problem("b") == (
        "backend 'b' (distribution plugin-api 1.2): it was written for the newer plugin API 2.0, and this tapeloom speaks "
        "1.0. Upgrade tapeloom.",
        install_command("tapeloom", "--upgrade"),
    )
    text, fix = problem("c")
    assert text.startswith(
        "backend 'c': 2 distributions provide it: plugin-one and plugin-two. Uninstall one, or choose"
    )
    assert fix.startswith("export TAPELOOM_PROVIDERS=c=plugin-")
    assert problem("d") == (
        "backend 'd' (distribution plugin-hook-exits 1.2): it cannot be used here: SystemExit: no licence",
        "pip install --force-reinstall plugin-hook-exits",
    )
    assert problem("e") == (
        "the backend ended its process with status 3 while it was loaded or tested.",
        "pip uninstall plugin-exits",
    )
    assert problem("f")[0].startswith("the backend crashed its process (signal 6) while it was loaded or tested")
    assert problem("g")[0] == "SystemExit: no driver"
    assert problem("h")[0] == (
        "its test failed: x * x at [1, 2, 3] gave [2.0, 4.0, 6.0], and its gradient [2.0, 4.0, 6.0]"
    )
    assert problem("i")[0] == "the backend 'toy' sees no device of this type"
    for device, came in {
        "l": "gave 'two'",
        "m": "gave 1.5",
        "n": "gave None",
        "o": "gave -1",
        "p": "raised OSError: driver gone",
    }.items():
        assert problem(device)[0] == (
            f"the backend 'toy': device_count() {came}, and should give the number of devices. Update or remove the package "
            "that has it."
        )
    assert devices["q"]["tests"] == {"q:0": "ok", "q:1": "ok"}
    assert devices["j"]["usable"], "what a plugin prints does not disturb the report"
    assert devices["k"]["tests"] == {"k:0": "ok", "k:1": "ok"}

    status, out = doctor(path=tmp_path, TAPELOOM_PROVIDERS="c=plugin-two", TAPELOOM_DEVICE="k")
    assert status == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(line.startswith("c works plugin-one 1.2 and plugin-two 1.2; numpy ") for line in lines)
    assert "a not usable plugin-import 1.2" in lines
    assert "run: pip install --force-reinstall plugin-import" in lines
    assert "k:1: TAPELOOM_DEVICE is 'k'" in lines
    assert "TAPELOOM_PROVIDERS c=plugin-two (which distribution serves a device type, as cpu=distribution,…)" in lines


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_terminal_that_knows_no_character_but_ascii(tmp_path, options):
    install(tmp_path, "plugin-ü", "raise OSError('kein Gerät')", "z")
    status, out = doctor(*options, path=tmp_path, PYTHONIOENCODING="ascii", TAPELOOM_UNKNOWN="é\udcff")
    assert status == 0 and out.isascii() and "Ger\\" in out


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        ("gpu", "device 'gpu': no installed backend serves it. Installed: "),
        ("cpu:4", "device 'cpu:4': the backend 'numpy' sees 1 device of this type. Give an index from 0 to 0."),
        ("cpu:x", "device: 'cpu:x' is not a device. Write a type and a number, such as 'cuda:1'."),
    ],
)
def test_a_default_device_that_does_not_work(device, problem):
    status, report, _ = as_json(TAPELOOM_DEVICE=device)
    assert status == 1
    assert report["default"]["problem"].startswith(problem)
    assert report["default"]["reason"] == f"TAPELOOM_DEVICE is {device!r}"


def test_a_default_device_whose_backend_is_broken(tmp_path):
    install(tmp_path, "bad-backend", "1 / 0", "bad")
    status, out = doctor(path=tmp_path, TAPELOOM_DEVICE="bad")
    assert status == 1
    assert "none that works: backend 'bad' (distribution bad-backend 1.2): importing bad_backend failed with" in out
    assert "it would be bad: TAPELOOM_DEVICE is 'bad'" in out


def test_packages_that_do_not_fit_and_unknown_variables_are_noted(tmp_path):
    info = tmp_path / "tapeloom_nn-9.8.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tapeloom-nn\nVersion: 9.8\n")
    status, out = doctor(path=tmp_path, TAPELOOM_DEVCE="cuda")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    place = lines.index(f"tapeloom-nn 9.8 (tapeloom.nn and tapeloom.optim); does not fit tapeloom {tl.__version__}")
    assert lines[place + 1] == f"run: {install_command(f'tapeloom-nn=={tl.__version__}')}"
    assert "TAPELOOM_DEVCE cuda (not a variable that tapeloom knows)" in lines
    assert status == 0


def test_damaged_metadata_of_one_distribution_spoils_nothing(tmp_path):
    info = tmp_path / "damaged-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[tapeloom.backends]\nno value\n")
    status, _, devices = as_json(path=tmp_path)
    assert status == 0 and devices["cpu"]["usable"]


def test_without_any_backend():
    core = Path(tl.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tapeloom", "doctor"],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("TAPELOOM_")}
        | {"PYTHONPATH": str(core)},
        check=False,
    )
    if "site-packages" in str(core):
        pytest.skip("core is installed beside everything else, so it cannot be alone")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    command = install_command("tapeloom-backend-numpy")
    assert f"none that works: device: no backend is installed. Run: {command}" in lines
    assert lines[lines.index("cpu not installed") + 1] == f"run: {command}"
    with_cupy = f"run: {install_command('tapeloom-backend-cupy[cuda13]')}"
    assert lines[lines.index("cuda not installed") + 1] == with_cupy
    assert lines[lines.index("tapeloom-backend-cupy not installed (device cuda)") + 1] == with_cupy


def test_the_command_without_a_word_is_the_doctor_and_others_are_refused():
    run = [sys.executable, "-m", "tapeloom"]
    done = subprocess.run([*run, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"tapeloom {tl.__version__}"
    done = subprocess.run([*run, "surgeon"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "invalid choice: 'surgeon'" in done.stderr
