"""Autocast: which op computes in which dtype, blocks and switches, the cache, gradients; and that nothing is left of it."""

from __future__ import annotations

import asyncio
import threading
import warnings

import numpy
import pytest

import tapeloom as tl
from tapeloom.amp.autocast_mode import Autocast
from tapeloom.call.op import function, op
from tapeloom.call.watch import active
from tapeloom.modes import MODES
from tapeloom.op.registry import FUNCTIONS, REGISTRY
from tapeloom.testing import checks
from tapeloom.testing.table import load
from tapeloom.utils.checkpoint import checkpoint

F = tl.ops
TABLE = load()
#: what PyTorch lists: for CUDA in its documentation ("Automatic Mixed Precision package", "CUDA Op-Specific Behavior") and its
#: header ATen/autocast_mode.h, for the CPU what its dispatcher has under AutocastCPU. Names of the table of samples; those that
#: are not in it are not there yet.
LISTS = {
    "cuda": {
        "lower": """addbmm addmm addmv addr baddbmm bmm chain_matmul conv1d conv2d conv3d conv_transpose1d conv_transpose2d
            conv_transpose3d einsum gru_cell linalg.multi_dot linalg.vecdot linear lstm_cell matmul mm mv prelu rnn_relu_cell
            rnn_tanh_cell scaled_dot_product_attention""",
        "float32": """acos asin binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss cosine_similarity cross_entropy
            cumprod cumsum dist erfinv exp expm1 frobenius_norm group_norm hinge_embedding_loss huber_loss interpolate kl_div
            l1_loss layer_norm linalg.matrix_norm linalg.vector_norm log log10 log1p log2 log_softmax logsumexp
            margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss norm normalize nuclear_norm pdist
            poisson_nll_loss pow prod reciprocal renorm rms_norm rsqrt sinh smooth_l1_loss soft_margin_loss softmax softmin
            softplus sum tan triplet_margin_loss""",
        "promote": "addcdiv addcmul atan2 bilinear cross dot grid_sample linalg.cross scatter_add tensordot vdot",
    },
    "cpu": {
        "lower": """addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linalg.vecdot
            linear matmul mm prelu scaled_dot_product_attention""",
        "float32": """adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits cdist
            cholesky cholesky_inverse cholesky_solve cosine_embedding_loss cross_entropy ctc_loss fft.fft fft.fft2 fft.fftn
            fft.hfft fft.ifft fft.ifft2 fft.ifftn fft.ihfft fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn
            fractional_max_pool2d fractional_max_pool3d geqrf grid_sample hinge_embedding_loss huber_loss inverse kl_div l1_loss
            linalg.cholesky linalg.cond linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh linalg.householder_product
            linalg.inv linalg.inv_ex linalg.lstsq linalg.qr linalg.solve linalg.svd linalg.svdvals linalg.tensorinv
            linalg.tensorsolve lu_solve margin_ranking_loss max_pool3d max_unpool2d max_unpool3d mse_loss multi_margin_loss
            multilabel_margin_loss nanquantile nll_loss orgqr ormqr pinverse poisson_nll_loss polar prod qr quantile
            smooth_l1_loss soft_margin_loss stft svd trace triangular_solve triplet_margin_loss view_as_complex""",
        "promote": "index_copy",
    },
}


@pytest.fixture(autouse=True)
def _all_open_afterwards():
    yield
    assert not [name for name, op in REGISTRY.items() if op.closed]


@pytest.fixture
def cuda():
    """A device type ``cuda``: where there is none, the kernels of NumPy under its name."""
    if tl.is_available("cuda"):
        yield
        return
    numpy_backend = pytest.importorskip("tapeloom_backend_numpy.backend", reason="it stands in for a GPU")
    tl.register_backend("cuda", numpy_backend.NumpyBackend(numpy))
    yield
    tl.unregister_backend("cuda")


def of(dtype, *shape, **kwargs):
    return tl.randn(*shape, dtype=dtype, **kwargs)


# words

LISTED = [
    (place, name, word)
    for place, words in LISTS.items()
    for word, names in words.items()
    for name in names.split()
    if name in TABLE
]


@pytest.mark.parametrize("place, name, word", [pytest.param(*each, id=f"{each[0]}-{each[1]}") for each in LISTED])
def test_the_lists_of_pytorch(place, name, word, cuda):
    row = TABLE[name]
    lower = tl.autocast(place).dtype
    given = lower if word == "float32" else tl.float32
    for case in [case for case in row.cases if case.only is None or given in case.only][:3]:
        args, kwargs = case.arguments(given)
        with tl.autocast(place):
            result = checks.called(row, args, kwargs, place, given)[0]
        assert result.dtype.real is (lower if word == "lower" else tl.float32), str(case)


def test_promotion_to_the_widest(cuda):
    tensors = [tl.ones(2, dtype=dtype, device="cuda") for dtype in (tl.float32, tl.float16, tl.float16)]
    number = tl.tensor(2.0, device="cuda")
    with tl.autocast("cuda"):
        assert tl.addcmul(*tensors).dtype is tl.float32
        assert tl.dot(*tensors[:2]).dtype is tl.float32
        assert tl.dot(*tensors[1:]).dtype is tl.float16
        assert tl.atan2(tensors[1], number).dtype is tl.float32  # a 0-d tensor counts like the others
        assert tl.index_put(tensors[1], [tl.tensor([0], device="cuda")], tensors[0][:1]).dtype is tl.float32


def test_the_words_in_use_are_known_and_all_devices_but_cuda_have_one_list():
    used = [op.autocast for op in REGISTRY.values()] + [public.autocast for public in FUNCTIONS.values()]
    assert {word for words in used for word in words.values()} == {"lower", "float32", "promote", "as given"}
    assert {place for words in used for place in words} == {"cpu", "cuda"}


def test_a_misspelt_word_is_an_error_at_import():
    with pytest.raises(TypeError, match="must be one of 'lower', 'float32'"):

        @op(autocast="lowr")
        def nothing(input: Tensor) -> Tensor: ...  # noqa: F821

    with pytest.raises(TypeError, match="must be one of"):
        function(autocast={"gpu": "lower"})(lambda input: input)


def test_what_has_no_word_stays_as_it_is():
    half, single, double = of(tl.bfloat16, 2, 2), of(tl.float32, 2, 2), of(tl.float64, 2, 2)
    with tl.autocast("cpu"):
        assert (single + single).dtype is tl.float32
        assert (half + half).exp().dtype is tl.bfloat16
        assert (double @ double).dtype is tl.float64
        assert (single @ half).dtype is tl.bfloat16
        assert (double @ single).dtype is tl.float64
        assert (tl.ones(2, 2, dtype=tl.int64) @ tl.ones(2, 2, dtype=tl.int64)).dtype is tl.int64
        assert (single.to(tl.complex64) @ single.to(tl.complex64)).dtype is tl.complex64
        assert half.sum(dtype=tl.float64).dtype is tl.float64
        assert half.prod(dtype=tl.float64).dtype is tl.float64


def test_functions_have_words_of_their_own():
    x = tl.ones(3, 3)
    with tl.autocast("cpu"):
        assert tl.mv(x, x[0]).dtype is tl.float32  # though matmul, which it is made of, lowers
        assert tl.mv(input=x, vec=x[0]).dtype is tl.float32
        assert tl.trace(x.bfloat16()).dtype is tl.float32
        assert x.bfloat16().trace().dtype is tl.float32
        with pytest.raises(tl.errors.ArgumentTypeError, match="mv: "):
            tl.mv(x)
    assert tl.trace(x.bfloat16()).dtype is tl.bfloat16


def test_in_place_forms_keep_the_dtype(cuda):
    x = tl.ones(2, dtype=tl.float16, device="cuda", requires_grad=True) * 1
    with tl.autocast("cuda"):
        assert casts(x.exp().node) == 1
        assert x.exp().dtype is tl.float32
        assert x.exp_().dtype is tl.float16
        x **= 2.0
    assert casts(x.node) == 0  # computed as they were given


# blocks and switches


def product():
    return (tl.ones(2, 2) @ tl.ones(2, 2)).dtype


def test_blocks_nest():
    assert product() is tl.float32
    with tl.autocast("cpu"):
        assert product() is tl.bfloat16
        with tl.autocast("cpu", dtype=tl.float16):
            assert product() is tl.float16
            with tl.autocast("cpu", enabled=False):
                assert product() is tl.float32
                with tl.autocast("cpu"):
                    assert product() is tl.float16  # the dtype of the last block that named one
        with tl.autocast("xla"):
            assert product() is tl.bfloat16
            assert tl.is_autocast_enabled("xla")
        assert not tl.is_autocast_enabled("xla")
    assert product() is tl.float32


def test_an_error_ends_the_block():
    with pytest.raises(ZeroDivisionError), tl.autocast("cpu"):
        raise ZeroDivisionError
    assert product() is tl.float32


def test_decorators():
    @tl.autocast("cpu")
    def plain():
        return product()

    @tl.autocast("cpu")
    def generator():
        yield product()
        yield product()

    @tl.autocast("cpu", dtype=tl.float16)
    async def coroutine():
        return product()

    assert plain() is tl.bfloat16
    assert plain.__name__ == "plain"
    steps = generator()
    assert next(steps) is tl.bfloat16
    assert product() is tl.float32
    assert next(steps) is tl.bfloat16
    steps.close()
    assert asyncio.run(coroutine()) is tl.float16
    assert product() is tl.float32


def test_the_older_spellings(cuda):
    x = tl.ones(2, 2, device="cuda")
    with tl.cuda.amp.autocast():
        assert (x @ x).dtype is tl.float16
        assert product() is tl.float32
    with tl.cuda.amp.autocast(dtype=tl.bfloat16):
        assert (x @ x).dtype is tl.bfloat16
    with tl.cpu.amp.autocast(), tl.amp.autocast("cuda", enabled=False):
        assert product() is tl.bfloat16
        assert (x @ x).dtype is tl.float32
    assert tl.cuda.amp.GradScaler(init_scale=8.0).get_scale() == 8.0
    assert repr(tl.cuda.amp) == "tapeloom.cuda.amp"


def test_switches_hold_until_they_are_changed():
    tl.set_autocast_dtype("cpu", tl.float16)
    try:
        assert product() is tl.float32
        with tl.no_grad():
            tl.set_autocast_enabled("cpu", True)
            assert product() is tl.float16
        assert product() is tl.float16  # the end of no_grad does not undo it
        with tl.autocast("cpu", tl.bfloat16):
            tl.set_autocast_enabled("cpu", False)
            assert product() is tl.float32
        assert product() is tl.float16
        with tl.autocast("cpu", enabled=False):
            assert product() is tl.float32
    finally:
        tl.set_autocast_enabled("cpu", False)
        tl.set_autocast_dtype("cpu", tl.bfloat16)
    assert not MODES.get().watchers


@pytest.mark.parametrize("switch", [tl.autograd.set_detect_anomaly, tl.autograd.detect_anomaly])
def test_beside_anomaly_detection(switch):
    x = tl.tensor([[0.0]], requires_grad=True)
    with tl.autocast("cpu"):
        block = switch(True)
        with block:
            assert product() is tl.bfloat16
            with tl.autocast("cpu", enabled=False):
                assert product() is tl.float32
            with pytest.raises(tl.errors.AnomalyError, match="SqrtBackward returned nan"):
                ((x @ x).sqrt() * 0).sum().backward()
        assert product() is tl.bfloat16
    with switch(True), tl.autocast("cpu"):
        assert product() is tl.bfloat16
    assert product() is tl.float32


def test_other_threads_have_their_own():
    found = []
    with tl.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append(product()))
        thread.start()
        thread.join(10)
    assert found == [tl.float32]


def test_unsupported_dtypes_and_devices():
    with pytest.warns(
        UserWarning, match="autocast: dtype float64 is not supported; it must be bfloat16 or float16"
    ) as seen:
        block = tl.autocast("cpu", tl.float64)
    assert seen[0].filename == __file__
    with block:
        assert product() is tl.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with tl.autocast("cpu", tl.float64, enabled=False):
            assert product() is tl.float32
    with pytest.raises(
        tl.errors.DeviceError, match=r"autocast: there is no device type 'gpu'. Known are cpu, cuda, xla"
    ):
        tl.autocast("gpu")
    with pytest.raises(tl.errors.ArgumentTypeError, match="device_type must be a name"):
        tl.autocast(tl.bfloat16)
    with pytest.raises(tl.errors.ArgumentTypeError, match="dtype must be a dtype"):
        tl.autocast("cpu", "bfloat16")
    assert tl.amp.is_autocast_available("xla")
    assert not tl.amp.is_autocast_available("gpu")


def test_while_it_is_off_the_short_path_is_open():
    with tl.autocast("cpu"):
        product()
        assert not REGISTRY["matmul"].kernel_by_kind
        tl.ones(2) + tl.ones(2)
        assert REGISTRY["add"].kernel_by_kind  # it has no word
        assert REGISTRY["matmul"].closed == 1
        with tl.autocast("cpu", tl.float16):
            assert REGISTRY["matmul"].closed == 1
    product()
    assert REGISTRY["matmul"].kernel_by_kind
    with tl.autocast("cpu", enabled=False):
        assert not REGISTRY["matmul"].closed


# gradients and the cache


def casts(node, found=None):
    """How many different casts of leaves there are on the tape behind ``node``."""
    found = set() if found is None else found
    if node.name == "CastBackward":
        found.add(node)
    for edge in node.edges:
        if edge is not None:
            casts(edge, found)
    return len(found)


def test_gradients_have_the_dtype_of_their_tensor():
    single, half, double = (of(dtype, 2, 2, requires_grad=True) for dtype in (tl.float32, tl.bfloat16, tl.float64))
    with tl.autocast("cpu"):
        out = single @ half + (double @ double).to(tl.bfloat16)
        loss = F.mse_loss(out, tl.zeros(2, 2))
    assert (out.dtype, loss.dtype) == (tl.bfloat16, tl.float32)
    loss.backward()
    assert [each.grad.dtype for each in (single, half, double)] == [tl.float32, tl.bfloat16, tl.float64]


def test_a_leaf_is_cast_once_in_the_outermost_block():
    w, x = of(tl.float32, 2, 2, requires_grad=True), of(tl.float32, 2, 2)
    with tl.autocast("cpu"):
        with tl.autocast("cpu"):
            y = x @ w
        y = y + x @ w
        assert casts(y.node) == 1
        tl.clear_autocast_cache()
        assert casts((y + x @ w).node) == 2
        with tl.no_grad():
            assert not (x @ w).requires_grad
        assert (x @ w).requires_grad
    y.sum().backward()
    assert tl.allclose(w.grad, 2 * x.bfloat16().float().sum(0)[:, None].expand(2, 2), rtol=0.02)
    with tl.autocast("cpu", cache_enabled=False):
        assert not tl.is_autocast_cache_enabled()
        assert casts((x @ w + x @ w).node) == 2
    assert tl.is_autocast_cache_enabled()


def test_two_backward_passes_share_a_cast():
    w, x = of(tl.float32, 2, 2, requires_grad=True), of(tl.float32, 2, 2)
    with tl.autocast("cpu"):
        for _ in range(2):
            (x @ w).sum().backward()
    assert tl.allclose(w.grad, 2 * x.bfloat16().float().sum(0)[:, None].expand(2, 2), rtol=0.02)


@pytest.mark.parametrize("change", ["mul_", "data", "rebind", "slice"])
def test_a_changed_leaf_is_cast_again(change):
    w, x = tl.ones(2, 2, requires_grad=True), tl.ones(2, 2)
    with tl.autocast("cpu"):
        assert (x @ w).tolist() == [[2.0, 2.0]] * 2
        with tl.no_grad():
            if change == "mul_":
                w.mul_(3)
            elif change == "data":
                w.data = tl.full((2, 2), 3.0)
            elif change == "slice":
                w[:] = 3.0
            else:
                w.grad = tl.full((2, 2), -2.0)
                tl.ops.optimizer.update_parameters("step", _stepped, [w], [w.grad], {}, {})
        assert (x @ w).tolist() == [[6.0, 6.0]] * 2


def _stepped(ops, param, grad):
    return param - grad


def test_the_cache_holds_nothing_after_the_block():
    w = tl.ones(2, 2, requires_grad=True)
    with tl.autocast("cpu"):
        watcher = active(Autocast)
        tl.ones(2, 2) @ w
        assert watcher.cache
        with tl.autocast("cpu", tl.float16):
            pass
        assert watcher.cache
    assert not watcher.cache


def test_backward_within_a_block_computes_in_the_dtypes_that_it_finds():
    """Rules take what they find, those of fused ops and under create_graph too."""
    x = of(tl.float32, 3, 4, requires_grad=True)
    w = of(tl.float32, 4, requires_grad=True)
    found = []
    for within in (True, False):
        block = tl.autocast("cpu")
        with block:
            y = F.layer_norm(x, (4,), w)
            z = y * y
            if within:
                (g,) = tl.autograd.grad(z.sum(), x, create_graph=True)
        if not within:
            (g,) = tl.autograd.grad(z.sum(), x, create_graph=True)
        found.append([g, *tl.autograd.grad((g * g).sum(), [x, w])])
    for mine, other in zip(*found, strict=True):
        assert mine.dtype is tl.float32
        assert tl.equal(mine, other)


def test_a_checkpointed_function_runs_again_under_the_same_autocast():
    x, w = of(tl.float32, 3, 4), of(tl.float32, 4, 4, requires_grad=True)

    def run(x):
        return (x @ w).tanh() @ w

    grads = []
    for call in (run, lambda x: checkpoint(run, x)):
        with tl.autocast("cpu"):
            out = call(x)
        assert out.dtype is tl.bfloat16
        out.float().sum().backward()
        grads.append(w.grad)
        w.grad = None
    assert tl.equal(*grads)


# functions with gradients of their own


class Scaled(tl.autograd.Function):
    seen = []

    @staticmethod
    @tl.amp.custom_fwd(device_type="cpu", cast_inputs=tl.float32)
    def forward(ctx, tensors, x, factor):
        Scaled.seen.append((x.dtype, tensors["a"][0].dtype, product()))
        ctx.factor = factor
        return x * factor

    @staticmethod
    @tl.amp.custom_bwd(device_type="cpu")
    def backward(ctx, g):
        Scaled.seen.append((g.dtype, product()))
        return None, g * ctx.factor, None


def test_custom_fwd_casts_and_switches_off():
    Scaled.seen.clear()
    x = tl.ones(2, dtype=tl.bfloat16, requires_grad=True)
    with tl.autocast("cpu"):
        Scaled.apply({"a": [x.detach()]}, x, 3.0).sum().backward()
    assert Scaled.seen == [(tl.float32, tl.float32, tl.float32), (tl.float32, tl.float32)]
    assert x.grad.dtype is tl.bfloat16
    Scaled.apply({"a": [x.detach()]}, x, 3.0)
    assert Scaled.seen[-1] == (tl.bfloat16, tl.bfloat16, tl.float32)


def test_custom_bwd_runs_as_forward_did():
    seen = []

    class Product(tl.autograd.Function):
        @staticmethod
        @tl.cpu.amp.custom_fwd
        def forward(ctx, x):
            return x * 1

        @staticmethod
        @tl.cpu.amp.custom_bwd
        def backward(ctx, g):
            seen.append(product())
            return g

    with tl.autocast("cpu", tl.float16):
        out = Product.apply(tl.ones(2, requires_grad=True))
    out.sum().backward()
    Product.apply(tl.ones(2, requires_grad=True)).sum().backward()
    assert seen == [tl.float16, tl.float32]
