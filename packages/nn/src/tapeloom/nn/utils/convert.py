"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.op import explained
from tapeloom.errors import DeviceError, ShapeError
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of

__all__ = ["parameters_to_vector", "vector_to_parameters"]


@explained
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters in one row; the gradient goes through it.

    Raises:
        DeviceError: parameters on several devices.

    Example:
        >>> from tapeloom import nn
        >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
        (8,)
    """
    each = as_tensors_of("parameters_to_vector", parameters, "parameters")
    if len({parameter.device for parameter in each}) > 1:
        raise DeviceError("parameters_to_vector: the parameters are on several devices. Move them to one.")
    vector: Tensor = tl.cat([parameter.reshape(-1) for parameter in each])
    return vector


@explained
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Sets the values of all parameters from one row.

    Raises:
        ShapeError: a vector of another length; then nothing is changed.
    """
    each = as_tensors_of("vector_to_parameters", parameters, "parameters")
    sizes = [parameter.numel() for parameter in each]
    if tuple(as_tensor_of("vector_to_parameters", vec, "vec").shape) != (sum(sizes),):
        raise ShapeError(
            f"vector_to_parameters: the parameters have {sum(sizes)} elements, and vec has shape {tuple(vec.shape)}."
        )
    start = 0
    for parameter, size in zip(each, sizes, strict=True):
        parameter.data = vec[start : start + size].detach().reshape(parameter.shape)
        start += size
