"""Facts: what can be asked of a tensor without looking at its values: how many elements, of what, where."""

from __future__ import annotations

from typing import Any

from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import IndexingError
from tapeloom.shapes import element_count, normalize_dim
from tapeloom.tensors.kind import Kind


class Facts:
    """A base of Tensor, which has ``array`` and ``kind``."""

    __slots__ = ()

    array: Any
    kind: Kind

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each dimension."""
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> DType:
        """The data type of the elements."""
        return self.kind.dtype

    @property
    def device(self) -> Device:
        """Where the values are."""
        return self.kind.device

    @property
    def is_cpu(self) -> bool:
        """Whether it is on the CPU."""
        return self.kind.device.type == "cpu"

    @property
    def is_cuda(self) -> bool:
        """Whether it is on a CUDA device."""
        return self.kind.device.type == "cuda"

    @property
    def is_xla(self) -> bool:
        """Whether it is on a device of XLA."""
        return self.kind.device.type == "xla"

    @property
    def is_meta(self) -> bool:
        """False: every tensor has values."""
        return False

    def is_inference(self) -> bool:
        """False: what is made within ``inference_mode`` is an ordinary tensor."""
        return False

    def get_device(self) -> int:
        """The number of its device; -1 on the CPU."""
        return -1 if self.is_cpu else self.kind.device.index or 0

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return len(self.array.shape)

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.kind.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all its elements."""
        return self.numel() * self.itemsize

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one dimension."""
        if dim is None:
            return self.shape
        if not self.ndim:
            raise IndexingError("size: a 0-d tensor has no dimensions, so none has a length.")
        return self.shape[normalize_dim("size", dim, self.ndim)]

    def dim(self) -> int:
        """How many dimensions it has."""
        return self.ndim

    ndimension = dim

    def numel(self) -> int:
        """How many elements it has."""
        return element_count(self.array.shape)

    nelement = numel

    def is_floating_point(self) -> bool:
        """Whether its dtype is floating."""
        return self.kind.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether its dtype is complex."""
        return self.kind.dtype.is_complex

    def element_size(self) -> int:
        """Bytes per element."""
        return self.kind.dtype.itemsize
