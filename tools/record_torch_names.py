"""Write tools/torch_names.toml: the public names of PyTorch, which tools/make_docs.py compares with tapeloom's.

    python tools/record_torch_names.py      in an environment with PyTorch, such as that of `tox -e oracle`

Run it when the PyTorch of the dependency group `torch` changes. Names alone are recorded; what is left out, and why, is
said here and written into the file.
"""

from __future__ import annotations

import importlib
import re
import textwrap
import types
import typing
import warnings
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("torch_names.toml")
NAMESPACES = (
    "torch",
    "torch.Tensor",
    "torch.linalg",
    "torch.fft",
    "torch.signal.windows",
    "torch.special",
    "torch.autograd",
    "torch.amp",
    "torch.autograd.functional",
    "torch.func",
    "torch.nn",
    "torch.nn.functional",
    "torch.nn.init",
    "torch.nn.utils",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.data",
)
#: groups of names that are left out: group -> (why, pattern of the whole name; one with dots matches the qualified name)
EXCLUDED = {
    "quantized": (
        "tapeloom has no quantized tensors",
        r"q_\w+|quanti[sz]ed?_\w+|dequantize|fake_quantize\w+|qscheme|per_(channel|tensor)_\w+|int_repr|is_quantized"
        r"|q?u?int[1-7](x\d)?|quint\w+|qint\w+|float[48]_\w+|bit|bits\d\w*|fbgemm_\w+|choose_qparams_optimized"
        r"|empty_quantized|fused_moving_avg_obs_fake_quant|(scaled|scaled_grouped|grouped)_mm|ScalingType|SwizzleType",
    ),
    "sparse and nested": (
        "tapeloom has no sparse and no nested tensors",
        r"(?!sparse_$)\w*sparse\w*|SparseAdam|(ccol|col|crow|row)_indices(_copy)?|indices(_copy)?|values(_copy)?|hspmm|[hds]?smm"
        r"|spmm|sspaddmm|saddmm|(is_)?coalesced?|dense_dim|to_dense|jagged|is_nested|to_padded_tensor",
    ),
    "half of complex64": (
        "PyTorch itself computes little with it, and no backend has it",
        r"chalf|complex32",
    ),
    "storage": (
        "memory belongs to the backend",
        r"\w*[Ss]torage\w*|(const_)?data_ptr|is_set_to|set_|from_file|share_memory_|is_shared|resize_as_",
    ),
    "strides and layouts": (
        "how an array lies in memory is the backend's business",
        r"as_strided\w*|(new_)?empty_strided|empty_permuted|resize_?|resize_as|torch\.Tensor\.(stride|dim_order)|strided|layout"
        r"|memory_format|channels_last(_3d)?|(legacy_)?contiguous_format|preserve_format",
    ),
    "tensor classes by dtype": (
        "deprecated by PyTorch; write tensor(..., dtype=...)",
        r"torch\.\w+Tensor|set_default_tensor_type|torch\.Tensor\.new",
    ),
    "named tensors": (
        "deprecated by PyTorch",
        r"torch\.Tensor\.(names?|rename_?|refine_names|align_(to|as))|align_tensors",
    ),
    "TorchScript and the compiler": (
        "internals of torch.jit and torch.compile",
        r"torch\.(\w+Type|Sym\w+|\w*Script\w*|sym_\w+|parse_\w+|merge_type_\w+|unify_type_list|import_ir_module\w*"
        r"|AliasDb|Argument\w*|\w+Spec|Benchmark\w+|Block|CallStack|Capsule|Code|CompilationUnit|Concrete\w+|Deep\w+"
        r"|Deserialization\w+|Serialization\w+|DispatchKey\w*|ErrorReport|Exclude\w+|ExecutionPlan|FatalError|FileCheck"
        r"|FunctionSchema|Future|Gradient|Graph\w*|IODescriptor|JITException|LoggerBase|\w+Logger|Node|OperatorInfo"
        r"|PyTorchFile\w+|StaticModule|ThroughputBenchmark|TracingState|Type|Use|Value|DisableTorchFunction\w*|fork|wait"
        r"|while_loop|cond|BufferDict|ModuleDict|ParameterDict|classproperty|typename|Tag|AVG|SUM|PRIVATE_OPS|USE_\w+)"
        r"|torch\.Tensor\.(as_subclass|module_load)|torch\.nn\.functional\.(boolean_dispatch|BroadcastingList\d|DType"
        r"|assert_int_or_pair)|(handle|has)_torch_function\w*|is_tensor_like",
    ),
    "kernels of single libraries": (
        "called by other functions, not by users",
        r"(cudnn|miopen|mkldnn|native)_\w+|batch_norm_\w+|(?!index_)\w+_copy|slice_inverse|unsafe_\w+|ipu|xpu|mtia|to_mkldnn"
        r"|is_(mkldnn|vulkan\w*|xpu|mps|ipu|maia|mtia)|conv_tbc|convolution|constant_pad_nd|\w+_with_indices"
        r"|grid_sampler\w*|affine_grid_generator|embedding_renorm_|norm_except_dim|segment_reduce|hash_tensor|rsub"
        r"|init_num_threads|thread_safe_generator|prepare_multi\w+|profiler_\w+|(lstm|gru|rnn_tanh|rnn_relu)(_cell)?"
        r"|multi_head_attention_forward",
    ),
    "switches of PyTorch itself": (
        "build options, threads, autocast by device type",
        r"autocast_\w+|(set|get|is)_autocast_(cpu|gpu|ipu|xla)_\w+|has_(lapack|mkl|openmp|spectral)|compiled_with\w+"
        r"|(set|get|is)_warn_always\w*|get_file_path|get_device_module|is_distributed|output_nr|record_stream"
        r"|is_multithreading_enabled|set_multithreading_enabled|is_view_replay_enabled|enforce_grad_layout_policy"
        r"|(set|get)_(num(_interop)?_threads|float32_matmul_precision)|set_flush_denormal"
        r"|(\w+_)?deterministic_(algorithms(_\w+)?|debug_mode)"
        r"|set_anomaly_enabled|swap_in_\w+|torch\.autograd\.(kineto_available|Profiler\w+|DeviceType|SavedTensor)",
    ),
    "inside of function transforms": (
        "PyTorch's own machinery, or a library of its own (einops)",
        r"torch\.func\.(debug_unwrap|functionalize|rearrange)",
    ),
    "several processes": (
        "statistics over processes need a process group, which tapeloom has not; DataParallel is one process",
        r"SyncBatchNorm",
    ),
    "settings of single kernels": (
        "how PyTorch cuts one computation into pieces, or lays out memory",
        r"LinearCrossEntropyOptions|convert_conv[23]d_weight_memory_format",
    ),
    "data pipes": (
        "an experiment that PyTorch withdrew",
        r"torch\.utils\.data\.(\w*DataPipe|\w*datapipe\w*|DataChunk|(argument|runtime)_validation\w*|non_deterministic)",
    ),
    "for few": (
        "decompositions of indefinite matrices, and some eigenvalues alone; use solve, or eigh",
        r"ldl_(factor(_ex)?|solve)|lobpcg",
    ),
    "streams and pinned memory": (
        "the memory and the streams of a device are its backend's business; allocations that fail raise MemoryError",
        r"pin_memory|is_pinned|Event|Stream|AcceleratorError|OutOfMemoryError",
    ),
    "undocumented": (
        "methods and attributes that PyTorch's documentation does not name",
        r"torch\.Tensor\.(index|grad_dtype)",
    ),
    "deprecated": (
        "kept by PyTorch for old programs, or there to raise an error",
        r"torch\.(Tensor\.)?(symeig|eig|solve|lstsq|matrix_rank|triangular_solve|chain_matmul)"
        r"|torch\.Tensor\.(volatile|reinforce|map2?_|apply_)|torch\.autograd\.([Vv]ariable|NestedIOFunction)"
        r"|torch\.nn\.(Container|NLLLoss2d|CrossMapLRN2d|Upsampling\w+)|torch\.nn\.functional\.upsample\w*"
        r"|torch\.nn\.init\.(?!calculate_gain|Tensor)\w+(?<!_)|clip_grad_norm",
    ),
    "imports and notes": (
        "in the module by chance: imports, and texts of the documentation",
        r"annotations|TYPE_CHECKING|factory_kwargs|\w+_notes|torch\.fft\.(Tensor|\w*common_args)|torch\.optim\.lr_scheduler\.(inf|bisect_right|Optimizer"
        r"|EPOCH_DEPRECATION_WARNING|Tensor)|torch\.special\.(Tensor|common_args|multi_dim_common)|torch\.nn\.(functional|init)\.(Tensor|GRID_SAMPLE\w+)",
    ),
}
#: modules whose functions and classes other modules merely import
FOREIGN = ("_bisect", "bisect", "collections", "contextlib", "functools", "typing", "typing_extensions", "weakref")


def namespace(name: str) -> Any:
    """The module or class ``name``."""
    if name == "torch.Tensor":
        return importlib.import_module("torch").Tensor
    return importlib.import_module(name)


def foreign(value: Any) -> bool:
    """Whether a module merely imported ``value``: another module, or what the standard library has."""
    if isinstance(value, (types.ModuleType, typing.TypeVar)) or value is Any:
        return True
    home = getattr(value, "__module__", None) or ""
    return home.split(".")[0] in FOREIGN


def group_of(name: str, where: str) -> str | None:
    """The group of EXCLUDED that ``name`` of the namespace ``where`` belongs to, if any."""
    for group, (_, pattern) in EXCLUDED.items():
        if re.fullmatch(pattern, name) or re.fullmatch(pattern, f"{where}.{name}"):
            return group
    return None


def record() -> str:
    """The text of the file."""
    version = namespace("torch").__version__

    warnings.simplefilter("ignore")
    names: dict[str, list[str]] = {}
    left_out: dict[str, list[str]] = {group: [] for group in EXCLUDED}
    for where in NAMESPACES:
        module = namespace(where)
        names[where] = []
        for name in dir(module):
            if name.startswith("_") or foreign(getattr(module, name, None)):
                continue
            group = group_of(name, where)
            if group is None:
                names[where].append(name)
            else:
                left_out[group].append(f"{where}.{name}")
    lines = [
        "# Written by tools/record_torch_names.py; do not edit.",
        f'torch = "{version.partition("+")[0]}"',
        "",
        "[names]",
    ]
    for where, found in names.items():
        lines += [f'"{where}" = """', *textwrap.wrap(" ".join(found), 120, break_on_hyphens=False), '"""']
    for group, (reason, _) in EXCLUDED.items():
        lines += ["", "[[excluded]]", f'group = "{group}"', f'reason = "{reason}"', 'names = """']
        lines += [*textwrap.wrap(" ".join(left_out[group]), 120, break_on_hyphens=False), '"""']
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    OUT.write_text(record(), "utf-8")
