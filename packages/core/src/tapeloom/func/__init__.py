"""Function transforms under the names of ``torch.func``: derivatives of functions, functions of batches, and their compositions."""

from __future__ import annotations

from tapeloom.func.batching import vmap
from tapeloom.func.derivatives import grad, grad_and_value, jvp, linearize, value_and_grad, vjp
from tapeloom.func.jacobians import hessian, jacfwd, jacrev
from tapeloom.func.modules import functional_call, replace_all_batch_norm_modules_, stack_module_state

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]
