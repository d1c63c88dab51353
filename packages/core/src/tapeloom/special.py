"""Special functions under the names of ``torch.special``: what the registry holds for this namespace, and other names."""

from __future__ import annotations

from tapeloom.op.registry import public_names

#: name here -> the name in ``tapeloom``, or here, of the same function
ALIASES = {
    name: name
    for name in (
        "digamma erf erfc erfinv exp2 expm1 i0 log1p log_softmax logit logsumexp polygamma round sinc softmax xlogy"
    ).split()
} | {
    "expit": "sigmoid",
    "gammaln": "lgamma",
    "gammainc": "igamma",
    "gammaincc": "igammac",
    "modified_bessel_i0": "i0",
    "modified_bessel_i1": "i1",
    "multigammaln": "mvlgamma",
    "psi": "digamma",
}
_own = public_names("special")
_known = public_names() | _own
globals().update(_own | {name: _known[there] for name, there in ALIASES.items()})
__all__ = sorted(_own | ALIASES)  # noqa: PLE0605 - the generated stub beside it is what checkers read
