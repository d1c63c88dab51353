"""PyTorch's side of the comparison: for each row of the table what PyTorch calls it, and how its cases are run there."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tapeloom.dtypes import DType
from tapeloom.testing.samples.decomposition import AROUND
from tapeloom.testing.table import Case, Row

#: rows of what PyTorch does not have: parts of our gradient rules, of our own interface, and random bits
OURS = set(
    (
        "alias full_of zeros_of zero_of place reduce_to swap_last slice_get unslice slice_put scale_mirrored "
        "select_column masked_scale relu_backward spread diagonal_put unfold_along fold_along repeated_places bitcast "
        "get_device new_empty max_pool_backward avg_pool_backward embedding_backward resample resample_backward region_means region_means_backward softmax_backward "
        "log_softmax_backward binary_cross_entropy_terms sgd adam row_scaled_step one_hot new_tensor tensor as_tensor "
        "rand rand_like randn randn_like normal randint randint_like randperm bernoulli dropout uniform_ normal_ "
        "bernoulli_ random_ multinomial poisson binomial exponential_ geometric_ cauchy_ log_normal_ alpha_dropout "
        "feature_alpha_dropout dropout1d dropout2d dropout3d feature_dropout rrelu rrelu_ gumbel_softmax dropout_ "
        "feature_dropout_ alpha_dropout_ feature_alpha_dropout_ is_contiguous detach_ equal allclose copy_ empty "
        "empty_like unique_places permute_rows cofactors svd_lowrank pca_lowrank"
    ).split()
) | {"cholesky of what has none"}
#: names whose public form is that of torch.nn.functional, with another signature than the one in torch
LAYERS = {
    "batch_norm",
    "adaptive_max_pool1d",
    "embedding",
    "instance_norm",
    "binary_cross_entropy_with_logits",
    "group_norm",
    "layer_norm",
    "bilinear",
    "rms_norm",
    "conv2d",
    "prelu",
}
#: rows that PyTorch spells otherwise
SPELLED: dict[str, Any] = {
    "cross_entropy_rows": lambda x, t, w, ignore, kind, smooth: F.cross_entropy(
        x, t, w, ignore_index=ignore, reduction=kind, label_smoothing=smooth
    ),
    "embedding_rows": lambda weight, indices, padding: F.embedding(indices, weight, padding),
    "nll_loss_rows": lambda x, t, w, ignore, kind: F.nll_loss(x, t, w, ignore_index=ignore, reduction=kind),
    "logits_loss": lambda x, t, w, positive, kind: F.binary_cross_entropy_with_logits(
        x, t, w, reduction=kind, pos_weight=positive
    ),
    "floor_divide": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "add_scaled": lambda x, y, alpha: torch.add(x, y, alpha=alpha),
    "subtract_scaled": lambda x, y, alpha: torch.sub(x, y, alpha=alpha),
    "trunc_divide": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "pow": torch.pow,
    "roll_along": torch.roll,
    "amax": lambda x, dim=(), keepdim=False: torch.amax(x, dim if x.ndim else (), keepdim),
    "amin": lambda x, dim=(), keepdim=False: torch.amin(x, dim if x.ndim else (), keepdim),
    "max_values": lambda x, dim, keepdim=False: torch.max(x, dim, keepdim),
    "min_values": lambda x, dim, keepdim=False: torch.min(x, dim, keepdim),
    "argmax_along": lambda x, dim, keepdim=False: torch.argmax(x, dim, keepdim),
    "argmin_along": lambda x, dim, keepdim=False: torch.argmin(x, dim, keepdim),
    "median_values": torch.median,
    "median_of_all": torch.median,
    "nanmedian_values": torch.nanmedian,
    "nanmedian_of_all": torch.nanmedian,
    "counted": lambda x, weights, least: torch.bincount(x, weights, least).to(weights.dtype),
    "bincount with weights": torch.bincount,
    "counted_evenly": torch.histc,
    "bins_of": lambda x, edges: torch.searchsorted(edges, x, right=True) - 1,
    "renorm_": lambda x, *args: x.clone().renorm_(*args),
    "quantile_of_lines": lambda x, q, way, skip: _lines(torch.nanquantile if skip else torch.quantile, x, q, way),
    "counted_in_grid": lambda x, edges, weight: torch.histogramdd(x, edges, weight=weight).hist,
    "histogramdd": lambda *args, **kw: _flat(torch.histogramdd(*args, **kw)),
    "variance": lambda x, dim=None, correction=1.0, keepdim=False: torch.var(
        x, dim, correction=correction, keepdim=keepdim
    ),
    "deviation": lambda x, dim=None, correction=1.0, keepdim=False: torch.std(
        x, dim, correction=correction, keepdim=keepdim
    ),
    "order_norm": lambda x, p=2, dim=None, keepdim=False: torch.linalg.vector_norm(x, p, dim, keepdim),
    "addcmul_scaled": lambda x, y, z, value: torch.addcmul(x, y, z, value=_number(value)),
    "addcdiv_scaled": lambda x, y, z, value: torch.addcdiv(x, y, z, value=_number(value)),
    "complex float_power": torch.float_power,
    "polygamma_of": lambda x, n: torch.polygamma(n, x),
    "cholesky_factor": lambda A, upper=False: torch.linalg.cholesky_ex(A, upper=upper),
    "qr_factors": lambda A, complete=False: torch.linalg.qr(A, "complete" if complete else "reduced"),
    "lu_decomposition": torch.linalg.lu_factor_ex,
    "svd_factors": lambda A, full=False: torch.linalg.svd(A, full),
    "singular_values": torch.linalg.svdvals,
    "eigh_factors": lambda A, upper=False: torch.linalg.eigh(A, "U" if upper else "L"),
    "eigh_values": lambda A, upper=False: torch.linalg.eigvalsh(A, "U" if upper else "L"),
    "eig_factors": torch.linalg.eig,
    "one triangle": torch.linalg.eigvalsh,
    "solve_triangle": lambda A, B, upper, unit=False: torch.linalg.solve_triangular(
        A, B, upper=upper, unitriangular=unit
    ),
    "solve_system": torch.linalg.solve_ex,
    "inverse_info": torch.linalg.inv_ex,
    "what singular matrices give": lambda A: torch.linalg.inv_ex(A).info,
    "pseudo_inverse": lambda A, atol, rtol: torch.linalg.pinv(A, atol=atol, rtol=rtol),
    "linalg.pinv of a Hermitian matrix": lambda x: torch.linalg.pinv(x + x.mH, hermitian=True),
    "determinant": torch.linalg.det,
    "det of a singular matrix": torch.linalg.det,
    "sign_and_log": torch.linalg.slogdet,
    "matrix_exponential": torch.linalg.matrix_exp,
    "matrix norms by singular values": torch.linalg.matrix_norm,
    "norm by singular values": torch.norm,
    "round_decimals": lambda x, decimals: torch.round(x, decimals=decimals),
    "scaled_elu": lambda x, slope=1.0, alpha=1.0, rate=1.0: torch._C._nn.elu(x, alpha / slope, slope, rate),
    "gated": lambda x, gate: F.glu(torch.stack([x, gate]), 0).squeeze(0),
    "sloped": lambda x, weight: torch.where(x > 0, x, x * weight),
    "smooth_l1": lambda x, t, reduction, beta: F.smooth_l1_loss(x, t, reduction=reduction, beta=beta),
    "prod": lambda x, dim=None, keepdim=False, **kw: _prod(x, dim, keepdim, **kw),
    "logsumexp": lambda x, dim, keepdim=False: torch.logsumexp(
        x, tuple(range(x.ndim)) if dim is None else dim, keepdim
    ),
    "norm": lambda x, p=2, dim=None, keepdim=False: torch.norm(x, p, dim, keepdim),
    "cast": lambda x, dtype: x.to(dtype),
    "constant_pad": lambda x, pad, value=0: F.pad(x, pad, value=value),
    "reshape": lambda x, *shape, **kw: torch.reshape(
        x, kw.get("shape", shape[0] if shape and not isinstance(shape[0], int) else shape)
    ),
    "expand": lambda x, *size: x.expand(*size),
    "squeeze": lambda x, *dims, **kw: torch.squeeze(x, *(dims or kw.values())),
    "permute": lambda x, *dims: x.permute(*dims),
    "flip": lambda x, *dims, **kw: x.flip(*(dims or kw.values())),
    "ravel": torch.ravel,
    "index": lambda x, indices, dims: x[_key(x, indices, dims)],
    "index_put": lambda x, indices, value, dims, accumulate=False: (
        torch.index_put(x, tuple(indices), value, True) if accumulate else _assigned(x, _key(x, indices, dims), value)
    ),
    "x[key]": lambda x, key: x[tuple(key)],
    "x[key] = value": lambda x, key, value: _assigned(x, key, value),
    "index_put as in PyTorch": lambda x, indices, *args, **kwargs: torch.index_put(x, tuple(indices), *args, **kwargs),
    "index_put_": lambda x, indices, *args, **kwargs: x.clone().index_put_(tuple(indices), *args, **kwargs),
    "nonzero": torch.nonzero,
    "nonzero as a tuple": lambda x: torch.nonzero(x, as_tuple=True),
    "searchsorted_rows": lambda s, x, sorter, right: torch.searchsorted(s, x, right=right, sorter=sorter),
    "searchsorted in int32": lambda s, x: torch.searchsorted(s, x, out_int32=True),
    "complex": lambda real, imag: torch.complex(_single(real), _single(imag)),
    "view_as_complex": lambda x: torch.complex(_single(x[..., 0]), _single(x[..., 1])),
    "batch_norm_train": lambda x, w, b, eps=1e-5: (
        F.batch_norm(x, None, None, w, b, True, 0.1, eps),
        x.mean([0, *range(2, x.ndim)]),
        x.var([0, *range(2, x.ndim)], correction=0),
    ),
    "batch_norm_train[0]": lambda x, w, b, eps=1e-5: F.batch_norm(x, None, None, w, b, True, 0.1, eps),
    "running statistics": lambda x, mean, var, momentum: _moved(x, mean.clone(), var.clone(), momentum),
    "convolution": lambda x, w, b, s, p, d, groups: _of_rank("conv{}d", w)(x, w, b, s, p, d, groups),
    "convolution_input_gradient": lambda g, w, size, *settings: _conv_backward(g, g.new_zeros(size), w, *settings)[0],
    "convolution_weight_gradient": lambda g, x, size, *settings: _conv_backward(g, x, g.new_zeros(size), *settings)[1],
    "max_pool_with_indices": lambda x, *settings: _of_rank("max_pool{}d", x)(x, *settings, return_indices=True),
    "max_pool1d indices": lambda x, k: F.max_pool1d(x, k, return_indices=True),
    "max_pool2d indices": lambda x, k: F.max_pool2d(x, k, return_indices=True),
    "max_pool3d indices": lambda x, k: F.max_pool3d(x, k, return_indices=True),
    "avg_pool": lambda x, *settings: _of_rank("avg_pool{}d", x)(
        x, *(settings if x.ndim > 3 else settings[:-1])
    ),  # in 1-d without divisor_override
    "adaptive_max_pool": lambda x, size: _of_rank("adaptive_max_pool{}d", x)(x, size, return_indices=True),
    "adaptive_max_pool2d indices": lambda x, size: F.adaptive_max_pool2d(x, size, return_indices=True),
    "fractional_max_pool": lambda x, samples, *sizes: _of_rank("fractional_max_pool{}d", x)(
        x, *sizes, return_indices=True, _random_samples=samples
    ),
    "max_unpool": lambda x, indices, size: _of_rank("max_unpool{}d", x)(
        x, indices, [n - m + 1 for n, m in zip(size, x.shape[2:], strict=True)], 1
    ),
    "columns": lambda x, *settings: _columns(x, *settings),
    "columns_backward": lambda g, size, kernel, dilation, padding, stride: F.fold(
        g, size[2:], kernel, dilation, padding, stride
    ),
    "nn.functional.unfold": F.unfold,
    "nn.functional.fold": F.fold,
    "sample_grid": lambda x, grid, starts, *settings: F.grid_sample(x, grid, *settings),
    "running statistics of instances": lambda x, mean, var, momentum: _moved_by_instances(
        x, mean.clone(), var.clone(), momentum
    ),
    "adaptive_avg_pool1d": lambda x, size: F.adaptive_avg_pool1d(x, x.shape[-1] if size is None else size),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "fill_": lambda x, value: x.clone().fill_(value),
    "zero_": lambda x: x.clone().zero_(),
    "squeeze_": lambda x, *dim: x.clone().squeeze_(*dim),
    "unsqueeze_": lambda x, dim: x.clone().unsqueeze_(dim),
    "t_": lambda x: x.clone().t_(),
    "transpose_": lambda x, *dims: x.clone().transpose_(*dims),
    "fill_diagonal_": lambda x, value, wrap=False: x.clone().fill_diagonal_(value, wrap),
    "unfold": lambda x, *window: x.unfold(*window),
    "view as a dtype": lambda x, *dtype, **named: x.view(*dtype, *named.values()),
    "repeat_interleave of places": torch.repeat_interleave,
    "eye": lambda n, m=None, **kw: torch.eye(n, **kw) if m is None else torch.eye(n, m, **kw),
    "linspace": torch.linspace,
    "stft as pairs": torch.stft,
    "istft of complex signals": torch.istft,
    "fft_complex": lambda x, dim, inverse, norm: (torch.fft.ifftn if inverse else torch.fft.fftn)(x, None, dim, norm),
    "fft_real": lambda x, dim, norm: torch.fft.rfftn(x, None, dim, norm),
    "fft_half": lambda x, dim, n, norm: _from_half(x, dim if isinstance(dim, tuple) else (dim,), n, norm),
    "arange": torch.arange,
    "isclose": torch.isclose,
    "take_along_dim": lambda x, indices, dim=None: torch.take_along_dim(x, indices, dim),
    "mse_loss": lambda x, t, reduction="mean": F.mse_loss(x, t, reduction=reduction),
    "l1_loss": lambda x, t, reduction="mean": F.l1_loss(x, t, reduction=reduction),
    "gelu": lambda x, approximate="none": F.gelu(x, approximate=approximate),
    "logsigmoid": F.logsigmoid,
    "softmin": lambda x, dim: F.softmin(x, dim),
    "celu": lambda x, alpha=1.0: F.celu(x, alpha),
    "elu": lambda x, alpha=1.0: F.elu(x, alpha),
    "clone": torch.clone,
    "tile": lambda x, *dims: torch.tile(x, dims[0] if isinstance(dims[0], tuple) else dims),
    "zeros": lambda *size, **kw: torch.zeros(*(size or ((),)), **kw),
    "ones": lambda *size, **kw: torch.ones(*(size or ((),)), **kw),
}
for _name in (
    "hypot logaddexp logaddexp2 atan2 maximum minimum fmax fmin logical_and logical_or logical_xor".split()
):  # these take no numbers
    SPELLED[_name] = lambda x, y, call=getattr(torch, _name): call(
        x, y if isinstance(y, torch.Tensor) else torch.tensor(y)
    )
#: calls that PyTorch refuses and tapeloom takes
TAKEN = {
    "cross_entropy(T[4, 3], P[4])",  # int32 labels
    "index_add(T[], 0, I[1], T[1])",
    "scatter_add(T[3, 4], 1, I[2, 3], T[3, 4])",  # its backward, where the source is larger than the index
    "scatter_add(T[3, 4], 0, I[0], T[2, 2])",  # its backward
    *[f"fft.{kind}fft(T[0, 3])" for kind in ("", "i", "r", "ir", "h", "ih")],  # MKL refuses empty tensors
    "fft_complex(T[0, 3], 1, False, 'forward')",
    "fft_real(T[0, 3], 1, 'forward')",
    "fft_half(T[0, 2], 1, 2, 'forward')",
    "lu_decomposition(V[2, 4], pivot=False)",  # on the CPU
    "linalg.cond(V[3, 3], 'fro')",  # their backward
    "linalg.cond(V[3, 3], 1)",
    "linalg.cond(V[3, 3], inf)",
    "linalg.cond(T[0, 2, 2], 1)",
    "det of a singular matrix(V[3, 3])",  # its backward: 0 there, instead of the cofactors
    "group_norm(T[2, 4], 1, None, T[4])",  # its backward, with a bias and no weight
    "scatter(T[2, 3, 4], -1, P[1, 2, 2], T[2, 3, 2])",  # its backward, where the source is larger than the index
    "scatter_reduce(T[3, 4], 1, P[3, 5], T[3, 6], 'prod')",
    "scatter(T[3, 4], 0, I[2, 4], T[2, 4], reduce='add')",  # its backward, with a reduction
    "scatter(T[3], 0, I[4], 2, reduce='multiply')",
    "index_fill(T[2, 3, 4], -1, P[2], T[])",  # its backward, with a negative index
    *(
        "isin(V[2, 3], V[5])",
        "isin(V[2, 3], 3)",
        "isin(2, V[5])",
        "isin(V[2, 3], V[2, 4], assume_unique=False, invert=True)",
    ),  # bools
    "isin(V[], T[0], invert=True)",
    "unique(T[2, 3])",  # its backward
    "unique_consecutive(T[2, 3])",
    "pixel_shuffle(T[0, 4, 2, 2], 2)",  # its backward, of nothing
}
#: values that differ on purpose: (call, dtype) or a call in all dtypes; each stands in docs/reference/differences.md or is nan in PyTorch
DIFFERENT = {
    ("all(T[2, 3, 4])", "uint8"),  # PyTorch keeps uint8 for uint8 alone
    ("any(T[2, 3, 4])", "uint8"),
    ("gelu(V[3])", "float16"),  # gelu(inf) is inf; PyTorch's half kernels give nan
    ("gelu(V[3])", "bfloat16"),
    ("gelu(V[3])", "float32"),
    *(("polygamma_of(V[4], 1)", kind) for kind in ("bfloat16", "float32", "float64")),  # a pole is infinite
    (
        "polygamma_of(T[3, 4], 1)",
        "float64",
    ),  # PyTorch's trigamma is good to 1e-9, and its Airy and Bessel functions to 1e-8
    *(("zeta(V[6], V[6])", kind) for kind in ("float32", "float64")),  # of negative numbers
    *(("airy_ai(V[5])", kind) for kind in ("float32", "float64")),  # at infinity 0
    *((f"bessel_{kind}(V[{count}])", "float64") for kind, count in (("j0", 4), ("j1", 3), ("y0", 4), ("y1", 4))),
}
#: what PyTorch computes, but does not differentiate, in this dtype
WITHOUT_GRADIENT = {
    ("convolution_input_gradient", "complex128"),
    ("convolution_weight_gradient", "complex128"),
    ("bilinear", "complex128"),
    ("vander", "float64"),  # its backward changes what it kept
    ("vander", "complex128"),
    ("nan_to_num", "complex128"),
    ("scatter_reduce", "complex128"),
    ("select_scatter", "complex128"),
    ("slice_scatter", "complex128"),
    ("counted", "float64"),
    ("counted_in_grid", "float64"),
    ("bincount with weights", "float64"),
}
#: PyTorch's namespaces that core has too
NAMESPACES = ("linalg.", "fft.", "signal.windows.")
KEYWORDS = {"axis": "dim", "keepdims": "keepdim"}


def _lines(function: Any, x: Any, q: Any, way: str) -> Any:
    return function(x, q, -1, interpolation=way).movedim(0, -1) if x.numel() else x.new_zeros((*x.shape[:-1], len(q)))


def _flat(found: Any) -> Any:
    """A pair, the second of which is a tuple, as one tuple."""
    return found[0], *found[1]


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor) else value


def _of_rank(name: str, x: Any) -> Any:
    """The function of this name for the spatial dimensions of ``x``."""
    return getattr(F, name.format(x.ndim - 2))


def _conv_backward(g: Any, x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    each = [[value] * (w.ndim - 2) if isinstance(value, int) else list(value) for value in (stride, padding, dilation)]
    return torch.ops.aten.convolution_backward(g, x, w, None, *each, False, [0], groups, (True, True, False))


def _columns(x: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    if x.ndim == 4:
        return F.unfold(x, kernel, dilation, padding, stride)
    return F.unfold(x[..., None], (*kernel, 1), (*dilation, 1), (*padding, 0), (*stride, 1))


def _from_half(x: Any, dim: Any, n: int, norm: str) -> Any:
    return torch.fft.irfftn(x, [*(x.shape[axis] for axis in dim[:-1]), n], dim, norm)


def _single(x: Any) -> Any:
    """Half types as float32: PyTorch joins float16 to complex32, which is not here, and bfloat16 not at all."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _prod(x: Any, dim: Any, keepdim: bool, **kw: Any) -> Any:
    dim = kw.pop("axis", dim)
    keepdim = kw.pop("keepdims", keepdim)
    if dim is None or isinstance(dim, int):
        return torch.prod(x, **kw) if dim is None else torch.prod(x, dim, keepdim, **kw)
    for axis in sorted((d % x.ndim for d in dim), reverse=True):  # PyTorch takes one dim at a time
        x = torch.prod(x, axis, True, **kw)
    return x if keepdim else x.squeeze(tuple(dim))


def _key(x: Any, indices: Any, dims: Any) -> tuple[Any, ...]:
    key: list[Any] = [slice(None)] * x.ndim
    for dim, index in zip(dims, indices, strict=True):
        key[dim] = index
    return tuple(key)


def _assigned(x: Any, key: Any, value: Any) -> Any:
    x = x.clone()
    x[tuple(key)] = value
    return x


def _moved(x: Any, mean: Any, var: Any, momentum: float) -> Any:
    F.batch_norm(x, mean, var, training=True, momentum=momentum)
    return mean, var


def _moved_by_instances(x: Any, mean: Any, var: Any, momentum: float) -> Any:
    F.instance_norm(x, mean, var, momentum=momentum)
    return mean, var


def spelling(row: Row) -> Any:
    """PyTorch's function for a row, or None where there is none."""
    name = row.name
    found = _named(name)
    return AROUND[name](found) if found and name in AROUND else found


def _named(name: str) -> Any:
    if name in OURS:
        return None
    if name in SPELLED:
        return SPELLED[name]
    if name.startswith(NAMESPACES):
        return attrgetter(name)(torch)
    for home in (F, torch) if name in LAYERS else (torch, F, torch.special):
        if hasattr(home, name) and callable(getattr(home, name)):
            return getattr(home, name)
    if hasattr(torch.Tensor, name):
        return getattr(torch.Tensor, name)
    raise LookupError(f"the row {name!r} has no counterpart: name it in SPELLED, or in OURS")


def dtype_of(kind: DType) -> Any:
    """PyTorch's dtype for ours."""
    return getattr(torch, kind.name)


def theirs(value: Any) -> Any:
    """A host array as a torch tensor."""
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        return torch.tensor(array.astype(np.float32)).to(torch.bfloat16).reshape(array.shape)
    return torch.tensor(array).reshape(array.shape)


def host(tensor: Any) -> Any:
    """A torch tensor as a host array of complex128, float64, int64 or bool."""
    tensor = tensor.detach()
    if tensor.is_complex():
        return tensor.to(torch.complex128).numpy(force=True)
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy(force=True)


def inexact(tensor: Any) -> bool:
    """Whether a torch tensor can have a gradient."""
    return tensor.is_floating_point() or tensor.is_complex()


def inputs_of(case: Case, kind: DType) -> list[Any]:
    """The tensors among the arguments of a case, as host arrays, in order."""
    args, kwargs = case.arguments(kind)
    found: list[Any] = []

    def walk(value: Any) -> None:
        if isinstance(value, (np.ndarray, np.generic)):
            found.append(np.asarray(value))
        elif isinstance(value, (list, tuple)):
            for item in value:
                walk(item)

    walk([*args, *kwargs.values()])
    return found


class Run:
    """One case run by PyTorch: its results, and the leaves that need a gradient."""

    def __init__(self, case: Case, kind: DType, needs: bool) -> None:
        args, kwargs = case.arguments(kind)
        specs = case.inputs()
        self.leaves: list[Any] = []

        def there(value: Any) -> Any:
            if isinstance(value, (np.ndarray, np.generic)):
                tensor = theirs(value)
                spec = next(specs)
                if needs and spec.grad and inexact(tensor) and spec.kind in "TV":
                    self.leaves.append(tensor.requires_grad_())
                return tensor
            if isinstance(value, (list, tuple)) and any(isinstance(item, (np.ndarray, list, tuple)) for item in value):
                return type(value)(there(item) for item in value)
            return dtype_of(value) if isinstance(value, DType) else value

        own = [there(item) for item in args]
        named = {KEYWORDS.get(name, name): there(item) for name, item in kwargs.items()}
        if case.row.maker:
            named = {"dtype": dtype_of(kind)} | named
        result = spelling(case.row)(*own, **named)
        self.results = list(result) if isinstance(result, (tuple, list)) else [result]

    def gradients(self) -> list[Any]:
        """The gradients of the leaves, for the fixed gradients of the results that ``weights`` gives."""
        total: Any = 0
        found = [out for out in self.results if isinstance(out, torch.Tensor) and inexact(out)]
        for number, out in enumerate(found):
            if out.requires_grad:
                weighted = (out * theirs(weights(out.shape, number, out.is_complex())).to(out.dtype)).sum()
                total = total + (weighted.real if out.is_complex() else weighted)
        if isinstance(total, torch.Tensor):
            total.backward()
        return [None if leaf.grad is None else host(leaf.grad) for leaf in self.leaves]


def weights(shape: Any, number: int, complex: bool = False) -> Any:
    """What the result ``number`` of this shape is multiplied by before its sum, or the real part of it, is walked back."""
    angles = np.arange(math.prod(shape)) * 0.25 + number
    return (np.exp(1j * angles) if complex else np.cos(angles)).reshape(tuple(shape))
