"""Data types, all that is known about each, and the one promotion table: the same on every backend.

A dtype is a singleton: compare with ``is``. What other code asks about a dtype is an attribute of it, so that no module
keeps a table by dtype of its own. Promotion follows PyTorch: the *category* (bool, integer, floating, complex) decides
first, so int64 with float32 gives float32; within a category the wider type wins, and complex numbers are as wide as
the floating ones that they meet; Python numbers and 0-d tensors are weak, they matter only when their category is higher.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from tapeloom.call_site import warn_user
from tapeloom.errors import ArgumentTypeError, DTypeError

BOOL, INTEGER, FLOATING, COMPLEX = 0, 1, 2, 3

#: the types of Python numbers that take part in arithmetic with tensors
NUMBERS = (bool, int, float, complex)
#: those that are real: what a setting such as a learning rate or a bound can be
REAL_NUMBERS = (bool, int, float)


class DType:
    """One data type.

    ``name`` is NumPy's name, ``alias`` PyTorch's other one ("" where there is none), ``method`` the Tensor method that
    converts to it ("" where there is none), ``stored`` the name in safetensors files ("" for what is stored as pairs of
    ``real``). ``category`` is one of BOOL, INTEGER, FLOATING, COMPLEX, ``itemsize`` in bytes. ``inexact`` dtypes, floating
    and complex, can have a gradient; ``half`` ones are floating with 16 bits. ``real`` is the dtype of the parts of a
    complex dtype, and any other dtype itself.

    ``max`` and ``min`` are the largest and the smallest finite value. Only inexact dtypes have ``complex``, the complex
    dtype that holds them, ``significand``, its bits including the hidden one, ``eps``, the spacing at 1,
    ``smallest_normal``, and ``resolution``, the decimal form of ``eps``. Of a complex dtype they are those of its parts.
    """

    __slots__ = (
        "alias",
        "category",
        "complex",
        "eps",
        "half",
        "inexact",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "max",
        "method",
        "min",
        "name",
        "real",
        "resolution",
        "significand",
        "smallest_normal",
        "stored",
    )

    complex: DType
    eps: float
    max: float
    min: float
    resolution: float
    significand: int
    smallest_normal: float

    def __init__(
        self,
        name: str,
        category: int,
        itemsize: int,
        stored: str,
        *,
        alias: str = "",
        method: str | None = None,
        signed: bool = True,
        significand: int = 0,
        parts: DType | None = None,
    ) -> None:
        self.name = name
        self.category = category
        self.itemsize = itemsize
        self.stored = stored
        self.alias = alias
        self.method = alias or name if method is None else method
        self.is_signed = signed
        self.is_floating_point = category == FLOATING
        self.is_complex = category == COMPLEX
        self.inexact = category >= FLOATING
        self.half = category == FLOATING and itemsize == 2
        self.real = parts or self
        if category < FLOATING:
            bits = 1 if category == BOOL else 8 * itemsize
            self.max = 2 ** (bits - signed) - 1
            self.min = -(2 ** (bits - 1)) if signed else 0
        else:
            self._limit(significand or self.real.significand)

    def _limit(self, significand: int) -> None:
        """The limits of an IEEE format whose significand has so many bits; the exponent has the other ones."""
        last = 2 ** (8 * self.real.itemsize - significand - 1) - 1
        self.significand = significand
        self.eps = 2.0 ** (1 - significand)
        self.max = (2 - self.eps) * 2.0**last
        self.min = -self.max
        self.smallest_normal = 2.0 ** (1 - last)
        self.resolution = float(f"1e-{int((significand - 1) * 0.30103)}")  # decimal digits that every value keeps

    @property
    def signed(self) -> bool:
        """``is_signed`` by another name."""
        return self.is_signed

    def to_real(self) -> DType:
        """``real``: the dtype of the parts."""
        return self.real

    def to_complex(self) -> DType:
        """``complex``: the complex dtype that holds this one. Raises DTypeError for integers and bool."""
        if not self.inexact:
            raise DTypeError(
                f"to_complex: {self.name} has no complex counterpart. Start from a floating dtype, such as float32."
            )
        return self.complex

    def __repr__(self) -> str:
        return f"tapeloom.{self.name}"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return as_dtype, (self.name,)

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: object) -> DType:
        return self


bool_ = DType("bool", BOOL, 1, "BOOL", signed=False)
uint8 = DType("uint8", INTEGER, 1, "U8", method="byte", signed=False)
int8 = DType("int8", INTEGER, 1, "I8", method="char")
int16 = DType("int16", INTEGER, 2, "I16", alias="short")
int32 = DType("int32", INTEGER, 4, "I32", alias="int")
int64 = DType("int64", INTEGER, 8, "I64", alias="long")
uint16 = DType("uint16", INTEGER, 2, "U16", method="", signed=False)
uint32 = DType("uint32", INTEGER, 4, "U32", method="", signed=False)
uint64 = DType("uint64", INTEGER, 8, "U64", method="", signed=False)
float16 = DType("float16", FLOATING, 2, "F16", alias="half", significand=11)
bfloat16 = DType("bfloat16", FLOATING, 2, "BF16", significand=8)
float32 = DType("float32", FLOATING, 4, "F32", alias="float", significand=24)
float64 = DType("float64", FLOATING, 8, "F64", alias="double", significand=53)
complex64 = DType("complex64", COMPLEX, 8, "C64", alias="cfloat", parts=float32)
complex128 = DType("complex128", COMPLEX, 16, "", alias="cdouble", parts=float64)
# PyTorch has complex32 for float16, whose use it calls experimental; here the next wider one stands for it
float16.complex = bfloat16.complex = float32.complex = complex64.complex = complex64
float64.complex = complex128.complex = complex128

INTEGERS = (uint8, int8, int16, int32, int64, uint16, uint32, uint64)
FLOATS = (float16, bfloat16, float32, float64)
COMPLEXES = (complex64, complex128)
ALL = (bool_, *INTEGERS, *FLOATS, *COMPLEXES)

#: what stands for a dtype; None is the one that fits
DTypeLike: TypeAlias = DType | str | type | None

#: every name and alias -> dtype
BY_NAME = {dtype.name: dtype for dtype in ALL} | {dtype.alias: dtype for dtype in ALL if dtype.alias}
#: the names of tensor types in PyTorch's older programs: ``FloatTensor`` -> float32
BY_TENSOR_TYPE = {
    f"{prefix}Tensor": dtype
    for prefix, dtype in zip(
        "Bool Byte Char Short Int Long UInt16 UInt32 UInt64 Half BFloat16 Float Double ComplexFloat ComplexDouble".split(),
        ALL,
        strict=True,
    )
}
_BY_PYTHON_TYPE: dict[object, DType] = {bool: bool_, int: int64}
_default = [float32]


def as_dtype(value: object) -> DType:
    """The dtype that ``value`` (a DType, a name such as ``"float32"``, or bool, int, float, complex) stands for."""
    if type(value) is DType:
        return value
    if value is float:
        return _default[0]
    if value is complex:
        return _default[0].complex
    found = (
        BY_NAME.get(value)
        if isinstance(value, str)
        else _BY_PYTHON_TYPE.get(value)
        if isinstance(value, type)
        else None
    )
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


def _promote_pair(a: DType, b: DType) -> DType | None:
    if a.is_complex or b.is_complex:
        return complex128 if float64 in (a.real, b.real) else complex64
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.category == FLOATING and a.itemsize == b.itemsize and a is not b:
        return float32  # float16 with bfloat16: neither holds the other
    if a.category == INTEGER and a.is_signed != b.is_signed:
        signed, unsigned = (a, b) if a.is_signed else (b, a)
        if signed.itemsize > unsigned.itemsize:
            return signed
        return {1: int16, 2: int32, 4: int64}.get(unsigned.itemsize)  # nothing holds both uint64 and a signed integer
    return a if a.itemsize >= b.itemsize else b


_PROMOTION = {(a, b): _promote_pair(a, b) for a in ALL for b in ALL}


def promote_types(a: DType, b: DType) -> DType:
    """The smallest dtype that PyTorch's rules give for two tensors of dtypes ``a`` and ``b``.

    For uint16, uint32 and uint64, which PyTorch does not promote, they are the rules of the Array API standard. Raises
    DTypeError for uint64 with a signed integer, which no integer dtype holds.
    """
    found = _PROMOTION[as_dtype(a), as_dtype(b)]
    if found is None:
        raise DTypeError(
            f"promote_types: no integer dtype holds both {as_dtype(a).name} and {as_dtype(b).name}. Cast one of them, for "
            f"instance with .to(tapeloom.float64)."
        )
    return found


def can_cast(from_: DType, to: DType) -> bool:
    """Whether a result of dtype ``from_`` may be given to a tensor of dtype ``to``: not to a lower category.

    The categories are bool, integers, floating and complex numbers; within one, wider to narrower is allowed. For what
    promotion leads to, see ``tapeloom.array_api.can_cast``.
    """
    return as_dtype(from_).category <= as_dtype(to).category


def of_number(value: object) -> DType:
    """The dtype of a Python number: bool, int64, the default floating dtype, or the complex dtype that holds that."""
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
    if isinstance(value, complex):
        return _default[0].complex
    raise ArgumentTypeError(f"expected a tensor or a number, got {value!r} of type {type(value).__name__}.")


def weak_result(strong: DType | None, weak: list[DType]) -> DType:
    """Promote ``strong`` (of tensors that have dimensions) with ``weak`` ones, which matter only by a higher category.

    ``weak`` holds the dtypes of one priority (0-d tensors, or Python numbers).
    """
    result = weak[0]
    for dtype in weak[1:]:
        result = promote_types(result, dtype)
    if strong is None:
        return result
    if result.is_complex and strong.is_floating_point:
        return strong.complex  # a weak complex number makes a tensor complex in the precision that the tensor has
    return result if result.category > strong.category else strong


# numbers and conversions


def fitting(what: str, value: object, dtype: DType) -> Any:
    """A Python number as ``dtype`` can hold it: a complex number without imaginary part is real for a real dtype.

    Raises DTypeError for an integer dtype that it exceeds, for an int beyond all floating numbers, and for a complex number
    that is not real.
    """
    if isinstance(value, complex):
        if dtype.is_complex:
            return value
        if dtype is bool_:
            return bool(value)
        if value.imag:
            raise DTypeError(
                f"{what}: the complex number {value} does not fit {dtype.name}. "
                f"Give a real number, or cast the tensor to a complex dtype first."
            )
        value = value.real
    number: float = value  # type: ignore[assignment]
    if isinstance(value, bool) or dtype is bool_:
        return value
    if dtype.category == INTEGER:
        if not dtype.min <= number <= dtype.max:
            raise unfit(what, number, dtype)
    elif isinstance(value, int) and not int64.min <= number <= int64.max:
        try:
            return float(number)  # array libraries take ints of 64 bits
        except OverflowError:
            raise unfit(what, number, dtype) from None
    return value


def storable(what: str, value: object, dtype: DType) -> Any:
    """``fitting``, for a number that elements are set to: no finite one becomes infinite."""
    number = fitting(what, value, dtype)
    if dtype.is_floating_point and abs(number) > dtype.max and abs(number) != float("inf"):
        raise unfit(what, number, dtype)
    return number


def unfit(what: str, number: Any, dtype: DType, fix: str = "Cast the tensor to a wider dtype first.") -> DTypeError:
    """What to say of a number that ``dtype`` cannot hold."""
    long = isinstance(number, int) and number.bit_length() > 128
    shown = f"of {number.bit_length()} bits" if long else str(number)
    return DTypeError(f"{what}: the number {shown} does not fit {dtype.name} ({dtype.min} to {dtype.max}). {fix}")


_warned: list[bool] = []


def warn_of_discarding(source: DType, target: DType) -> None:
    """Warn, the first time, of a conversion of complex values to real ones; to bool nothing is lost."""
    if not source.is_complex or target.is_complex or target is bool_ or _warned:
        return
    warn_user("Casting complex values to real discards the imaginary part")
    _warned.append(True)


class finfo:
    """Limits of a floating dtype, or of the parts of a complex one.

    They are ``max``, ``min``, ``tiny``, ``smallest_normal``, ``eps``, ``resolution``, ``bits``. Without ``dtype`` it is the
    default dtype.
    """

    def __init__(self, dtype: DType | None = None) -> None:
        dtype = as_dtype(get_default_dtype() if dtype is None else dtype).real
        if not dtype.is_floating_point:
            raise DTypeError(f"finfo: {dtype} is not a floating dtype. Use tapeloom.iinfo for integers.")
        self.dtype = dtype
        self.bits = 8 * dtype.itemsize
        self.max, self.min, self.eps, self.resolution = dtype.max, dtype.min, dtype.eps, dtype.resolution
        self.tiny = self.smallest_normal = dtype.smallest_normal

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype.name})"
        )


class iinfo:
    """Limits of an integer dtype: ``max``, ``min``, ``bits``."""

    def __init__(self, dtype: DType) -> None:
        dtype = as_dtype(dtype)
        if dtype.category != INTEGER:
            raise DTypeError(f"iinfo: {dtype} is not an integer dtype. Use tapeloom.finfo for floating dtypes.")
        self.dtype = dtype
        self.bits = 8 * dtype.itemsize
        self.max, self.min = int(dtype.max), int(dtype.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype.name})"
