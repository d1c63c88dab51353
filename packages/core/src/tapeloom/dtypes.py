"""Data types and the one promotion table, the same on every backend.

A dtype is a singleton: compare with ``is``. Promotion follows PyTorch: the *category* (bool, integer, floating)
decides first, so int64 with float32 gives float32; within a category the wider type wins; Python numbers and 0-d
tensors are weak, they matter only when their category is higher.
"""

from __future__ import annotations

from tapeloom.errors import ArgumentTypeError, DTypeError

BOOL, INTEGER, FLOATING = 0, 1, 2


class DType:
    """One data type. ``name`` is NumPy's name, ``category`` one of BOOL, INTEGER, FLOATING, ``itemsize`` in bytes."""

    __slots__ = ("category", "itemsize", "name", "signed")

    def __init__(self, name: str, category: int, itemsize: int, signed: bool = True) -> None:
        self.name = name
        self.category = category
        self.itemsize = itemsize
        self.signed = signed

    @property
    def is_floating_point(self) -> bool:
        """Whether its values are floating numbers."""
        return self.category == FLOATING

    def __repr__(self) -> str:
        return f"tapeloom.{self.name}"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return as_dtype, (self.name,)

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: object) -> DType:
        return self


bool_ = DType("bool", BOOL, 1, signed=False)
uint8 = DType("uint8", INTEGER, 1, signed=False)
int8 = DType("int8", INTEGER, 1)
int16 = DType("int16", INTEGER, 2)
int32 = DType("int32", INTEGER, 4)
int64 = DType("int64", INTEGER, 8)
float16 = DType("float16", FLOATING, 2)
bfloat16 = DType("bfloat16", FLOATING, 2)
float32 = DType("float32", FLOATING, 4)
float64 = DType("float64", FLOATING, 8)

ALL = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
INTEGERS = (uint8, int8, int16, int32, int64)
FLOATS = (float16, bfloat16, float32, float64)

_BY_NAME = {dtype.name: dtype for dtype in ALL} | {
    "half": float16,
    "float": float32,
    "double": float64,
    "short": int16,
    "int": int32,
    "long": int64,
}
_BY_PYTHON_TYPE: dict[object, DType] = {bool: bool_, int: int64, float: float32}
_default = [float32]


def as_dtype(value: object) -> DType:
    """The dtype that ``value`` (a DType, a name such as ``"float32"``, or bool, int, float) stands for."""
    if type(value) is DType:
        return value
    if value is float:
        return _default[0]
    found = _BY_NAME.get(value) if isinstance(value, str) else _BY_PYTHON_TYPE.get(value)
    if found is None:
        names = ", ".join(dtype.name for dtype in ALL)
        raise DTypeError(
            f"dtype: {value!r} is not a tapeloom dtype. Give one of {names}, as tapeloom.float32 or by name."
        )
    return found


def get_default_dtype() -> DType:
    """The floating dtype of new tensors made from Python floats; float32 unless set."""
    return _default[0]


def set_default_dtype(dtype: DType) -> None:
    """Set the floating dtype of new tensors made from Python floats.

    Raises DTypeError for a dtype that is not floating.
    """
    dtype = as_dtype(dtype)
    if dtype.category != FLOATING:
        raise DTypeError(
            f"set_default_dtype: {dtype} is not a floating dtype. Give one of float16, bfloat16, float32, float64."
        )
    _default[0] = dtype


def _promote_pair(a: DType, b: DType) -> DType:
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.category == FLOATING and a.itemsize == b.itemsize and a is not b:
        return float32  # float16 with bfloat16: neither holds the other
    if a.category == INTEGER and a.signed != b.signed:
        signed, unsigned = (a, b) if a.signed else (b, a)
        return int16 if signed.itemsize <= unsigned.itemsize else signed
    return a if a.itemsize >= b.itemsize else b


_PROMOTION = {(a, b): _promote_pair(a, b) for a in ALL for b in ALL}


def promote_types(a: DType, b: DType) -> DType:
    """The smallest dtype that PyTorch's rules give for two tensors of dtypes ``a`` and ``b``."""
    return _PROMOTION[as_dtype(a), as_dtype(b)]


def of_number(value: object) -> DType:
    """The dtype of a Python number: bool, int64 or the default floating dtype."""
    kind = type(value)
    if kind is float:
        return _default[0]
    if kind is int:
        return int64
    if kind is bool:
        return bool_
    if isinstance(value, float):
        return _default[0]
    if isinstance(value, int):
        return int64
    raise ArgumentTypeError(f"expected a tensor or a number, got {value!r} of type {type(value).__name__}.")


def weak_result(strong: DType | None, weak: list[DType]) -> DType:
    """Promote ``strong`` (of tensors that have dimensions) with ``weak`` ones, which matter only by a higher category.

    ``weak`` holds the dtypes of one priority (0-d tensors, or Python numbers).
    """
    result = weak[0]
    for dtype in weak[1:]:
        result = _PROMOTION[result, dtype]
    if strong is None:
        return result
    return result if result.category > strong.category else strong


#: dtype -> (largest finite value, smallest positive normal value, spacing at 1)
_FINFO = {
    float16: (65504.0, 2.0**-14, 2.0**-10),
    bfloat16: (float.fromhex("0x1.fep+127"), 2.0**-126, 2.0**-7),
    float32: (float.fromhex("0x1.fffffep+127"), 2.0**-126, 2.0**-23),
    float64: (float.fromhex("0x1.fffffffffffffp+1023"), 2.0**-1022, 2.0**-52),
}


class finfo:
    """Limits of a floating dtype: ``max``, ``min``, ``tiny``, ``smallest_normal``, ``eps``, ``bits``."""

    def __init__(self, dtype: DType) -> None:
        dtype = as_dtype(dtype)
        if dtype.category != FLOATING:
            raise DTypeError(f"finfo: {dtype} is not a floating dtype. Use tapeloom.iinfo for integers.")
        self.dtype = dtype
        self.max, self.tiny, self.eps = _FINFO[dtype]
        self.min = -self.max
        self.smallest_normal = self.tiny
        self.bits = 8 * dtype.itemsize


class iinfo:
    """Limits of an integer dtype: ``max``, ``min``, ``bits``."""

    def __init__(self, dtype: DType) -> None:
        dtype = as_dtype(dtype)
        if dtype.category != INTEGER:
            raise DTypeError(f"iinfo: {dtype} is not an integer dtype. Use tapeloom.finfo for floating dtypes.")
        self.dtype = dtype
        self.bits = 8 * dtype.itemsize
        self.max = 2 ** (self.bits - dtype.signed) - 1
        self.min = -(2 ** (self.bits - 1)) if dtype.signed else 0
