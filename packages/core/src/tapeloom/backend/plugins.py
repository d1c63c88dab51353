"""Finding and loading backend plugins.

A plugin is an entry point in the group ``tapeloom.backends``: its name is the device type, its value a light module
with ``TAPELOOM_API = (major, minor)`` and a hook ``tapeloom_backend()`` that returns a Backend, or raises: DeviceError
where this machine has no such device, BackendError where something is missing. Entry points are listed without importing
anything; one is loaded, through pluggy, when its device type is first asked for. One broken plugin never takes the
others down, and its cause is never hidden.
"""

from __future__ import annotations

import operator
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tapeloom.backend.runtime import Backend
from tapeloom.devices import Device
from tapeloom.distributions import install_command
from tapeloom.errors import ArgumentTypeError, BackendError, DeviceError, TapeloomError
from tapeloom.modes import MODES, enter, mode

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


GROUP = "tapeloom.backends"
API = (1, 0)

#: what to install for a device type that has no plugin yet
OFFICIAL = {
    "cpu": "tapeloom-backend-numpy",
    "cuda": "tapeloom-backend-cupy[cuda13]",
    "xla": "tapeloom-backend-jax",
}

#: what people call the device types elsewhere
OTHER_NAMES = {"gpu": "cuda", "cupy": "cuda", "jax": "xla", "tpu": "xla", "numpy": "cpu"}

_backends: dict[str, Backend] = {}
_failures: dict[str, BackendError | DeviceError] = {}
_default_device: list[Device | None] = [None]


def entry_points() -> dict[str, list[EntryPoint]]:
    """The installed plugins by device type; nothing is imported."""
    from importlib import metadata

    listed: list[EntryPoint] = []
    try:
        listed.extend(metadata.entry_points(group=GROUP))
    except Exception:  # noqa: BLE001 - one damaged distribution spoils the whole list: ask them one by one
        for distribution in metadata.distributions():
            with suppress(Exception):
                listed.extend(distribution.entry_points.select(group=GROUP))
    found: dict[str, list[EntryPoint]] = {}
    for entry in listed:
        same = found.setdefault(entry.name, [])
        if all(_distribution(entry) != _distribution(other) for other in same):  # a path listed twice is no clash
            same.append(entry)
    return found


def _distribution(entry: EntryPoint) -> str:
    return _said(entry, "name") or entry.value


def _version(entry: EntryPoint) -> str:
    return _said(entry, "version") or "?"


def _said(entry: EntryPoint, what: str) -> str | None:
    try:
        return getattr(entry.dist, what, None)
    except Exception:  # noqa: BLE001 - the metadata may be damaged in any way
        return None


def _choose(device_type: str, entries: list[EntryPoint]) -> EntryPoint:
    """The one plugin for ``device_type``; two distributions for one type are an error unless the user chose."""
    choices = dict(pair.split("=", 1) for pair in os.environ.get("TAPELOOM_PROVIDERS", "").split(",") if "=" in pair)
    wanted = choices.get(device_type)
    if wanted is not None:
        for entry in entries:
            if _distribution(entry).replace("_", "-").lower() == wanted.strip().replace("_", "-").lower():
                return entry
        names = ", ".join(sorted(_distribution(entry) for entry in entries))
        raise BackendError(
            f"backend {device_type!r}: TAPELOOM_PROVIDERS asks for {wanted!r}, which is not among the installed "
            f"providers: {names}. Install it, or correct the variable.",
            fix="unset TAPELOOM_PROVIDERS",
        )
    if len(entries) > 1:
        names = " and ".join(sorted(_distribution(entry) for entry in entries))
        first = _distribution(entries[0])
        raise BackendError(
            f"backend {device_type!r}: {len(entries)} distributions provide it: {names}. "
            f"Uninstall one, or choose with TAPELOOM_PROVIDERS={device_type}={first}.",
            fix=f"export TAPELOOM_PROVIDERS={device_type}={first}",
        )
    return entries[0]


def _load(device_type: str, entry: EntryPoint) -> Backend:
    """Import one plugin and call its hook; every way that can fail becomes a BackendError naming the distribution."""
    import pluggy

    from tapeloom.backend import hookspecs

    distribution = _distribution(entry)
    where = f"backend {device_type!r} (distribution {distribution} {_version(entry)})"
    reinstall, upgrade = (install_command(distribution, option) for option in ("--force-reinstall", "--upgrade"))
    manager = pluggy.PluginManager("tapeloom")
    manager.add_hookspecs(hookspecs)
    try:
        module = entry.load()
    except (Exception, SystemExit) as error:
        raise BackendError(
            f"{where}: importing {entry.value} failed with {type(error).__name__}: {error}. "
            f"Reinstall it, or uninstall it if it is not needed.",
            fix=reinstall,
        ) from error
    api = getattr(module, "TAPELOOM_API", None)
    if not (isinstance(api, tuple) and len(api) == 2 and all(isinstance(part, int) for part in api)):
        raise BackendError(
            f"{where}: {entry.value} does not say which plugin API it was written for. "
            f"Its module must set TAPELOOM_API = {API}.",
            fix=upgrade,
        )
    if api[0] != API[0] or api[1] > API[1]:
        direction = "newer" if api > API else "older"
        fix = "Upgrade tapeloom" if api > API else "Upgrade the plugin"
        raise BackendError(
            f"{where}: it was written for the {direction} plugin API {api[0]}.{api[1]}, and this tapeloom speaks "
            f"{API[0]}.{API[1]}. {fix}.",
            fix=install_command("tapeloom", "--upgrade") if api > API else upgrade,
        )
    try:
        manager.register(module, name=device_type)
        manager.check_pending()
        backend = manager.hook.tapeloom_backend()
    except (BackendError, DeviceError):
        raise
    except (Exception, SystemExit) as error:
        raise BackendError(
            f"{where}: it cannot be used here: {type(error).__name__}: {error}", fix=reinstall
        ) from error
    if not isinstance(backend, Backend):
        raise BackendError(
            f"{where}: its hook tapeloom_backend() returned {type(backend).__name__}, not a tapeloom Backend.",
            fix=upgrade,
        )
    backend.device_type = device_type
    return backend


def get_backend(device_type: str) -> Backend:
    """The backend for ``device_type``, loaded on first use.

    Raises DeviceError for a type that no installed plugin serves or that this machine has no device of, BackendError for a
    plugin that is broken or lacks a library.
    """
    found = _backends.get(device_type)
    if found is not None:
        return found
    if device_type in _failures:
        raise _failures[device_type].with_traceback(None)
    entries = entry_points()
    if device_type not in entries:
        raise DeviceError(_unknown(device_type, sorted(entries)))
    try:
        found = _load(device_type, _choose(device_type, entries[device_type]))
    except (BackendError, DeviceError) as error:
        _failures[device_type] = error
        raise
    return _backends.setdefault(device_type, found)


def register_backend(device_type: str, backend: Backend) -> None:
    """Serve ``device_type`` with ``backend`` from now on: for tests and for programs that bring a backend of their own."""
    backend.device_type = device_type
    _backends[device_type] = backend
    _failures.pop(device_type, None)


def unregister_backend(device_type: str) -> None:
    """Forget the backend loaded or registered for ``device_type`` and any failure to load it."""
    _backends.pop(device_type, None)
    _failures.pop(device_type, None)


def _unknown(device_type: str, installed: list[str]) -> str:
    import difflib

    known = sorted({*installed, *_backends})
    message = f"device {device_type!r}: no installed backend serves it. Installed: {', '.join(known) or 'none'}."
    close = [OTHER_NAMES[device_type]] if device_type in OTHER_NAMES else []
    close = close or difflib.get_close_matches(device_type, [*known, *OFFICIAL], n=1)
    if device_type in OFFICIAL:
        return f"{message} Run: {install_command(OFFICIAL[device_type])}"
    if close and close[0] in known:
        return f"{message} Did you mean {close[0]!r}?"
    if close:
        return f"{message} Did you mean {close[0]!r}? Run: {install_command(OFFICIAL[close[0]])}"
    return f"{message} Install a backend for it, or run python -m tapeloom doctor to see what can be used."


def count_devices(backend: Backend) -> int:
    """How many devices ``backend`` sees; raises BackendError where it does not know."""
    cause: Exception | None = None
    try:
        count = backend.device_count()
    except TapeloomError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        came, cause = f"raised {type(error).__name__}: {error}", error
    else:
        if hasattr(count, "__index__") and not isinstance(count, bool) and count >= 0:
            return operator.index(count)
        came = f"gave {count!r}"
    raise BackendError(
        f"the backend {backend.name!r}: device_count() {came}, and should give the number of devices. Update or remove "
        f"the package that has it."
    ) from cause


def resolve_device(device: Device | str | None) -> Device:
    """The usable device that ``device`` names: its backend loads and its index exists; None is the default device."""
    if device is None:
        return default_device()
    if not isinstance(device, (Device, str)):
        if isinstance(device, int) and not isinstance(device, bool):
            device = Device("cuda", device)
        else:
            raise ArgumentTypeError(f"device: expected a name such as 'cpu' or 'cuda:1', got {device!r}.")
    device = Device(device)
    if device.backend is not None:
        return device
    known = _resolved.get(device)
    if known is not None and device.type in _backends:
        return known
    backend = get_backend(device.type)
    count = count_devices(backend)
    if device.index is None:
        index = backend.current_index()
        result = device if index is None else Device(device.type, index)
        if count < 1:
            raise DeviceError(f"device '{device}': the backend {backend.name!r} sees no device of this type.")
        return result
    if device.index >= count:
        raise DeviceError(
            f"device '{device}': the backend {backend.name!r} sees {count} device{'s' if count != 1 else ''} of this type. "
            f"Give an index from 0 to {count - 1}."
        )
    _resolved[device] = device
    return device


_resolved: dict[Device, Device] = {}


def is_available(device: Device | str | None = None) -> bool:
    """Whether ``device``, such as ``"xla"`` or ``"cuda:1"``, can be used here; ``python -m tapeloom doctor`` says why not."""
    named = None if device is None else Device(device)
    try:
        resolve_device(named)
    except (DeviceError, BackendError):
        return False
    return True


def set_default_device(device: Device | str | None) -> None:
    """Make ``device`` the default of new tensors in the whole program; None goes back to TAPELOOM_DEVICE."""
    _default_device[0] = None if device is None else resolve_device(device)


def get_default_device() -> Device:
    """The device of new tensors made now."""
    return default_device()


def backend_types() -> list[str]:
    """The device types that a backend is installed or registered for, sorted; nothing is imported."""
    return sorted({*entry_points(), *_backends})


def default_device() -> Device:
    """``with tl.device`` > ``set_default_device`` > TAPELOOM_DEVICE > cpu > the only one installed."""
    device = MODES.get().device or _default_device[0]
    if device is not None:
        return device
    name = os.environ.get("TAPELOOM_DEVICE")
    if name:
        try:
            return resolve_device(name)
        except (DeviceError, BackendError) as error:
            error.add_note("The device came from the environment variable TAPELOOM_DEVICE.")
            raise
    if "cpu" in _backends:
        return Device("cpu")
    installed = backend_types()
    if "cpu" in installed:
        return resolve_device("cpu")
    if len(installed) == 1:
        return resolve_device(installed[0])
    if not installed:
        raise DeviceError(f"device: no backend is installed. Run: {install_command(OFFICIAL['cpu'])}")
    raise DeviceError(
        f"device: several backends are installed ({', '.join(installed)}) and none is cpu. "
        f"Choose one with TAPELOOM_DEVICE={installed[0]} or tapeloom.set_default_device."
    )


class host_fallback(mode):
    """Within it ops that a backend has no kernel for are computed on the host (``cpu``). Also a decorator.

    A warning says so once for each op: every call moves its tensors to the host and back. Run backward within it too,
    for gradient rules may need such ops themselves.
    """

    def __enter__(self) -> host_fallback:
        enter(self, host_fallback=get_backend("cpu"))
        return self


def report() -> list[dict[str, Any]]:
    """One row (see ``describe``) for each device type that is official, installed or registered."""
    return [describe(device_type) for device_type in sorted({*entry_points(), *OFFICIAL, *_backends})]


def describe(device_type: str) -> dict[str, Any]:
    """What is known of a device type, whatever its plugin does.

    Its distribution, whether it is usable, device count, library versions; else the problem and what fixes it.
    """
    found = entry_points().get(device_type, [])
    row: dict[str, Any] = {
        "device": device_type,
        "distribution": " and ".join(sorted(f"{_distribution(entry)} {_version(entry)}" for entry in found)) or None,
        "usable": False,
        "devices": 0,
        "versions": {},
        "problem": None,
        "fix": None,
    }
    if not found and device_type not in _backends:
        row["problem"] = "not installed"
        row["fix"] = install_command(OFFICIAL[device_type]) if device_type in OFFICIAL else None
        return row
    try:
        backend = get_backend(device_type)
        row["versions"] = {str(library): str(version) for library, version in backend.versions().items()}
        row["devices"] = count_devices(backend)
        row["usable"] = row["devices"] > 0
        if not row["usable"]:
            row["problem"] = f"the backend {backend.name!r} sees no device of this type"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the finding
        row["problem"] = (
            str(error) if isinstance(error, (BackendError, DeviceError)) else f"{type(error).__name__}: {error}"
        )
        row["fix"] = getattr(error, "fix", None)
    return row
