"""The differences that are meant: each with the section of docs/differences.md that speaks of it, and its reason."""

from __future__ import annotations

import numpy as np
from comparing import Find
from conditions import (
    HALVES,
    TAKEN,
    Condition,
    among,
    calls,
    dtype,
    emptied,
    every,
    expanded,
    extreme,
    huge,
    kind,
    least,
    mixed,
    nothing,
    number,
    number_of,
    ours,
    some,
    theirs,
    unbounded,
)


class Allowed:
    """One difference: where it is said, why it is, and which finds it explains."""

    def __init__(self, section: str, reason: str, when: Condition) -> None:
        self.section = section
        self.reason = reason
        self.when = when


GRADIENT = ("gradient", TAKEN)
QUOTIENTS = "div divide true_divide floor_divide floordiv ifloordiv remainder mod imod".split()
CONVOLUTIONS = [f"conv{kind}{rank}d" for kind in ("", "_transpose") for rank in (1, 2, 3)]
GAMMAS = "lgamma gammaln digamma psi polygamma mvlgamma multigammaln zeta igamma igammac gammainc gammaincc".split()
BESSELS = "airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 erfcx ndtr log_ndtr sinc".split()
POLYNOMIALS = [
    f"{shifted}chebyshev_polynomial_{letter}" for shifted in ("", "shifted_") for letter in "tuvw"
] + "hermite_polynomial_h hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p".split()
SYSTEMS = (
    "lu lu_factor lu_factor_ex lu_solve lu_unpack slogdet logdet solve solve_ex inv inv_ex inverse pinv pinverse "
    "solve_triangular cholesky_solve householder_product orgqr ormqr geqrf det matrix_power"
).split()
NORMS = "layer_norm group_norm batch_norm instance_norm rms_norm normalize".split()

TENSORS = [
    (
        "view is reshape, both always share, and so do the functions made of them",
        some(
            theirs(TAKEN, "view size is not compatible", "last dimension with stride 1", "storage_offset divisible"),
            every(
                kind("which arguments"),
                calls(*"view reshape view_as reshape_as flatten ravel unflatten contiguous".split()),
            ),
        ),
    ),
    ("is_contiguous() is True", calls("is_contiguous")),
    ("a write through expand is refused", ours("cannot be written through")),
    ("conjugates are computed at once", every(kind("which arguments"), calls(*"conj adjoint mH H imag".split()))),
    (
        "topk and kthvalue find the first of equal elements, in order",
        every(kind("values", "gradient of"), calls("topk", "kthvalue")),
    ),
    (
        "PyTorch's nanmedian of an expanded tensor is wrong",
        every(kind("values"), calls("median", "nanmedian"), expanded),
    ),
    ("a nan is no mode where there are numbers", every(kind("values", "gradient of"), calls("mode"), among(np.isnan))),
    (
        "the mean in var_mean is that of mean, also of infinities",
        every(
            kind("values"),
            calls("var_mean", "std_mean"),
            some(
                among(lambda values: ~np.isfinite(values)),
                lambda find: find.call.kwargs.get("correction") not in (None, 0, 1),
            ),
        ),
    ),
    ("the edges of a histogram are exact", every(kind("values"), calls("histogram", "histogramdd", "histc"))),
    ("a nan is unique, and stands behind", every(kind("values", "shape"), calls("unique"), among(np.isnan))),
    ("arrays of bfloat16 exist here", theirs(TAKEN, "unsupported ScalarType BFloat16")),
]
NUMBERS = [
    ("a Python number that an integer dtype cannot hold is an error", ours("the number .* does not fit")),
    (
        "a Python number that an integer dtype cannot hold equals none of its values",
        every(
            kind("values", "result"),
            calls(*"eq ne lt le gt ge not_equal less less_equal greater greater_equal contains".split()),
            number,
        ),
    ),
    (
        "special functions are as exact as the dtype",
        every(kind("values", "gradient of"), calls(*GAMMAS, *BESSELS, *POLYNOMIALS)),
    ),
    (
        "float_power_, cumsum_ and cumprod_ round to the dtype of the tensor",
        theirs(TAKEN, "base given to float_power_ has dtype", "Bad in-place call"),
    ),
    (
        "uint16, uint32 and uint64 are promoted",
        theirs(GRADIENT, "Promotion for uint16, uint32, uint64 types is not supported"),
    ),
    ("gcd is not negative, but of the smallest integers alone", every(kind("values"), calls("gcd", "lcm"), least)),
    (
        "a Python number beside a half tensor is rounded to its dtype first",
        every(kind("values", "gradient of"), number, dtype(*HALVES)),
    ),
    (
        "half types are rounded once, at the end; PyTorch's vectorised kernels round quotients too, and pow's gradient the exponent",
        some(
            every(kind("values"), calls(*QUOTIENTS), dtype(*HALVES)),
            every(kind("gradient of"), calls("pow", "ipow", "rpow"), dtype(*HALVES)),
        ),
    ),
    ("there is no complex32", lambda find: "complex32" in find.result_dtypes()),
    ("what an integer divided by 0 gives is not promised", theirs(TAKEN, "ZeroDivisionError")),
    ("all and any give bool, also of uint8", every(kind("dtype"), calls("all", "any"), dtype("uint8"))),
    (
        "a dtype that PyTorch's kernels lack is taken",
        theirs(
            GRADIENT,
            "not implemented for",
            "does not support",
            "not supported for",
            "is not supported on",
            "Expected both inputs to be Half, Float or Double",
            "is only supported for half, float and double",
            "handles only integral, floating-point and boolean",
            "may not be a boolean tensor",
            "could not infer output dtype",
        ),
    ),
    (
        "different dtypes are promoted, where PyTorch wants one",
        every(
            mixed,
            some(
                every(
                    kind("dtype"),
                    some(
                        nothing,
                        calls(
                            "matmul",
                            "mm",
                            "bmm",
                            "addbmm",
                            "einsum",
                            "binary_cross_entropy_with_logits",
                            "binary_cross_entropy",
                            "linear",
                            *CONVOLUTIONS,
                            *NORMS,
                        ),
                    ),
                ),
                theirs(
                    GRADIENT,
                    "same dtype",
                    "did not match",
                    "[Ff]ound dtype",
                    "expected m1 and m2",
                    "[Ee]xpected .* type",
                    "mixed dtype",
                    "to have type",
                    "must have the same",
                    "should be the same",
                    "can't be cast",
                    "promoting not supported",
                    "dtypes match",
                    "needs_dynamic_casting",
                    "expected dtype .* for `(end|weight)`",
                    "dtypes must be the same",
                    "tau dtype .* does not match",
                ),
            ),
        ),
    ),
    ("float - bool is taken", theirs(TAKEN, "Subtraction, the `-` operator, with a bool tensor")),
    (
        "norms and products of integers are taken, and a dtype for them that is narrower",
        theirs(
            TAKEN,
            "Expected a floating point or complex tensor as input",
            "dtype should be (floating|real|complex)",
            "dtype should be real",
            "without narrowing",
        ),
    ),
    (
        "indices may have any integer dtype",
        theirs(
            TAKEN,
            "for index",
            "expected indices",
            "must be long",
            "IntTensor",
            "dtype of indices should be",
            "expected target dtype",
            "index tensor of type LongTensor",
        ),
    ),
    ("gelu of infinity is infinity", every(calls("gelu"), among(np.isinf))),
    (
        "complex infinities and powers of complex 0 are not promised",
        every(
            kind("values", "gradient of", "whether argument"),
            some(
                dtype("complex64", "complex128"),
                lambda find: any(isinstance(x, complex) for x in find.call.args),
                lambda find: any(str(name).startswith("complex") for name in find.result_dtypes()),
            ),
            some(
                among(lambda values: ~np.isfinite(values)),
                huge,
                every(calls("pow", "ipow", "rpow"), some(among(lambda values: values == 0), dtype("bool"), number)),
            ),
        ),
    ),
    (
        "sums of integers that a float cannot hold are rounded in another order",
        every(kind("values"), calls(*"sum mean cumsum var std trapezoid trapz cumulative_trapezoid".split()), huge),
    ),
    (
        "linspace and logspace to infinity are not promised",
        every(
            kind("values"),
            calls("linspace", "logspace"),
            lambda find: (
                not np.isfinite(
                    [*find.call.args[:2], *(find.call.kwargs.get(name, 0) for name in ("start", "end"))]
                ).all()
            ),
        ),
    ),
    (
        "isclose of integers is exact; in PyTorch the difference wraps, or is rounded to a float",
        every(calls("isclose", "allclose"), dtype("uint8", "int64")),
    ),
    ("interpolate of uint8 is for the nearest modes alone", ours("interpolate: mode .* does not take uint8")),
    ("pixel_unshuffle of no elements has a shape", every(kind("shape"), nothing, calls("pixel_unshuffle"))),
    (
        "fractional_max_pool3d takes every size for which there are as many windows",
        theirs(TAKEN, "fractional_max_pool3d_out.*too large relative to input"),
    ),
]
GRADIENTS = [
    (
        "in-place comparisons and logic pass no gradient, not even zeros, and refuse leaves as other in-place forms do",
        some(
            every(
                kind("requires_grad"),
                calls(*"eq ne lt le gt ge not_equal less less_equal greater greater_equal".split()),
            ),
            every(kind("gradient of"), calls(*"logical_and logical_or logical_xor logical_not".split())),
            ours("logical_(and|or|xor|not)_: a (leaf|view)"),
        ),
    ),
    ("addcdiv of integers beside floating tensors", theirs(TAKEN, "Integer division with addcdiv")),
    (
        "ldexp takes an exponent as it is; PyTorch's wraps to 32 bits",
        every(kind("values"), calls("ldexp"), some(huge, dtype("bool"))),
    ),
    ("gradient is as exact as the dtype of input", every(kind("values", "gradient of"), calls("gradient"), mixed)),
    ("no number is lost in logcumsumexp of one", every(kind("gradient of"), calls("logcumsumexp"), among(extreme))),
    ("ldexp by integers has its gradient", every(kind("gradient of"), calls("ldexp"))),
    ("floor division has the gradient 0", theirs("gradient", "floor_divide")),
    (
        "the gradient of an infinite variance has the sign of the distance from the mean",
        every(
            kind("gradient of"),
            calls("std", "var", "std_mean", "var_mean"),
            lambda find: find.call.kwargs.get("correction", 1) not in (None, 0, 1),
        ),
    ),
    (
        "gradients that PyTorch has not written, or in which it fails",
        theirs(
            GRADIENT,
            "derivative for .* is not implemented",
            "not differentiable with respect",
            "Autograd not support dtype",
            "isFloatingType",
            "Negation, the `-` operator, on a bool",
            "INTERNAL ASSERT",
            "negative dimensions",
            "returned an invalid gradient",
            "does not have a device",
            "stride 1",
            "non-zero size for non-batch",
            "doesn't match the broadcast shape",
            "with a bool tensor is not supported",
            "does not support automatic differentiation",
            "Expected a proper Tensor but got None",
        ),
    ),
    (
        "scatter_reduce's gradient of a longer source, and index_fill's of a negative index, in which PyTorch fails",
        some(
            every(theirs(GRADIENT, "size of tensor a"), calls("scatter_reduce")),
            every(theirs(GRADIENT, "index out of range"), calls("index_fill")),
        ),
    ),
    ("scatter_ with reduce has a gradient; in PyTorch one of zeros", every(kind("gradient of"), calls("scatter"))),
    (
        "what scatter_reduce and index_reduce leave out has no share in the gradient",
        every(
            kind("gradient of"),
            calls("scatter_reduce", "index_reduce"),
            lambda find: False in find.call.kwargs.values(),
        ),
    ),
    (
        "the gradient of a real result of complex numbers is real; PyTorch's cumprod and prod take what was cast away",
        every(kind("gradient of"), calls("cumprod", "prod"), dtype("complex64", "complex128")),
    ),
    (
        "the gradient of a product beside infinities and zeros is the product of the others; PyTorch divides",
        every(
            kind("gradient of"),
            calls("cumprod", "prod", "scatter_reduce", "index_reduce"),
            some(among(extreme), among(lambda values: values == 0)),
        ),
    ),
    (
        "std's and var's gradient over dims given as () counts all elements; in PyTorch it counts none",
        every(kind("gradient of"), calls("std", "var"), lambda find: () in find.call.args or [] in find.call.args),
    ),
    (
        "an integer exponent does not wrap in the gradient of pow",
        every(kind("gradient of"), calls("pow", "ipow"), dtype("uint8", "int8", "int16", "int32", "int64")),
    ),
    (
        "the slopes of hardsigmoid and celu are float64's in float64; in PyTorch they are those of float32",
        every(kind("gradient of"), calls("hardsigmoid", "celu"), dtype("float64")),
    ),
    (
        "differences of near numbers say no more than these: 1 - tanh(x) ** 2, x - tanh(x), 1 + erf(x), x - mean",
        some(
            every(kind("gradient of"), calls("gelu", "tanh", "normalize", "softmax", "softmin", "log_softmax")),
            every(kind("gradient of"), calls(*NORMS, "expm1")),
            every(kind("gradient of"), calls("angle"), among(extreme)),
            every(kind("values"), calls("pow", "rpow"), dtype("complex64", "complex128")),
            every(kind("values"), calls("tanhshrink", "gelu", "logaddexp", "log_softmax", "log1p")),
            every(kind("values"), calls("std", "var"), some(expanded, lambda find: "correction" in find.call.kwargs)),
            every(kind("gradient of"), calls("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")),
            every(kind("gradient of"), calls("cross_entropy", "renorm", "corrcoef", "dist", "addcmul", "addcdiv")),
            every(kind("values"), calls("normalize", "norm", "vector_norm"), lambda find: 0 < number_of(find, 1) < 0.1),
        ),
    ),
    (
        "polar's gradient for a negative abs has the other sign in PyTorch",
        every(kind("gradient of"), calls("polar"), among(lambda values: values.real <= 0)),
    ),
    (
        "atan2's gradient beside integers overflows in PyTorch",
        every(kind("gradient of"), calls("atan2", "arctan2"), dtype("uint8", "int8", "int16", "int32", "int64")),
    ),
    ("what nothing was written to needs a gradient all the same", every(kind("requires_grad"), calls("setitem"))),
    (
        "what passes zeros back, or no gradient, may say so or not: places, counts, and what is made of nothing",
        every(
            kind("requires_grad"),
            some(
                emptied,
                calls(
                    *"histc histogram histogramdd geqrf quantile nanquantile matrix_power lu_unpack index_fill vander".split()
                ),
            ),
        ),
    ),
    ("integers never need a gradient", every(kind("requires_grad"), calls("fill", "copy", "masked_fill"))),
    ("what gradient a nan gets is not promised", every(kind("gradient of"), among(np.isnan))),
]
LINEAR_ALGEBRA = [
    ("a Cholesky factor that is not there is nan", every(kind("values"), calls("cholesky_ex"))),
    ("LU without pivoting is there", theirs(TAKEN, "LU without pivoting is not implemented")),
    (
        "the direction of a singular vector or eigenvector is the library's",
        every(kind("values", "gradient of"), calls("svd", "eigh", "eig", "qr", "svd_lowrank", "pca_lowrank")),
    ),
    ("a loss that depends on a direction has a gradient", theirs(GRADIENT, "specified loss function depends on this")),
    (
        "the gradient of det at a singular matrix is its cofactors",
        every(kind("gradient of"), calls("det", "cholesky_solve", "cholesky_inverse")),
    ),
    (
        "no factors of nan and infinities are promised; singular values and eigenvalues of them are refused",
        some(
            ours("it did not converge"),
            every(kind("values", "gradient of"), calls(*SYSTEMS), some(among(extreme), unbounded)),
        ),
    ),
    (
        "a Cholesky factor has a real diagonal; of another one there is no inverse",
        every(kind("values"), calls("cholesky_inverse"), dtype("complex64", "complex128")),
    ),
    ("a singular matrix has LU factors", theirs(TAKEN, "using it on lu_solve would result in a division by zero")),
    (
        "the diagonal of a Cholesky factor is real, and so is its gradient",
        every(kind("gradient of"), calls("cholesky")),
    ),
    ("svd has no driver by another name", ours("driver must be None")),
    ("cholesky_inverse does not check", theirs(TAKEN, "cholesky_inverse: The diagonal element")),
    ("lstsq has one algorithm", every(kind("values", "requires_grad"), calls("lstsq"))),
    ("half types are refused", ours("is too narrow for this")),
    ("backward changes what it kept", every(theirs(GRADIENT, "modified by an inplace"), calls("cond", "vander"))),
]
RANDOM = [
    (
        "random numbers have no gradient; in PyTorch those of normal, bernoulli, poisson and binomial have one of zeros",
        every(kind("requires_grad"), calls("normal", "bernoulli", "poisson", "binomial")),
    ),
]
RANDOM += [
    (
        "what no distribution has is refused",
        ours("^(binomial|poisson): the (counts|rates|probabilities) must be"),
    ),
    ("dropout takes floating tensors, also where all is dropped", ours(r"dropout\w*: only floating tensors")),
    ("dropout of channels refuses what PyTorch warns of", ours(r"dropout\w*: expected an input of")),
    ("a slope below 0 has a gradient in place too", theirs(GRADIENT, "In-place leakyReLu backward")),
]
FOURIER = [f"{kind}fft{form}" for kind in ("", "i", "r", "ir", "h", "ih") for form in ("", "2", "n")]
SIGNALS = [
    ("an empty tensor has an empty transform, where MKL fails", theirs(TAKEN, "MKL FFT error")),
    (
        "a transform of integers, whose sums may cancel, and of infinities is rounded in another order",
        every(
            kind("values", "gradient of"),
            calls(*FOURIER),
            some(dtype("bool", "uint8", "int8", "int16", "int32", "int64"), among(extreme)),
        ),
    ),
    (
        "windows are made in float64",
        every(
            kind("values"),
            calls(*"gaussian blackman nuttall blackman_window general_cosine general_hamming hamming_window".split()),
        ),
    ),
    ("the settings of a window of one number are looked at", ours("M must be an int", "general_cosine: a must be")),
    ("a window is real", ours("a window holds floating numbers")),
    ("there is no negative number of frequencies", ours("rfftfreq: size .* has the negative length")),
]
NN = [
    (
        "batch_norm takes an eps of 0, as instance_norm and layer_norm do, and none of them a negative one",
        some(theirs(TAKEN, "eps must be positive during training"), ours("eps must not be negative")),
    ),
    (
        "instance_norm leaves its running statistics for a batch of nothing",
        every(
            calls("instance_norm"),
            nothing,
            some(
                kind("whether argument"),
                theirs(TAKEN, "requires grad is being used in an in-place", "more than one element"),
            ),
        ),
    ),
    ("the weight of a loss has no gradient", ours("weight has no gradient here")),
    (
        "a window may reach beyond the padding of a small input in three dimensions too",
        theirs(TAKEN, "smaller than kernel size"),
    ),
    (
        "a batch of nothing has a gradient of 0 times nan for a negative variance",
        every(kind("gradient of"), calls("batch_norm"), nothing),
    ),
    ("activations take real tensors alone", ours("complex tensors are not supported")),
    ("softmax and log_softmax need dim", ours("argument 'dim' is missing")),
    ("mse_loss, l1_loss and smooth_l1_loss do not broadcast", ours("they must be the same. Reshape one")),
    (
        "normalization of infinities, and of numbers whose squares overflow, is not promised",
        every(kind("values", "gradient of"), calls(*NORMS, "var", "std"), among(extreme)),
    ),
    (
        "how far infinities and nan reach in a convolution is not promised",
        every(
            kind("values", "gradient of"),
            lambda find: "conv" in find.call.subject.base,
            among(lambda values: ~np.isfinite(values)),
        ),
    ),
    (
        "binary_cross_entropy_with_logits of infinity is a limit; PyTorch gives nan",
        every(kind("values", "gradient of"), calls("binary_cross_entropy_with_logits"), among(np.isinf)),
    ),
]
ERRORS = [
    (
        "unique_consecutive's flags count also in their places, and the inverse has the shape of a 0-d tensor",
        every(kind("number of results", "shape"), calls("unique_consecutive")),
    ),
    (
        "bools are refused, also where there is nothing to compute",
        ours("(cond|gradient|addmv): bool tensors are not supported"),
    ),
    ("a size is an int and no bool", ours("unravel_index: size must be an int, got (True|False)")),
    ("PyTorch's cov changes its argument", every(kind("whether argument"), calls("cov"))),
    ("gather has no sparse gradient", theirs("gradient", "indices must be an int64 tensor", "Sparse layout")),
    ("trapezoid takes any number for dx", theirs(TAKEN, "we only support dx as a real number")),
    ("there is no median of none, or of bools", ours("median: .* is empty", "median: bool tensors are not supported")),
    ("histogramdd's edges are new", every(kind("which arguments"), calls("histogramdd"))),
    ("the weights of a histogram have its shape", ours("histogram: weight has shape")),
    ("each image has its own draws", ours("_random_samples must have the shape")),
    (
        "the places belong to the values",
        ours("trapezoid: x of shape .* must have one value", "trapezoid: bool tensors"),
    ),
    ("True is the number 1", theirs(TAKEN, "Boolean (alpha|beta) only supported for Boolean")),
    ("in-place forms keep the shape", ours("cannot be put into a tensor of shape")),
    ("a window has a length", ours("fractional_max_pool.d: kernel_size must be at least 1")),
    ("an empty tensor is refused where a full one is; PyTorch looks at less", every(kind("refused here"), nothing)),
    ("an index that is empty holds integers all the same", ours("index must hold integers")),
    ("an empty tensor is padded as a full one is", theirs(TAKEN, "non-zero dimensions for input")),
    ("a flag is True or False", ours("must be True or False")),
    ("index_add of integers refuses a fractional alpha", every(ours("they must be the same"), calls("index_add"))),
    ("leading dimensions of length 1 are dropped from values", theirs(TAKEN, "cannot be broadcast to indexing result")),
    (
        "a tensor in the place of max's and min's dim is the other tensor",
        every(calls("max", "min"), some(kind(TAKEN, "number of results"), ours("two tensors are compared"))),
    ),
    ("the order of a norm is a number", ours("the order must be a number")),
    ("a convolution of no channels has a shape", every(kind("shape"), nothing, calls(*CONVOLUTIONS))),
    ("a 0-d tensor for a bound of clip is a tensor", every(kind("dtype"), calls("clip", "clamp"))),
    (
        "a bool tensor without dimensions is an index that needs none",
        theirs(TAKEN, "too many indices for tensor of dimension 0"),
    ),
    ("numbers beyond all sizes are numbers", theirs(GRADIENT, "without overflow")),
    ("int() of infinity raises what Python raises", every(kind("not an error of ours"), calls("int"))),
    ("classes of nothing are none", theirs(TAKEN, "Can not infer total number of classes")),
    ("a sequence of one number is a value", theirs(TAKEN, "can't assign a tuple")),
    ("there are no strides", theirs(TAKEN, "stride divisible by", "Unsupported memory format")),
    ("momentum is not looked at in evaluation", theirs(TAKEN, "argument 'momentum'")),
    ("to takes a dtype twice", theirs(TAKEN, r"to\(\): argument 'device'")),
    ("padding_idx may be a bool, which is an int", theirs(TAKEN, "argument 'padding_idx'")),
    (
        "settings are looked at where PyTorch does not look",
        ours(
            "label_smoothing must be",
            "window misses the input",
            "has a spatial dimension of length 0",
            "there is no range of bool",
            "only one Ellipsis",
            "does not fit",
            "vecdot: dim",
            "normal: size cannot be given",
            "dim must be an int, got None",
        ),
    ),
    ("a setting of each channel has one dimension", ours("one value per channel")),
    ("adaptive pooling takes a batch or an image", ours("adaptive_avg_pool.*: expected input")),
    ("bools are taken for the probabilities that they are", theirs(TAKEN, "with two bool tensors")),
    ("no dims is all dims", theirs(TAKEN, "must be of length 1 or 2. Got")),
    ("vecdot broadcasts", theirs(TAKEN, "inconsistent tensor size")),
    ("nothing is padded in any mode", theirs(TAKEN, "Unrecognised padding mode")),
    ("index_put takes values of the tensor's dtype", every(ours("they must be the same"), calls("index_put"))),
    ("random_ has a range", ours("random_: low must be below high")),
    ("cumprod may be asked for a complex dtype", every(calls("cumprod"), theirs("gradient", "can't be cast"))),
    (
        "a plane of no channels is pooled",
        theirs(TAKEN, "with optional 0 dim batch size", "non-batch dimensions to have positive length"),
    ),
    ("random_(0) is random_()", theirs(TAKEN, "random_ expects 'from' to be less than 'to', but got from=0 >= to=0")),
    (
        "an index out of range is refused; PyTorch's take_along_dim misses some",
        every(ours("out of range"), calls("take_along_dim")),
    ),
    (
        "a number stands for a tensor, also an unusual one",
        theirs(TAKEN, r"argument 'other'.* must be Tensor, not (int|float|bool|complex)"),
    ),
    ("linear has matrices alone, with one bias each row", ours("linear: (weight|bias) must have shape")),
    (
        "gather and scatter take as many dimensions in the index, and as many in the source",
        ours("need as many dimensions", "does not lie within the source"),
    ),
    ("activations, losses and pooling take floating tensors", ours("expected floating tensors")),
    ("the condition of where is bool", ours("condition must be a bool tensor")),
    (
        "clamp and pow refuse bools, as PyTorch does of tensors alone",
        ours("(clamp|pow)_?: bool tensors are not supported"),
    ),
    ("isin takes bools, and says what is true of a number beyond the dtype", calls("isin")),
    (
        "call forms that PyTorch's parser lacks: a number for a tensor, one int for a tuple, other keywords",
        theirs(
            TAKEN,
            r"argument '\w+'( \(position \d\))? must be Tensor, not (int|float|bool|complex)",
            r"must be tuple of ints, not (int|NoneType)",
            r"argument 'dim'( \(position \d\))? must be int, not (tuple|list|NoneType)",
            "invalid combination of arguments",
            r"takes (from \d+ to )?\d+ positional argument",
            "missing .* required positional argument",
            "unexpected keyword argument",
            "takes no keyword arguments",
            "`shifts` required",
            r"argument 'index' \(position \d\) must be int, not bool",
            "value cannot be converted to type c10::Half",
            r"object of type '\w+' has no len",
            r"argument 'rcond' \(position \d\) must be float",
            "not enough values to unpack",
            r"source tensor shape must match self tensor shape.*self.shape = \[\]",
        ),
    ),
]
SECTIONS = {
    "Tensors": TENSORS,
    "Dtypes and numbers": NUMBERS,
    "Gradients": GRADIENTS,
    "Linear algebra": LINEAR_ALGEBRA,
    "Random numbers": RANDOM,
    "Fourier transforms and signals": SIGNALS,
    "nn": NN,
    "Errors": ERRORS,
}
ALLOWED = [Allowed(section, reason, when) for section, entries in SECTIONS.items() for reason, when in entries]


def allowance(find: Find) -> Allowed | None:
    """The entry that explains the find, if one does."""
    return next((entry for entry in ALLOWED if entry.when(find)), None)
