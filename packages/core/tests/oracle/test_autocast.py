"""Autocast beside PyTorch: the dtypes of every row of the table, values, gradients, and what programs ask of it."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.testing import checks
from tapeloom.testing.table import load

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
sys.path.insert(0, str(Path(__file__).parent))
import torch_side  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own
LOWER = [tl.bfloat16, tl.float16]
#: parts of our own, which PyTorch runs by another function here; the functions over them are compared
PARTS = set(
    "sloped avg_pool real fft_complex fft_half quantile_of_lines cholesky_factor qr_factors svd_factors singular_values eigh_factors "
    "eigh_values eig_factors solve_system inverse_info pseudo_inverse determinant matrix_exponential".split()
)
#: see docs/reference/differences.md
DIFFERENT = {
    "local_response_norm",
    "max_pool3d indices",
    "pad",
    "linalg.pinv",
    "linalg.pinv of a Hermitian matrix",
    "inner",
}
DIFFERENT |= {f"{kind}{cell}" for kind in ("lstm", "gru", "rnn_tanh", "rnn_relu") for cell in ("", "_cell")}
#: PyTorch refuses half types there, but for matrices without elements
DIFFERENT |= set(
    "det linalg.det lu linalg.lu linalg.lu_factor linalg.lu_factor_ex lu_solve linalg.lu_solve linalg.solve_ex".split()
)
DIFFERENT |= {"matrix_exp", "linalg.matrix_exp"}
ROWS = [
    row
    for row in load().values()
    if row.name not in torch_side.OURS | PARTS | DIFFERENT and any(dtype.inexact for dtype in row.dtypes)
]


def dtypes_of(results):
    return [str(getattr(result, "dtype", None)).split(".")[-1] for result in results]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_dtypes(row):
    """On the CPU, for inputs of each dtype and a block of each; a block may take what is refused outside of it."""
    for given in dict.fromkeys([*(dtype for dtype in row.dtypes if dtype.inexact), *LOWER]):
        for case in [case for case in row.cases if case.only is None or given in case.only][:4]:
            if (str(case), given.name) in torch_side.DIFFERENT:
                continue
            for lower in LOWER:
                try:
                    with torch.autocast("cpu", torch_side.dtype_of(lower)):
                        their = torch_side.Run(case, given, needs=False).results
                except (RuntimeError, NotImplementedError, IndexError, ValueError, TypeError):
                    continue  # an extra of ours
                args, kwargs = case.arguments(given)
                with tl.autocast("cpu", lower):
                    ours = checks.called(row, args, kwargs, "cpu", given)
                assert dtypes_of(ours) == dtypes_of(their), f"{case} for {given.name} in a block of {lower.name}"


FUNCTIONS = {
    "matmul": lambda lib, x, w: x @ w,
    "linear": lambda lib, x, w: lib.nn.functional.linear(x, w.T, w[0]),
    "a layer and its loss": lambda lib, x, w: lib.nn.functional.mse_loss((x @ w).tanh(), x),
    "classes": lambda lib, x, w: lib.nn.functional.cross_entropy(x @ w, lib.tensor([0, 2, 1])),
    "softmax": lambda lib, x, w: (x @ w).softmax(-1),
    "several products": lambda lib, x, w: (x @ w).relu() @ w + x,
    "transposed convolution": lambda lib, x, w: lib.nn.functional.conv_transpose1d(x[None], w[:3, :, None], w[1]),
}


@pytest.mark.parametrize("lower", LOWER, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name, lower):
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (4, 4))]
    found = {}
    for lib, dtype in ((tl, lower), (torch, torch_side.dtype_of(lower))):
        tensors = [lib.tensor(array, requires_grad=True) for array in arrays]
        with lib.autocast("cpu", dtype):
            out = FUNCTIONS[name](lib, *tensors)
        out.sum().backward()
        kinds = dtypes_of([out, *(tensor.grad for tensor in tensors)])
        found[lib] = kinds, [np.asarray(each.detach().double().tolist()) for each in (out, *(t.grad for t in tensors))]
    assert found[tl][0] == found[torch][0]
    for mine, theirs in zip(found[tl][1], found[torch][1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0.03, atol=0.03 if lower is tl.bfloat16 else 0.005)


def test_what_programs_ask():
    """The same questions in the same places have the same answers."""

    def answers(lib):
        found = []

        def ask():
            dtypes = lib.get_autocast_dtype("cpu"), lib.get_autocast_dtype("cuda"), lib.get_autocast_dtype("xla")
            switches = lib.is_autocast_enabled("cpu"), lib.is_autocast_enabled("cuda"), lib.is_autocast_cache_enabled()
            found.append((*map(str, dtypes), *switches))

        ask()
        with lib.autocast("cpu"):
            ask()
            with lib.autocast("cpu", lib.float16, cache_enabled=False):
                ask()
                with lib.autocast("cpu", enabled=False):
                    ask()
            ask()
        lib.set_autocast_dtype("cpu", lib.float16)
        lib.set_autocast_enabled("cpu", True)
        ask()
        with lib.no_grad(), lib.autocast("cpu", enabled=False):
            lib.set_autocast_cache_enabled(False)
            ask()
        ask()
        lib.set_autocast_enabled("cpu", False)
        lib.set_autocast_dtype("cpu", lib.bfloat16)
        ask()
        return [[str(each).split(".")[-1] for each in answer] for answer in found]

    assert answers(tl) == answers(torch)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_an_unsupported_dtype_warns_and_disables(dtype):
    for lib in (tl, torch):
        with pytest.warns(UserWarning, match="not supported"):
            block = lib.autocast("cpu", getattr(lib, dtype))
        with block:
            assert not lib.is_autocast_enabled("cpu")
            assert str((lib.ones(2, 2) @ lib.ones(2, 2)).dtype).endswith("float32")


def test_cuda_where_there_is_none():
    if torch.cuda.is_available() or tl.is_available("cuda"):
        pytest.skip("there is a GPU")
    for lib in (tl, torch):
        with pytest.warns(UserWarning, match="not available"):
            assert not lib.amp.GradScaler("cuda").is_enabled()
        with pytest.warns(UserWarning, match="not available"), lib.autocast("cuda"):
            assert not lib.is_autocast_enabled("cuda")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lib.autocast("cuda", enabled=False)


@pytest.mark.parametrize("cast_inputs", [None, "float32", "float16"])
def test_functions_of_ones_own(cast_inputs):
    found = {}
    for lib in (tl, torch):
        seen = []
        cast = None if cast_inputs is None else getattr(lib, cast_inputs)

        class Product(lib.autograd.Function):
            @staticmethod
            @lib.amp.custom_fwd(device_type="cpu", cast_inputs=cast)
            def forward(ctx, x, w):
                ctx.save_for_backward(x, w)
                out = x @ w
                seen.extend([x.dtype, w.dtype, out.dtype, lib.is_autocast_enabled("cpu")])  # noqa: B023
                return out

            @staticmethod
            @lib.amp.custom_bwd(device_type="cpu")
            def backward(ctx, g):
                x, w = ctx.saved_tensors
                results = g @ w.T, x.T @ g
                seen.extend([g.dtype, *(result.dtype for result in results), lib.is_autocast_enabled("cpu")])  # noqa: B023
                return results

        x, w = lib.ones(2, 2, requires_grad=True), lib.ones(2, 2, requires_grad=True)
        with lib.autocast("cpu"):
            out = Product.apply(x, w)
        out.sum().backward()
        seen += [x.grad.dtype, w.grad.dtype]
        seen.append(Product.apply(x.double(), w.double()).dtype)
        found[lib] = [str(each).split(".")[-1] for each in seen]
    assert found[tl] == found[torch]
