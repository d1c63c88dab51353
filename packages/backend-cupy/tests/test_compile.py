"""Every kernel instance is compiled by NVRTC for sm_90, which needs no GPU; and the package loads without CuPy."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import os
import subprocess
import sys
from typing import Any

import pytest

from tapeloom_backend_cupy import cuda
from tapeloom_backend_cupy.cuda.launch import (
    C_TYPES,
    INT32_PLACES,
    MOST_BLOCKS,
    OPTIONS,
    THREADS,
    Family,
    index_type,
)

INSTANCES = [(family, dtype) for family in cuda.FAMILIES for dtype in (C_TYPES if family.typed else ("",))]


def nvrtc() -> Any:
    """CuPy's binding of NVRTC, or a skip that says what is missing."""
    try:
        binding = importlib.import_module("cupy.cuda").nvrtc
        version = binding.getVersion()
    except (ImportError, AttributeError, OSError, RuntimeError) as error:  # CuPy's own errors are RuntimeErrors
        try:
            wheel = importlib.metadata.version("nvidia-cuda-nvrtc")
        except importlib.metadata.PackageNotFoundError:
            wheel = "not installed"
        if os.environ.get("TAPELOOM_REQUIRE") == "cuda":
            pytest.fail(f"TAPELOOM_REQUIRE=cuda: no NVRTC (wheel nvidia-cuda-nvrtc: {wheel}): {error!r}")
        pytest.skip(f"no NVRTC (wheel nvidia-cuda-nvrtc: {wheel}): {error!r}")
    assert version
    return binding


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
@pytest.mark.parametrize(
    "family,dtype", INSTANCES, ids=lambda value: value.file if isinstance(value, Family) else value
)
def test_compiles(family: Family, dtype: str, arch: str) -> None:
    binding = nvrtc()
    # The sources include nothing, so no include folder is wanted; the last two options are what CuPy adds itself.
    options = (*OPTIONS, f"-arch={arch}", "-ftz=true", "--device-as-default-execution-space")
    names = family.names(dtype)
    program = binding.createProgram(family.source(), family.file, (), ())
    for name in names:
        binding.addNameExpression(program, name)
    try:
        binding.compileProgram(program, options)
    except binding.NVRTCError:
        pytest.fail(binding.getProgramLog(program))
    cubin = binding.getCUBIN(program)
    for name in names:
        lowered = binding.getLoweredName(program, name)
        assert (lowered if isinstance(lowered, bytes) else lowered.encode()) in cubin
    assert binding.getProgramLog(program).strip("\0\n ") == "", "the compiler has warnings"
    binding.destroyProgram(program)


def test_loading_the_kernels_loads_no_cupy() -> None:
    code = "import sys, tapeloom_backend_cupy.cuda; sys.exit('cupy' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_32_bit_places_never_wrap() -> None:
    assert index_type(INT32_PLACES) == "int" and index_type(INT32_PLACES + 1) == "i64"
    assert INT32_PLACES + MOST_BLOCKS * THREADS < 2**31


def test_launchers_and_twins_have_one_signature() -> None:
    pairs: Any = zip(cuda.LAUNCHERS, cuda.TWINS, strict=True)
    for launcher, twin in pairs:
        assert twin.__name__ == launcher.__name__ + "_twin"
        assert inspect.signature(twin) == inspect.signature(launcher)
