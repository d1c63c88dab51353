"""The suite for a backend, as one class: inherit from it, name the device, and pytest does the rest.

    from tapeloom.testing import Conformance

    class TestMyBackend(Conformance):
        device = "mydevice"
        xfails = "xfails.txt"       # next to the test file, if there are deviations

Tests are made from the table of samples: one for each op and check, and for each dtype where values are compared: float32,
float64 and one more, which differs from op to op. With the option ``--tapeloom-full`` it is every dtype.

What a backend cannot do as asked is listed in its xfail file, grouped under reasons; a listed test that passes is an error.
What needs an op of its ``lacking_ops`` or a dtype of its ``lacking_dtypes`` is skipped, with that as the reason. A backend
that is missing or does not load fails the suite.
"""

from __future__ import annotations

import functools
import inspect
import sys
import zlib
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.plugins import (
    _backends,
    backend_types,
    get_backend,
    register_backend,
    resolve_device,
    unregister_backend,
)
from tapeloom.backend.runtime import OWED, Backend
from tapeloom.call.op import Op
from tapeloom.dtypes import DType
from tapeloom.errors import DeviceError, TapeloomError, UnsupportedError
from tapeloom.op.registry import REGISTRY
from tapeloom.testing import checks
from tapeloom.testing.plugin import FULL, required
from tapeloom.testing.promotion import check_promotion
from tapeloom.testing.refusals import check_refusals
from tapeloom.testing.table import Row, load

#: check -> which rows it is made for
APPLIES: dict[str, Callable[[Row], bool]] = {
    "layout": lambda row: not row.maker and any(True for case in row.cases for _ in case.inputs()),
    "gradient": lambda row: row.grad >= 1,
    "second_gradient": lambda row: row.grad >= 2,
    "partial_gradient": lambda row: row.grad >= 1,
    "gradient_dtype": lambda row: row.grad >= 1,
    "inplace": lambda row: row.op is not None and row.op.public.inplace,
    "spelling": lambda row: row.op is not None,
    "promotion": lambda row: _promotes(row),
    "failure": lambda row: bool(row.failures),
    "refusal": lambda row: row.op is not None,
}


def _promotes(row: Row) -> bool:
    """Whether the op takes two tensors or numbers, and nothing else."""
    return row.op is not None and [p.role for p in row.op.parameters] == ["TensorLike", "TensorLike"]


C = TypeVar("C", bound=Callable[..., None])


def skips_lacking(test: C) -> C:
    """Skip ``test`` where it comes upon an op or a dtype that the backend declares as lacking."""

    @functools.wraps(test)
    def run(self: Conformance, *args: Any, **kwargs: Any) -> None:
        try:
            test(self, *args, **kwargs)
        except UnsupportedError as error:
            backend = get_backend(self._device().type)
            if error.lacking not in {*backend.lacking_ops, *(dtype.name for dtype in backend.lacking_dtypes)}:
                if error.lacking in REGISTRY:
                    error.add_note(_what_is_owed(backend, REGISTRY[error.lacking]))
                raise
            pytest.skip(f"{backend.name!r} lacks {error.lacking}")

    return run  # type: ignore[return-value]


class Conformance:
    """The whole suite for one device; see the head of this file. All attributes may be overridden."""

    #: the device to test, such as ``"cpu"`` or ``"cuda:0"``
    device: str = "cpu"
    #: a file of expected failures, next to the test file unless absolute; see ``read_xfails``
    xfails: str | Path | None = None
    #: whether the backend compiles a program for each shape and dtype, at some 20 ms each, and has no memory layouts:
    #: then permuted and sliced inputs are left out, and, unless the suite is run in full, the gradients of all but the first
    #: cases
    compiles: bool = False
    _before: Backend | None = None

    @staticmethod
    def make_backend() -> Backend | None:
        """A backend to register for the device while these tests run, where none is installed for it."""
        return None

    @classmethod
    def setup_class(cls) -> None:
        """Register the backend of ``make_backend``, if it gives one; without a backend every test fails.

        They are skipped where the backend loads and says that this machine has no such device, unless the environment
        variable TAPELOOM_REQUIRE names its type.
        """
        made, cls._before = cls.make_backend(), _backends.get(cls._type())
        if made is not None:
            register_backend(cls._type(), made)
        problem = cls._problem()
        if problem is not None:
            absent = isinstance(problem, DeviceError) and cls._type() in backend_types()
            end = pytest.skip if absent and cls._type() not in required() else pytest.fail
            end(f"{cls.device}: {problem}")

    @classmethod
    def teardown_class(cls) -> None:
        """Put the backend back that was there before."""
        unregister = cls.make_backend is not Conformance.make_backend
        if unregister:
            unregister_backend(cls._type())
        if unregister and cls._before is not None:
            register_backend(cls._type(), cls._before)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make the tests of a check from the table; one where the device cannot be used, for ``setup_class`` to end."""
        check = metafunc.function.__name__.removeprefix("test_")
        names = [name for name in ("row", "dtype", "op") if name in metafunc.fixturenames]
        if not names:
            return
        marks = []
        if check == "layout" and self.compiles:
            marks = [pytest.mark.skip(reason="a backend that compiles has no memory layouts of its own")]
        if marks or self._problem() is not None:
            metafunc.parametrize(", ".join(names), [pytest.param(*[None] * len(names), id=self.device, marks=marks)])
            return
        rows = load()
        cases: list[tuple[str, tuple[Any, ...]]]
        if names == ["op"]:
            cases = [(name, (op,)) for name, op in REGISTRY.items()]
        elif names == ["row"]:
            cases = [(row.name, (row,)) for row in rows.values() if APPLIES[check](row)]
        else:
            full = _in_full(metafunc.config)
            cases = [
                (f"{row.name}-{dtype.name}", (row, dtype))
                for row in rows.values()
                for dtype in chosen_dtypes(row, full)
            ]
        metafunc.parametrize(", ".join(names), self._params(check, cases))

    @classmethod
    def _type(cls) -> str:
        return cls.device.partition(":")[0]

    @classmethod
    def _problem(cls) -> TapeloomError | None:
        """Why the device cannot be used, or None."""
        if cls.make_backend is not Conformance.make_backend:
            return None
        try:
            resolve_device(cls.device)
        except TapeloomError as error:
            return error
        return None

    def _params(self, check: str, cases: list[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        expected = read_xfails(self._xfail_path())
        backend = self.make_backend() or get_backend(self._type())
        params = []
        for name, values in cases:
            reason, lacks = expected.reason(f"{check} {name}"), _lacking(backend, values)
            mark = pytest.mark.skip(reason=lacks) if lacks else pytest.mark.xfail(reason=str(reason), strict=True)
            params.append(pytest.param(*values, id=name, marks=[mark] if lacks or reason else []))
        return params

    def _xfail_path(self) -> Path | None:
        if self.xfails is None:
            return None
        module = sys.modules[type(self).__module__]
        return Path(str(module.__file__)).parent / self.xfails

    # values

    @skips_lacking
    def test_value(self, row: Row, dtype: DType, pytestconfig: Any) -> None:
        """Value, shape, dtype and device of each sample; inputs stay as they are."""
        checks.check_values(row, dtype, self._device(), few=self._thin(pytestconfig))

    @skips_lacking
    def test_layout(self, row: Row) -> None:
        """The same results from permuted and sliced inputs."""
        checks.check_layouts(row, _usual(row), self._device())

    @skips_lacking
    def test_promotion(self, row: Row) -> None:
        """Mixed dtypes, 0-d tensors and Python numbers give the dtype that PyTorch gives."""
        check_promotion(row, self._device())

    # gradients

    @skips_lacking
    def test_gradient(self, row: Row, pytestconfig: Any) -> None:
        """First derivatives against differences."""
        checks.check_gradient(row, 1, self._device(), 1 if self._thin(pytestconfig) else None)

    @skips_lacking
    def test_second_gradient(self, row: Row, pytestconfig: Any) -> None:
        """Second derivatives against differences of the first."""
        checks.check_gradient(row, 2, self._device(), 1 if self._thin(pytestconfig) else None)

    @skips_lacking
    def test_partial_gradient(self, row: Row) -> None:
        """The gradient of one input, when it alone needs one."""
        checks.check_partial_gradients(row, self._device())

    @skips_lacking
    def test_gradient_dtype(self, row: Row, pytestconfig: Any) -> None:
        """Gradients in float16, bfloat16 and float32 have that dtype and nearly the same values."""
        lacking = get_backend(self._device().type).lacking_dtypes
        kinds = [kind for kind in chosen_dtypes(row, _in_full(pytestconfig)) if kind not in lacking]
        checks.check_gradient_dtypes(row, kinds, self._device())

    # forms

    @skips_lacking
    def test_inplace(self, row: Row) -> None:
        """The in-place form."""
        checks.check_inplace(row, self._device())

    @skips_lacking
    def test_spelling(self, row: Row) -> None:
        """Aliases and the method."""
        checks.check_spellings(row, self._device())

    # errors

    @skips_lacking
    def test_failure(self, row: Row) -> None:
        """Calls that the table says must be refused."""
        checks.check_failures(row, self._device())

    @skips_lacking
    def test_refusal(self, row: Row) -> None:
        """Calls that every op must refuse."""
        check_refusals(row, self._device())

    # the backend itself

    def test_surface(self, op: Op[Any, Any]) -> None:
        """The backend has a kernel for the op, with the op's parameters in the op's order."""
        check_kernel(get_backend(self._device().type), op)

    def test_runtime(self) -> None:
        """The runtime has the methods that every backend must give."""
        check_runtime(get_backend(self._device().type))

    def test_no_strangers(self) -> None:
        """Every public method is a kernel, part of the protocol, or a helper of the shared class."""
        check_strangers(get_backend(self._device().type))

    def _device(self) -> Any:
        return resolve_device(self.device)

    def _thin(self, config: pytest.Config) -> bool:
        """Whether each further case costs a compile that the usual run has no time for."""
        return self.compiles and not _in_full(config)


def _in_full(config: pytest.Config) -> bool:
    return bool(config.getoption(FULL, default=False))


def chosen_dtypes(row: Row, full: bool) -> list[DType]:
    """The dtypes that ``row`` is tested with: all of them, or float32, float64 and others, three in all."""
    if full:
        return list(row.dtypes)
    usual = [dtype for dtype in row.dtypes if dtype.name in ("float32", "float64")]
    others = [dtype for dtype in row.dtypes if dtype not in usual]
    first = zlib.crc32(row.name.encode())  # the same in each run and process
    more = min(3 - len(usual), len(others))
    return usual + [others[(first + place) % len(others)] for place in range(more)]


def _lacking(backend: Backend, values: tuple[Any, ...]) -> str | None:
    """Which op or dtype of a test ``backend`` lacks, as a sentence; None where it has all, or the test is of just that."""
    lacking = [value.name for value in values if isinstance(value, DType) and value in backend.lacking_dtypes]
    lacking += [value.name for value in values if isinstance(value, Row) and value.name in backend.lacking_ops]
    return f"{backend.name!r} lacks {lacking[0]}" if lacking else None


def _usual(row: Row) -> DType:
    from tapeloom import float32

    return float32 if float32 in row.dtypes else row.dtypes[-1]


def check_runtime(backend: Backend) -> None:
    """``backend`` has the methods that have no default."""
    owed = [name for name in OWED if getattr(type(backend), name) is getattr(Backend, name)]
    assert not owed, (
        f"{backend.name}: {type(backend).__name__} has no {', '.join(owed)}: every backend must give these."
    )


def check_kernel(backend: Backend, op: Op[Any, Any]) -> None:
    """``backend`` has a kernel for ``op`` that takes its parameters in its order, settings under their names."""
    kernel = getattr(backend.kernels, op.name, None)
    if op.name in backend.lacking_ops:
        assert kernel is None, f"{op.name}: the backend {backend.name!r} says that it has no such kernel, and has one."
        return
    assert kernel is not None, (
        f"{op.name}: the backend {backend.name!r} has no kernel of this name. {_what_is_owed(backend, op)}"
    )
    if not inspect.ismethod(kernel):  # a function of the array library
        return
    parameters = inspect.signature(kernel).parameters
    wanted = [p for p in op.parameters if p.passed]
    names = list(parameters)
    if any(parameters[name].kind is inspect.Parameter.VAR_POSITIONAL for name in names):
        return
    fits = len(names) >= len(wanted) and all(p.input or p.name == name for p, name in zip(wanted, names, strict=False))
    assert fits, f"{op.name}: the kernel of {backend.name!r} takes {names}, and the op has {[p.name for p in wanted]}."
    for name in names[len(wanted) :]:
        optional = parameters[name].default is not inspect.Parameter.empty
        assert optional, f"{op.name}: the kernel of {backend.name!r} asks for {name!r}, which the op does not have."


def _what_is_owed(backend: Backend, op: Op[Any, Any]) -> str:
    """What the author of ``backend`` must do about an op that it has no kernel for."""
    arguments = ", ".join(["self", *(p.name for p in op.parameters if p.passed)])
    return (
        f"Give {type(backend.kernels).__name__} a method {op.name}({arguments}), or list {op.name!r} in lacking_ops of "
        f"{type(backend).__name__}."
    )


def check_strangers(backend: Backend) -> None:
    """No public method of ``backend`` or its kernels that core would never call: most often one under a wrong name.

    ``fused_`` begins the name of an optimizer's whole step (see ``Backend.update``).
    """
    known = {*dir(Backend), *dir(ArrayAPIBackend), *dir(ArrayKernels), *REGISTRY}
    ours = (*Backend.__mro__, *ArrayAPIBackend.__mro__, *ArrayKernels.__mro__)
    strangers = [
        name
        for cls in (*type(backend).__mro__, *type(backend.kernels).__mro__)
        if cls not in ours
        for name, value in vars(cls).items()
        if callable(value) and not name.startswith(("_", "fused_")) and name not in known
    ]
    assert not strangers, (
        f"{backend.name}: {', '.join(strangers)}: no op and no part of what core calls. "
        f"Correct the name, or begin that of a helper with an underscore."
    )


class Xfails:
    """Patterns of tests that are expected to fail, each with its reason."""

    def __init__(self, patterns: list[tuple[str, str]]) -> None:
        self.patterns = patterns

    def reason(self, test: str) -> str | None:
        """Why ``test`` (``"value exp-float32"``) is expected to fail, or None."""
        return next((reason for pattern, reason in self.patterns if fnmatchcase(test, pattern)), None)


def read_xfails(path: Path | None) -> Xfails:
    """Read an xfail file: a comment line begins a group and is its reason; the lines after it are tests.

    # Denormal numbers are flushed to zero.
    value exp-float32
    gradient log*
    """
    patterns: list[tuple[str, str]] = []
    reason = ""
    lines = [] if path is None else path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("#"):
            reason = text.lstrip("# ")
        elif text and not reason:
            raise ValueError(f"{path}, line {number}: {text!r} has no reason. Write one above it, after a '#'.")
        elif text:
            patterns.append((text.replace("[", "[[]"), reason))
        else:
            reason = ""
    return Xfails(patterns)
