"""Optimizer steps over lists of parameters: never recorded; each group of one dtype and device is one kernel call.

The results become the new values of the tensors passed. A backend may overwrite memory that nothing else can see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapeloom.errors import ArgumentError, DeviceError, DTypeError, ShapeError
from tapeloom.call.inplace import rebind
from tapeloom.tensors.kind import Kind
from tapeloom.tensors.tensor import Tensor, make


def _check(name: str, params: Sequence[Tensor], **others: Sequence[Tensor | None]) -> None:
    for what, tensors in others.items():
        if len(tensors) != len(params):
            raise ArgumentError(f"{name}: {len(params)} parameters and {len(tensors)} {what} were given. Give one for each.")
        for position, (param, tensor) in enumerate(zip(params, tensors, strict=True)):
            if tensor is None:
                continue
            if tensor.kind is not param.kind:
                error = DTypeError if tensor.device is param.device else DeviceError
                mend = "Compute it again" if what == "gradients" else "optimizer.load_state_dict(optimizer.state_dict())"
                raise error(
                    f"{name}: parameter {position} is {param.kind}, and its entry in {what} is {tensor.kind}: the parameter "
                    f"was moved or cast since. {mend} brings it there."
                )
            if tensor.array.shape != param.array.shape:
                raise ShapeError(
                    f"{name}: parameter {position} has shape {param.shape}, and its entry in {what} has {tensor.shape}."
                )


def _groups(params: Sequence[Tensor], marks: Sequence[Any] | None = None) -> list[tuple[Kind, Any, Sequence[int]]]:
    """The positions of each kind (and mark, if given); of a parameter that has aliases, its own alone.

    Two parameters may share their values. Then the step of the second starts from what the first has left.
    """
    kind = params[0].kind
    for param in params:
        if marks is not None or param.kind is not kind or param.extra is not None:
            break
    else:
        return [(kind, None, range(len(params)))]  # the usual case
    found: dict[tuple[Kind, Any, int | None], list[int]] = {}
    for position, param in enumerate(params):
        key = (param.kind, None if marks is None else marks[position], None if param.extra is None else position)
        if key in found:
            found[key].append(position)
        else:
            found[key] = [position]
    return [(kind, mark, positions) for (kind, mark, _), positions in found.items()]


def _rebind(tensors: Sequence[Any], positions: Sequence[int], arrays: Sequence[Any]) -> None:
    for i, array in zip(positions, arrays, strict=True):
        tensor = tensors[i]
        if tensor.extra is None:  # the usual case of ``rebind``, without a call for each
            tensor.array = array
        else:
            rebind(tensor, array)


def sgd_step(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    momenta: Sequence[Tensor | None],
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> list[Tensor | None]:
    """One step of SGD, in place on ``params`` and on ``momenta``; returns the momenta.

    ``momenta`` has an entry for each parameter, None where none was made yet; with ``momentum`` the new ones are in the
    list that comes back. Raises ArgumentError, ShapeError, DTypeError or DeviceError, before anything changed, for
    lists that do not fit.

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, with
    the rate outside the velocity, as in PyTorch.
    """
    if not params:
        return list(momenta)
    _check("sgd_step", params, gradients=grads, **({"momenta": momenta} if momentum else {}))
    result = list(momenta)
    marks = [held is None for held in momenta] if momentum else None
    if marks is not None and marks == [marks[0]] * len(marks):
        first, marks = marks[0], None
    for kind, mark, positions in _groups(params, marks):
        backend: Any = kind.backend
        fresh = momentum and (first if mark is None else mark)
        held = [] if fresh or not momentum else [momenta[i].array for i in positions]  # type: ignore[union-attr]
        arrays = [params[i].array for i in positions]
        gradients = [grads[i].array for i in positions]
        new_params, new_momenta = backend.kernels.sgd_step(
            arrays, gradients, held, lr, momentum, dampening, weight_decay, nesterov, maximize
        )
        _rebind(params, positions, new_params)
        if held:
            _rebind(momenta, positions, new_momenta)
        elif momentum:
            for i, array in zip(positions, new_momenta, strict=True):
                result[i] = make(array, kind)
    return result


def adam_step(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    exp_avgs: Sequence[Tensor],
    exp_avg_sqs: Sequence[Tensor],
    max_exp_avg_sqs: Sequence[Tensor],
    *,
    step: float,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    amsgrad: bool = False,
    maximize: bool = False,
) -> None:
    """One step of Adam, or with ``decoupled`` weight decay of AdamW, in place on all lists of tensors.

    ``step`` is the number of this step, from 1; ``max_exp_avg_sqs`` is empty unless ``amsgrad``. Raises ArgumentError,
    ShapeError, DTypeError or DeviceError, before anything changed, for lists that do not fit.

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1; AdamW:
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2; ``amsgrad``: S. Reddi,
    S. Kale, S. Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
    """
    if not params:
        return
    states = [exp_avgs, exp_avg_sqs, max_exp_avg_sqs] if amsgrad else [exp_avgs, exp_avg_sqs]
    names = ("exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs")
    _check("adam_step", params, gradients=grads, **dict(zip(names, states, strict=False)))
    decoupled = decoupled or not weight_decay  # without decay both are the same, and infinity * 0 is kept out of g
    for kind, _, positions in _groups(params):
        backend: Any = kind.backend
        results = backend.kernels.adam_step(
            [params[i].array for i in positions],
            [grads[i].array for i in positions],
            [exp_avgs[i].array for i in positions],
            [exp_avg_sqs[i].array for i in positions],
            [max_exp_avg_sqs[i].array for i in positions] if amsgrad else [],
            step, lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize,
        )  # fmt: skip
        for tensors, arrays in zip([params, *states], results, strict=False):
            _rebind(tensors, positions, arrays)
