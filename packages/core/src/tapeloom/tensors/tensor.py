"""Tensor: a handle on an array value that nobody else changes, which remembers the operation that made it.

Only identity lives here: slots, properties, conversion, printing. Arithmetic, methods and ``backward`` are bound by
``methods``, which imports ops and tape and joins them to this class.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from warnings import warn
from weakref import ref

from tapeloom.backend.plugins import resolve_device
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentTypeError, DeviceError, DTypeError, GradientError, ShapeError
from tapeloom.host import read_only
from tapeloom.modes import MODES, tell_watchers
from tapeloom.printing import tensor_text
from tapeloom.tensors.extra import Extra
from tapeloom.tensors.facts import Facts
from tapeloom.tensors.kind import Kind, kind_of
from tapeloom.tensors.node import Hooks, Leaf, Node, RemovableHandle, add_hook, hooks_of

if TYPE_CHECKING:
    from tapeloom._methods import TensorMethods
else:
    TensorMethods = object


T = TypeVar("T", bound="Tensor")


class Tensor(Facts, TensorMethods):
    """An n-dimensional array on a device. Make one with ``tapeloom.tensor``, ``zeros``, ``randn`` and their family.

    ``array`` is the backend's handle, ``kind`` its dtype and device, ``node`` its place on the tape (None for a
    tensor that needs no gradient), ``extra`` what only few tensors have.
    """

    __slots__ = ("__weakref__", "array", "extra", "kind", "node")
    __hash__ = object.__hash__
    __array_priority__ = 1000  # host arrays leave mixed arithmetic to us, which then says what to do

    array: Any
    kind: Kind
    node: Node | None
    extra: Extra | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refused: functions make tensors."""
        raise ArgumentTypeError(
            f"{cls.__name__}: tensors are made by functions. Use tapeloom.tensor(data, dtype=tapeloom.float32) for given "
            f"values, tapeloom.empty(size) or tapeloom.zeros(size) for a given size."
        )

    # gradients

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.node is None or type(self.node) is Leaf

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made it; None for a leaf."""
        return None if self.is_leaf else self.node

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded; can be set on leaves."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value is not True and value is not False:
            raise ArgumentTypeError(
                f"requires_grad: must be True or False, got {value!r} of type {type(value).__name__}."
            )
        if value:
            if self.node is None:
                if not self.kind.inexact:
                    raise DTypeError(
                        f"requires_grad: only floating and complex tensors can have a gradient, this one is {self.kind.dtype.name}. "
                        f"Cast it first with .float()."
                    )
                enter_tape(self)
        elif self.node is not None:
            if type(self.node) is not Leaf:
                raise GradientError(
                    f"requires_grad: this tensor was made by {self.node.name}; only a leaf can be switched off. "
                    f"Use .detach() for a tensor without its history."
                )
            leave_tape(self)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Mark this leaf as needing a gradient (or not), and return it."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient gathered by backward, one and the same tensor until it is replaced."""
        if type(self.node) is Leaf:
            return read_grad(self.node)
        if self.node is None:
            return None if self.extra is None else self.extra.grad
        hooks = self.node.hooks
        if hooks is None or not (hooks.retains or hooks.retained is not None):
            warn(
                f"grad: this tensor was made by {self.node.name}, and backward keeps the gradients of leaves alone, so that its .grad "
                f"is None. Call .retain_grad() on it before backward; or, where it is to be a leaf, as in `w = w - lr * w.grad`, "
                f"update the leaf itself under tapeloom.no_grad(): `w -= lr * w.grad`.",
                UserWarning,
                stacklevel=2,
            )
        return None if hooks is None else hooks.retained

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise ArgumentTypeError(f"grad: expected a tensor or None, got {type(value).__name__}.")
            if value.shape != self.shape:
                raise ShapeError(
                    f"grad: a gradient of shape {value.shape} was given to a tensor of shape {self.shape}."
                )
            if value.kind is not self.kind:
                raise DTypeError(f"grad: a gradient of {value.kind} was given to a tensor of {self.kind}.")
        if type(self.node) is Leaf:
            write_grad(self.node, value)
        elif self.node is None:
            extra_of(self).grad = value
        else:
            hooks_of(self.node).retained = value

    def retain_grad(self) -> None:
        """Have backward keep the gradient of this tensor although it is no leaf."""
        if self.node is None:
            raise GradientError("retain_grad: this tensor does not require a gradient.")
        if type(self.node) is not Leaf:
            hooks_of(self.node).retains = True

    @property
    def retains_grad(self) -> bool:
        """Whether ``retain_grad`` was called on it."""
        return self.node is not None and self.node.hooks is not None and self.node.hooks.retains

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(grad)`` when the gradient of this tensor is known; what it returns, if anything, replaces it."""
        return add_hook(self._hooks("register_hook").before, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(self)`` each time backward has added to ``.grad`` of this leaf."""
        hooks = self._hooks("register_post_accumulate_grad_hook")
        if type(self.node) is not Leaf:
            raise GradientError("register_post_accumulate_grad_hook: this tensor is not a leaf. Use register_hook.")
        weak = ref(self)  # a strong reference would make the leaf hold its own tensor

        def after() -> None:
            tensor = weak()
            if tensor is not None:
                hook(tensor)

        return add_hook(hooks.after, after)

    def _hooks(self, what: str) -> Hooks:
        if self.node is None:
            raise GradientError(f"{what}: this tensor does not require a gradient.")
        return hooks_of(self.node)

    @property
    def T(self) -> Tensor:
        """The tensor with its dimensions reversed."""
        return self.permute(tuple(range(self.ndim - 1, -1, -1)))

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two dimensions swapped."""
        swapped: Tensor = self.transpose(-2, -1) if self.ndim else self.permute(())
        return swapped

    @property
    def mH(self) -> Tensor:
        """The conjugate of the tensor with its last two dimensions swapped."""
        return self.adjoint()

    @property
    def H(self) -> Tensor:
        """The conjugate transpose of a matrix."""
        if self.ndim not in (0, 2):
            raise ShapeError(f"H: expected a matrix, got shape {self.shape}. For batches of matrices use .mH.")
        return self.adjoint()

    # to Python and the host

    def numpy(self, *, force: bool = False) -> Any:
        """A NumPy array of the values; read-only where it shares memory with this tensor (CPU).

        Raises GradientError for a tensor that requires a gradient and DeviceError for one on another device, unless
        ``force``: then it is detached and moved first.
        """
        if self.node is not None and not force:
            raise GradientError(
                "numpy: this tensor requires a gradient, which NumPy would lose. Use .detach().numpy()."
            )
        if self.device.type != "cpu" and not force:
            raise DeviceError(
                f"numpy: this tensor is on {self.device}. Use .cpu().numpy() to copy it to the host first."
            )
        return read_only(_read_out(self, "numpy"))

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number."""
        if self.numel() != 1:
            raise ShapeError(
                f"item: a tensor of shape {self.shape} has {self.numel()} elements; only one can be an item."
            )
        return _read_out(self, "item").item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return _read_out(self, "tolist").tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __float__(self) -> float:
        return float(self._real_item("float"))

    def __int__(self) -> int:
        return int(self._real_item("int"))

    def __complex__(self) -> complex:
        return complex(self.item())

    def _real_item(self, what: str) -> Any:
        value = self.item()
        if not self.kind.dtype.is_complex:
            return value
        if value.imag:
            raise DTypeError(f"{what}: {value} is not real. Use .item() or complex(x).")
        return value.real

    def __index__(self) -> int:
        if self.kind.dtype.inexact or self.numel() != 1:
            raise ArgumentTypeError(
                f"index: only integer tensors of one element can be an index, this one is {self.kind.dtype.name} "
                f"of shape {self.shape}."
            )
        return int(self.item())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ShapeError(f"bool: the truth of a tensor of shape {self.shape} is ambiguous. Use .any() or .all().")
        return bool(self.item())

    def __len__(self) -> int:
        if not self.ndim:
            raise ArgumentTypeError("len: a 0-d tensor has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise ArgumentTypeError("iter: a 0-d tensor cannot be iterated. Use .item().")
        return iter([self[position] for position in range(self.shape[0])])

    def __contains__(self, value: Any) -> bool:
        found = self == value
        if not isinstance(found, Tensor):  # nothing that a tensor is compared with
            raise ArgumentTypeError(f"in: expected a number or a tensor, got {value!r} of type {type(value).__name__}.")
        return bool(found.any())

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return self.kind.backend.text(self.array) or tensor_text(self, host_array(self))

    def __format__(self, spec: str) -> str:
        if not self.ndim and (spec or type(self) is Tensor):
            return format(self.item(), spec)
        if spec:
            raise ArgumentTypeError(
                f"format: {spec!r} is for one number, and this tensor has shape {self.shape}. Format the .item() of one "
                f"element, or set how tensors print with tapeloom.set_printoptions."
            )
        return repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise GradientError(
                "deepcopy: only leaves can be copied deeply; this tensor was made by an operation. Use .detach()."
            )
        found: Tensor | None = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = make_like(self, self.kind.backend.copy(read_array(self)))
            if self.grad is not None:
                found.grad = self.grad.__deepcopy__(memo)
            for name, value in getattr(self, "__dict__", {}).items():
                import copy

                setattr(found, name, copy.deepcopy(value, memo))
        return found

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if not self.is_leaf:
            raise GradientError(
                "pickle: only leaves can be pickled; this tensor was made by an operation. Use .detach()."
            )
        return rebuilt, (type(self), host_array(self).copy(), self.dtype, str(self.device), self.requires_grad)


_new = object.__new__


# Arrays and gradients are read and written through these functions wherever nothing is measured in nanoseconds: a captured
# step watches them. The generated text of ops and the walk, which are closed while anything watches, have them inline.


def read_array(tensor: Tensor) -> Any:
    """The raw array of ``tensor``."""
    return tensor.array


def write_array(tensor: Tensor, array: Any) -> None:
    """Give ``tensor`` another raw array of its kind."""
    tensor.array = array


def write_handles(handles: list[Tensor], arrays: list[Any], nodes: list[Node | None]) -> None:
    """Give each tensor another raw array of its kind and another place on the tape, all of them or none.

    One call into C: neither Ctrl-C nor another thread comes between two of them.
    """
    names = ["array"] * len(handles) + ["node"] * len(handles)
    deque(map(setattr, [*handles, *handles], names, [*arrays, *nodes]), maxlen=0)


def host_array(tensor: Tensor) -> Any:
    """The values of ``tensor`` as a NumPy array, which may share its memory."""
    return tensor.kind.backend.to_host(tensor.array)


def _read_out(tensor: Tensor, how: str) -> Any:
    """``host_array`` for users, by the method ``how``."""
    if tensor.node is not None and MODES.get().watchers:
        tell_watchers("read_out", tensor, how)
    return host_array(tensor)


def read_grad(leaf: Leaf) -> Tensor | None:
    """The gradient gathered in ``leaf``."""
    return leaf.grad


def write_grad(leaf: Leaf, grad: Tensor | None) -> None:
    """Set the gradient gathered in ``leaf``."""
    leaf.grad = grad


def enter_tape(tensor: Tensor) -> None:
    """Make ``tensor`` a leaf, the one that it was before if it was one; it keeps the gradient that it has."""
    extra = tensor.extra
    leaf = None if extra is None else extra.leaf
    if leaf is None or leaf.kind is not tensor.kind or leaf.shape != tensor.shape:
        leaf = Leaf(tensor.kind, tensor.shape)
    if extra is not None:
        write_grad(leaf, extra.grad)
        extra.grad = extra.leaf = None
    tensor.node = leaf


def leave_tape(tensor: Tensor) -> None:
    """Take ``tensor`` off the tape; it keeps the gradient that it has."""
    node = tensor.node
    if node is None:
        return
    if type(node) is Leaf:
        grad = read_grad(node)
        write_grad(node, None)  # what is walked later adds to it no more
        extra_of(tensor).leaf = node
    else:
        grad = None if node.hooks is None else node.hooks.retained
    tensor.node = None
    if grad is not None:
        extra_of(tensor).grad = grad


def make(array: Any, kind: Kind, node: Node | None = None) -> Tensor:
    """A Tensor on a raw array."""
    tensor = _new(Tensor)
    tensor.array = array
    tensor.kind = kind
    tensor.node = node
    tensor.extra = None
    return tensor


def make_of(cls: type[T], array: Any, kind: Kind) -> T:
    """A Tensor of class ``cls`` on a raw array, off the tape."""
    tensor = _new(cls)
    tensor.array, tensor.kind, tensor.node, tensor.extra = array, kind, None, None
    return tensor


def make_like(tensor: Tensor, array: Any) -> Tensor:
    """A leaf of the type, kind and ``requires_grad`` of ``tensor`` on another array."""
    made = make_of(type(tensor), array, tensor.kind)
    if tensor.node is not None:
        made.node = Leaf(tensor.kind, tensor.shape)
    return made


def extra_of(tensor: Tensor) -> Extra:
    """The tensor's Extra, made on first use."""
    if tensor.extra is None:
        tensor.extra = Extra()
    return tensor.extra


def rebuilt(cls: type[Tensor], array: Any, dtype: DType, device: str, requires_grad: bool) -> Tensor:
    """A pickled tensor on its device again."""
    kind = kind_of(dtype, resolve_device(device))
    made = make_of(cls, kind.backend.from_host(array, kind.device), kind)
    if requires_grad:
        made.node = Leaf(kind, made.shape)
    return made


def is_tensor(value: object) -> bool:
    """Whether ``value`` is a Tensor."""
    return isinstance(value, Tensor)


def among(value: object, tensors: Iterable[Any]) -> bool:
    """Whether ``value`` is one of ``tensors``: the same handle, where ``in`` would compare elements."""
    return any(value is tensor for tensor in tensors)
