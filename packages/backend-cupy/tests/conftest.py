"""Where the kernels run in these tests: as NumPy twins, on the host through g++, and on a GPU where there is one.

``machine`` is a fixture with those three as parameters. It gives the functions under test and a way to move arrays in
and out. A part that can't run is skipped with its reason; with TAPELOOM_REQUIRE=cuda in the environment a missing GPU
is a failure.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tapeloom_backend_cupy import cuda

HERE = Path(__file__).parent
DTYPES = ("float32", "float64", "float16", "bfloat16")


def _load_host_cupy() -> Any:
    spec = importlib.util.spec_from_file_location("tapeloom_host_cupy", HERE / "host_cuda" / "host_cupy.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Machine:
    """Kernels and the arrays they take: ``k`` the functions, ``put`` and ``get`` the way in and out."""

    def __init__(self, name: str, functions: cuda.Functions, put: Any, get: Any) -> None:
        self.name, self.k, self.put, self.get = name, functions, put, get
        self.cupy: Any = None
        self.cublas: Any = None


def missing_gpu() -> str:
    """Why no GPU can be used; empty where one can."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        return f"cupy is not installed: {error}"
    if not cupy.cuda.is_available():
        return "cupy.cuda.is_available() is False: no CUDA GPU or no driver"
    return ""


@pytest.fixture(params=["twin", "host", "host-backwards", pytest.param("gpu", marks=pytest.mark.gpu)])
def machine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    if request.param == "twin":
        yield Machine("twin", cuda.TWINS, np.asarray, np.asarray)
        return
    if request.param == "gpu":
        reason = missing_gpu()
        if reason and os.environ.get("TAPELOOM_REQUIRE") == "cuda":
            pytest.fail(f"TAPELOOM_REQUIRE=cuda: {reason}")
        if reason:
            pytest.skip(reason)
        cupy = importlib.import_module("cupy")
        yield Machine("gpu", cuda.LAUNCHERS, cupy.asarray, cupy.asnumpy)
        return
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: the kernels' text cannot be run on the host")
    host = _load_host_cupy()
    cache = getattr(
        request.config, "cache", None
    )  # compiled kernels are kept between runs, where pytest keeps anything
    folder = tmp_path_factory.getbasetemp() / "host_cuda" if cache is None else cache.mkdir("host_cuda")
    folder.mkdir(exist_ok=True)
    cupy = host.HostCupy(Path(folder))
    cupy.backwards = request.param == "host-backwards"
    cublas = host.HostCublas()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for name, content in {
        "cupy.cuda": {},
        "cupy.cuda.device": {"get_cublas_handle": lambda: 0},
        "cupy_backends": {},
        "cupy_backends.cuda": {},
        "cupy_backends.cuda.libs": {"cublas": cublas},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    here = Machine("host", cuda.LAUNCHERS, lambda array: np.asarray(array).view(host.HostArray), np.asarray)
    here.cupy, here.cublas = cupy, cublas
    yield here


@pytest.fixture(params=DTYPES)
def dtype(request: pytest.FixtureRequest) -> Any:
    return np.dtype(ml_dtypes.bfloat16 if request.param == "bfloat16" else request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def tolerance(dtype: Any) -> dict[str, float]:
    """How far a kernel may be from the exact result, for numbers of order one: some units in the last place."""
    unit = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}[dtype.name]
    return {"rtol": 8 * unit, "atol": 8 * unit}
