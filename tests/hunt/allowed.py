"""The differences that are meant: each with its reason, and the section of docs/differences.md that speaks of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from comparing import Find
from data import name_of


class Allowed:
    """One difference: where it is said, why it is, and which finds it explains."""

    def __init__(self, section: str, reason: str, when: Callable[[Find], Any]) -> None:
        self.section = section
        self.reason = reason
        self.when = when


def theirs(kind: str, *patterns: str) -> Callable[[Find], bool]:
    """Finds whose kind matches and where PyTorch's error says one of ``patterns``."""
    return lambda find: (
        bool(re.search(kind, find.kind))
        and isinstance(find.theirs, Exception)
        and any(re.search(pattern, str(find.theirs)) for pattern in patterns)
    )


def ours(*patterns: str) -> Callable[[Find], bool]:
    """Finds where we alone refuse, and say one of ``patterns``."""
    return lambda find: (
        find.kind == "refused here alone" and any(re.search(pattern, str(find.ours)) for pattern in patterns)
    )


def calls(*names: str) -> Callable[[Find], bool]:
    """Finds in calls of these functions, whatever their form."""
    return lambda find: find.call.subject.base.rstrip("_") in names or find.call.subject.base in names


def kinds(*wanted: str) -> Callable[[Find], bool]:
    """Finds of one of these kinds."""
    return lambda find: any(find.kind.startswith(kind) for kind in wanted)


def every(*conditions: Callable[[Find], Any]) -> Callable[[Find], bool]:
    """Finds that fulfil all conditions."""
    return lambda find: all(condition(find) for condition in conditions)


def dtypes_of(find: Find) -> set[str]:
    """The dtypes of the tensors among the arguments."""
    return {array.dtype for array in find.call.arrays()}


def mixed(find: Find) -> bool:
    """Whether the arguments have several dtypes."""
    return len(dtypes_of(find)) > 1


def holds_nan(find: Find) -> bool:
    """Whether a nan is among the values."""
    return any(array.values.dtype.kind in "fc" and np.isnan(array.values).any() for array in find.call.arrays())


def nothing(find: Find) -> bool:
    """Whether PyTorch's result has no elements: it then looks at less."""
    _, run = find.runs
    return bool(run.values) and all(isinstance(value, np.ndarray) and not value.size for value in run.values)


TAKEN = "refused by PyTorch alone"
TENSORS, NUMBERS, DEVICES, GRADIENTS = "Tensors", "Dtypes and numbers", "Devices", "Gradients"
RANDOM, NN, ERRORS = "Random numbers", "nn", "Errors"

ALLOWED = [
    # tensors
    Allowed(
        TENSORS,
        "view is reshape, both always share, and so do the functions made of them",
        lambda f: (
            theirs(TAKEN, "view size is not compatible", "view_as_complex", "must have a last dimension with stride 1")(
                f
            )
            or every(
                kinds("which arguments"),
                calls("view", "reshape", "view_as", "reshape_as", "flatten", "ravel", "unflatten"),
            )(f)
        ),
    ),
    Allowed(
        TENSORS,
        "contiguous() is the identity and is_contiguous() is True",
        calls("contiguous", "is_contiguous"),
    ),
    Allowed(TENSORS, "a write through expand is refused", ours("cannot be written through")),
    Allowed(
        TENSORS,
        "conjugates are computed at once, so they share nothing",
        every(kinds("which arguments"), calls("conj", "adjoint", "mH", "H", "resolve_conj", "imag", "real")),
    ),
    # numbers
    Allowed(
        NUMBERS, "a Python number that an integer dtype cannot hold is an error", ours("the number .* does not fit")
    ),
    Allowed(NUMBERS, "there is no complex32", lambda f: f.kind == "dtype" and name_of(f.theirs) == "complex32"),
    Allowed(NUMBERS, "there is no complex32", lambda f: "complex32" in f.result_dtypes()),
    Allowed(
        NUMBERS,
        "what an integer divided by 0 gives is not promised",
        theirs(TAKEN, "ZeroDivisionError"),
    ),
    Allowed(
        NUMBERS,
        "all and any give bool, also of uint8",
        every(kinds("dtype"), calls("all", "any"), lambda f: "uint8" in dtypes_of(f)),
    ),
    Allowed(
        NUMBERS,
        "a dtype that PyTorch's kernels lack is taken",
        theirs(
            f"{TAKEN}|gradient",
            "not implemented for",
            "does not support",
            "not supported for",
            "is not supported on",
            "Expected both inputs to be Half, Float or Double",
        ),
    ),
    Allowed(
        NUMBERS,
        "different dtypes are promoted, where PyTorch wants one",
        every(
            mixed,
            lambda f: (
                theirs(
                    f"{TAKEN}|gradient",
                    "same dtype",
                    "did not match",
                    "[Ff]ound dtype",
                    "expected scalar type",
                    "expected m1 and m2",
                    "[Ee]xpected .* (dtype|type)",
                    "mixed dtype",
                    "to have type",
                    "must have the same",
                    "should be the same",
                    "can't be cast",
                )(f)
                or every(kinds("dtype"), nothing)(f)
            ),
        ),
    ),
    Allowed(
        NUMBERS,
        "indices may have any integer dtype",
        theirs(TAKEN, "for index but got", "int32/int64 for index", "expected indices", "must be long", "IntTensor"),
    ),
    Allowed(NUMBERS, "gelu of infinity is infinity", calls("gelu")),
    Allowed(
        NUMBERS,
        "isclose of unsigned integers compares their difference, which wraps in PyTorch",
        every(calls("isclose", "allclose"), lambda f: "uint8" in dtypes_of(f)),
    ),
    # gradients
    Allowed(GRADIENTS, "floor division has the gradient 0", theirs("gradient", "floor_divide")),
    Allowed(
        GRADIENTS,
        "gradients that PyTorch has not written",
        theirs(
            f"gradient|{TAKEN}",
            "derivative for .* is not implemented",
            "not differentiable with respect",
            "Autograd not support dtype",
            "isFloatingType",
            "Negation, the `-` operator, on a bool",
        ),
    ),
    Allowed(GRADIENTS, "what gradient a nan gets is not promised", every(kinds("gradient of"), holds_nan)),
    # random numbers
    Allowed(
        RANDOM,
        "random numbers have no gradient; in PyTorch those of normal and bernoulli have one of zeros",
        every(kinds("requires_grad"), calls("normal", "bernoulli")),
    ),
    Allowed(RANDOM, "complex random numbers do not exist", ours("only floating tensors can hold these numbers")),
    # nn
    Allowed(NN, "softmax and log_softmax need dim", ours("argument 'dim' is missing")),
    Allowed(NN, "mse_loss, l1_loss and smooth_l1_loss do not broadcast", ours("they must be the same. Reshape one")),
    # errors
    Allowed(
        ERRORS,
        "an empty tensor is refused where a full one is; PyTorch looks at less",
        every(kinds("refused here"), nothing),
    ),
    Allowed(
        ERRORS,
        "call forms that PyTorch's parser lacks: a number for a tensor, an int for a tuple, keywords in other combinations",
        every(
            lambda f: not f.call.odd,
            theirs(
                TAKEN,
                r"\(position \d\) must be Tensor, not (int|float|bool|complex)",
                "must be tuple of ints, not int",
                "invalid combination of arguments",
                r"takes (from \d+ to )?\d+ positional argument",
                "missing .* required positional argument",
                "unexpected keyword argument",
                "takes no keyword arguments",
            ),
        ),
    ),
]


def allowance(find: Find) -> Allowed | None:
    """The entry that explains the find, if one does."""
    return next((entry for entry in ALLOWED if entry.when(find)), None)
