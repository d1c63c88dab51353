"""``python -m tapeloom doctor``: what is installed, which devices work, and what fixes those that don't.

Each backend is examined in a process of its own, because a broken plugin can do worse than raise: exit, crash, hang.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from typing import Any

import tapeloom
from tapeloom.backend.plugins import OFFICIAL, default_device, describe, entry_points, resolve_device
from tapeloom.devices import Device
from tapeloom.distributions import install_command
from tapeloom.errors import TapeloomError

__all__ = ["examine", "text"]

#: our distributions, and what each is for
PARTS = {
    "tapeloom": "core",
    "tapeloom-nn": "tapeloom.nn and tapeloom.optim",
    "tapeloom-data": "tapeloom.data",
    "tapeloom-backend-numpy": "device cpu",
    "tapeloom-backend-cupy": "device cuda",
    "tapeloom-backend-jax": "device xla",
}

#: the environment variables that we or the libraries under us read when choosing devices
VARIABLES = {
    "TAPELOOM_DEVICE": "the default device",
    "TAPELOOM_PROVIDERS": "which distribution serves a device type, as cpu=distribution,…",
    "TAPELOOM_REQUIRE": "devices that the tests must find",
    "TAPELOOM_TRACEBACK": "full: errors show tapeloom's own frames too",
    "CUDA_VISIBLE_DEVICES": "the GPUs that CuPy and JAX see",
    "JAX_PLATFORMS": "the platforms that JAX tries",
}

SECONDS = 120  # for one backend: a first import on a cold disk may take half a minute
_MARK = "tapeloom doctor: "  # what a plugin prints itself does not begin like this


def examine() -> dict[str, Any]:
    """Everything that the doctor finds, as JSON can hold it.

    ``ok`` says whether the default device works. ``devices`` has a row for each device type, with ``usable``, the
    ``problem`` and the command that is to ``fix`` it; ``tests`` maps each device to "ok" or to what went wrong there.
    """
    wanted, reason = _default()
    types = {*entry_points(), *OFFICIAL} | ({wanted.partition(":")[0]} if wanted else set())
    rows = _probe_all(sorted(types), wanted)
    default: dict[str, Any] = {"device": wanted, "reason": reason, "ok": False, "problem": None}
    for row in rows:
        answer = row.pop("default")
        if wanted is not None and row["device"] == wanted.partition(":")[0]:
            default["device"] = answer.get("device") or wanted
            default["problem"] = answer.get("problem")
            default["ok"] = row["tests"].get(default["device"]) == "ok"
    if not default["ok"] and default["problem"] is None:
        default["problem"] = reason if wanted is None else f"device '{default['device']}' does not work, see above"
    return {
        "ok": default["ok"],
        "tapeloom": tapeloom.__version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "distributions": _distributions(),
        "devices": rows,
        "default": default,
        "environment": _environment(),
    }


def _default() -> tuple[str | None, str]:
    """The default device of a new process, and why; None where there is none. Loads nothing."""
    name = os.environ.get("TAPELOOM_DEVICE")
    if name:
        return name, f"TAPELOOM_DEVICE is {name!r}"
    installed = sorted(entry_points())
    if "cpu" in installed:
        return "cpu", "TAPELOOM_DEVICE is not set, and cpu is installed"
    if len(installed) == 1:
        return installed[0], "TAPELOOM_DEVICE is not set, and no other backend is installed"
    try:
        return str(default_device()), ""
    except TapeloomError as error:
        return None, str(error)


# One backend, in a process of its own


def probe(device_type: str, wanted: str | None) -> dict[str, Any]:
    """What ``describe`` says of ``device_type``, a test of each of its devices, and which one ``wanted`` means."""
    row = describe(device_type)
    row["tests"] = {}
    row["default"] = {}
    if row["usable"]:
        places: list[Device | str]
        if row["devices"] == 1:
            places = [device_type]
        else:
            places = [f"{device_type}:{number}" for number in range(row["devices"])]
        for place in places:
            try:
                device = resolve_device(place)
                row["tests"][str(device)] = _smoke_test(device)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the finding
                row["tests"][str(place)] = f"{type(error).__name__}: {error}"
        row["usable"] = "ok" in row["tests"].values()
        if not row["usable"]:
            row["problem"] = f"its test failed: {next(iter(row['tests'].values()))}"
    if wanted is not None and wanted.partition(":")[0] == device_type:
        try:
            row["default"] = {"device": str(resolve_device(wanted))}
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the finding
            row["default"] = {"problem": str(error)}
    return row


def _smoke_test(device: Device) -> str:
    """One op and its gradient: "ok", or what came instead."""
    x = tapeloom.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
    y = x * x
    y.sum().backward()
    found = y.tolist(), None if x.grad is None else x.grad.tolist()
    if found == ([1.0, 4.0, 9.0], [2.0, 4.0, 6.0]):
        return "ok"
    return f"x * x at [1, 2, 3] gave {found[0]}, and its gradient {found[1]}"


_CHILD = """
import json, sys
mark, path, device_type, wanted = json.loads(sys.argv[1])
sys.path[:] = path
from tapeloom.doctor import probe
row = json.dumps(probe(device_type, wanted))
print()
print(mark + row, flush=True)
"""


def _probe_all(types: Iterable[str], wanted: str | None) -> list[dict[str, Any]]:
    running = []
    for device_type in types:
        argument = json.dumps([_MARK, sys.path, device_type, wanted])
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, argument],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        running.append((device_type, child))
    return [_answer(device_type, child) for device_type, child in running]


def _answer(device_type: str, child: subprocess.Popen[str]) -> dict[str, Any]:
    """The row that a child printed, or one that says how it ended."""
    try:
        out, errors = child.communicate(timeout=SECONDS)
        ended = f"ended its process with status {child.returncode}"
        if child.returncode < 0:
            ended = f"crashed its process (signal {-child.returncode})"
    except subprocess.TimeoutExpired:
        child.kill()
        out, errors = child.communicate()
        ended = f"did not answer within {SECONDS} seconds"
    for line in reversed(out.splitlines()):
        if line.startswith(_MARK):
            row: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return row
    last = errors.strip().rpartition("\n")[2]
    installed = entry_points().get(device_type, [])
    names = [entry.dist.name for entry in installed if entry.dist is not None]
    return {
        "device": device_type,
        "distribution": " and ".join(names) or None,
        "usable": False,
        "devices": 0,
        "versions": {},
        "problem": f"the backend {ended} while it was loaded or tested{f': {last}' if last else '.'}",
        "fix": f"pip uninstall {names[0]}" if names else None,
        "tests": {},
        "default": {"problem": f"the backend for {device_type!r} {ended}"},
    }


# The rest


def _distributions() -> list[dict[str, Any]]:
    """Our distributions and what is wrong with them."""
    found = []
    for name, purpose in PARTS.items():
        row: dict[str, Any] = {"name": name, "purpose": purpose, "version": None, "problem": None, "fix": None}
        wanted = next((found for found in OFFICIAL.values() if found.partition("[")[0] == name), name)  # with its extra
        try:
            row["version"] = metadata.version(name)
        except metadata.PackageNotFoundError:
            row["problem"], row["fix"] = "not installed", install_command(wanted)
        except Exception as error:  # noqa: BLE001 - the metadata may be damaged in any way
            row["problem"] = f"its metadata is damaged ({type(error).__name__}: {error})"
            row["fix"] = install_command(name, "--force-reinstall")
        if row["version"] not in (None, tapeloom.__version__):
            row["problem"] = f"does not fit tapeloom {tapeloom.__version__}"
            row["fix"] = install_command(f"{name}=={tapeloom.__version__}")
        found.append(row)
    return found


def _environment() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"name": name, "value": os.environ.get(name), "purpose": purpose} for name, purpose in VARIABLES.items()
    ]
    for name in sorted(os.environ):
        if name.startswith("TAPELOOM_") and name not in VARIABLES:
            rows.append({"name": name, "value": os.environ[name], "purpose": "not a variable that tapeloom knows"})
    return rows


# As text


def text(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"tapeloom {report['tapeloom']}, Python {report['python']}, {report['platform']}", "", "Packages"]
    for row in report["distributions"]:
        problem = f"; {row['problem']}" if row["problem"] and row["version"] else ""
        lines.append(f"  {row['name']:<24}{row['version'] or 'not installed'}  ({row['purpose']}){problem}")
        if row["fix"]:
            lines.append(f"  {'':<24}run: {row['fix']}")
    lines += ["", "Devices"]
    for row in report["devices"]:
        lines += _device_lines(row)
    default = report["default"]
    lines += ["", "Default device"]
    if default["ok"]:
        lines.append(f"  {default['device']}: {default['reason']}")
    else:
        lines.append(f"  none that works: {default['problem']}")
        if default["device"]:
            lines.append(f"  it would be {default['device']}: {default['reason']}")
    lines += ["", "Environment"]
    lines += [
        f"  {row['name']:<24}{'not set' if row['value'] is None else row['value']}  ({row['purpose']})"
        for row in report["environment"]
    ]
    return "\n".join(lines)


def _device_lines(row: dict[str, Any]) -> list[str]:
    state = "works" if row["usable"] else "not usable" if row["distribution"] else "not installed"
    libraries = ", ".join(f"{library} {version}" for library, version in row["versions"].items())
    lines = [
        f"  {row['device']:<8}{state:<16}{row['distribution'] or ''}{f'; {libraries}' if libraries else ''}".rstrip()
    ]
    if row["devices"] > 1 or any(result != "ok" for result in row["tests"].values()):
        lines += [f"  {'':<8}{device}: {result}" for device, result in row["tests"].items()]
    if row["problem"] and row["distribution"]:
        lines.append(f"  {'':<8}{row['problem']}")
    elif row["problem"] and not row["fix"]:
        lines.append(f"  {'':<8}no installed backend serves this device type")
    if row["fix"]:
        lines.append(f"  {'':<8}run: {row['fix']}")
    return lines
