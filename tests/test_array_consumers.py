"""SciPy and scikit-learn compute on Tensors, by the Array API standard: the results are Tensors of the same device.

SciPy reads SCIPY_ARRAY_API when it is imported, so the calls run in a process of their own: this file as a program. The
environments jax and oracle have both libraries; elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import tapeloom as tl

#: what is called, with a function that makes the library's arrays of NumPy's; ``lib`` imports a module by name
CALLS: dict[str, Any] = {
    "scipy.stats.zscore": lambda lib, a: lib("scipy.stats").zscore(a(X)),
    "scipy.stats.skew": lambda lib, a: lib("scipy.stats").skew(a(X), axis=0),
    "scipy.special.logsumexp": lambda lib, a: lib("scipy.special").logsumexp(a(X), axis=1),
    "scipy.fft.rfftn": lambda lib, a: lib("scipy.fft").rfftn(a(X)),
    "scipy.integrate.cumulative_trapezoid": lambda lib, a: lib("scipy.integrate").cumulative_trapezoid(a(X), axis=0),
    "scipy.cluster.vq.whiten": lambda lib, a: lib("scipy.cluster.vq").whiten(a(X)),
    "sklearn StandardScaler": lambda lib, a: lib("sklearn.preprocessing").StandardScaler().fit_transform(a(X)),
    "sklearn PCA": lambda lib, a: lib("sklearn.decomposition").PCA(2, svd_solver="full").fit_transform(a(X)),
    "sklearn Ridge": lambda lib, a: lib("sklearn.linear_model").Ridge(solver="svd").fit(a(X), a(Y)).predict(a(X)),
    "sklearn LinearDiscriminantAnalysis": lambda lib, a: (
        lib("sklearn.discriminant_analysis").LinearDiscriminantAnalysis().fit(a(X), a(L)).predict(a(X))
    ),
    "sklearn GaussianNB": lambda lib, a: lib("sklearn.naive_bayes").GaussianNB().fit(a(X), a(L)).predict_proba(a(X)),
    "sklearn cosine_similarity": lambda lib, a: lib("sklearn.metrics.pairwise").cosine_similarity(a(X)),
}
#: those whose inner steps are all ops, so that a gradient goes through
DIFFERENTIABLE = ["scipy.stats.zscore", "scipy.special.logsumexp", "scipy.fft.rfftn", "sklearn cosine_similarity"]

X = np.random.default_rng(0).normal(size=(20, 4))
Y = X @ np.arange(4.0)
L = (X[:, 0] > 0).astype(np.int64)


def program(device: str) -> dict[str, Any]:
    """For each call what came: the type, the device, the dtype, whether the values are NumPy's, the gradient's shape."""
    from importlib import import_module

    import sklearn

    came = {}
    with sklearn.config_context(array_api_dispatch=True):
        for name, call in CALLS.items():
            found = call(import_module, lambda array: tl.tensor(array, device=device))
            wanted = np.asarray(call(import_module, np.asarray))
            facts = [type(found).__name__, str(found.device), found.dtype.name]
            came[name] = [*facts, bool(np.allclose(found.cpu().numpy(), wanted)), str(wanted.dtype)]
        for name in DIFFERENTIABLE:
            x = tl.tensor(X, device=device, requires_grad=True)
            found = CALLS[name](import_module, lambda array, x=x: x)
            (found.abs() ** 2).sum().backward()
            assert x.grad is not None
            came[name].append(list(x.grad.shape))
    return came


@pytest.fixture(scope="module", params=["cpu", "xla"])
def came(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed here; tox -e jax and tox -e oracle have it")
    if not tl.is_available(request.param):
        pytest.skip(f"the device {request.param} is not available here")
    where = {**os.environ, "SCIPY_ARRAY_API": "1"}
    command = [sys.executable, "-W", "ignore", __file__, request.param]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=where)
    assert not done.returncode, done.stderr
    return str(tl.zeros(0, device=request.param).device), json.loads(done.stdout)


@pytest.mark.parametrize("name", CALLS)
def test_results_are_tensors_of_the_same_device(name: str, came: Any) -> None:
    device, facts = came
    kind, where, dtype, equal, wanted, *gradient = facts[name]
    assert (kind, where, dtype, equal) == ("Tensor", device, wanted, True)
    assert gradient == ([list(X.shape)] if name in DIFFERENTIABLE else [])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(program(sys.argv[1])))
