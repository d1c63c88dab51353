"""Special functions under the names of ``torch.special``: what the registry holds for this namespace, and other names."""

from __future__ import annotations

from tapeloom.op.registry import public_names

#: name here -> what ``tapeloom`` calls it
ALIASES = {
    name: name
    for name in (
        "digamma erf erfc erfinv exp2 expm1 i0 log1p log_softmax logit logsumexp polygamma round sinc softmax xlogy"
    ).split()
} | {
    "expit": "sigmoid",
    "gammaln": "lgamma",
    "multigammaln": "mvlgamma",
    "psi": "digamma",
}
_found = public_names("special") | {name: public_names()[known] for name, known in ALIASES.items()}
globals().update(_found)
__all__ = sorted(_found)  # noqa: PLE0605 - the generated stub beside it is what checkers read
