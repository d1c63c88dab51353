"""einops on Tensors: its functions with gradients, its layers as Modules, whichever is imported first."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn

einops = pytest.importorskip("einops", reason="einops is not installed here; it is in the dependency group test")
X = np.arange(48, dtype=np.float32).reshape(2, 4, 6)

CALLS: dict[str, Any] = {
    "rearrange": lambda x: einops.rearrange(x, "b (h s) w -> (b w) s h", s=2),
    "rearrange of a list": lambda x: einops.rearrange([x, x], "n b h w -> b (n h) w"),
    "repeat": lambda x: einops.repeat(x, "b h w -> b new h (w 3)", new=2),
    "sum": lambda x: einops.reduce(x, "b h w -> b w", "sum"),
    "mean": lambda x: einops.reduce(x, "b (h 2) (w 3) -> b h w", "mean"),
    "max": lambda x: einops.reduce(x, "b h w -> () h ()", "max"),
    "min": lambda x: einops.reduce(x, "... w -> w", "min"),
    "prod": lambda x: einops.reduce(x / 48, "b h w -> b", "prod"),
    "einsum": lambda x: einops.einsum(x, x, "b h w, b k w -> b h k"),
    "pack": lambda x: einops.pack([x, x[:, 0]], "b * w")[0],
    "unpack": lambda x: einops.unpack(x, [(2,), (2, 1)], "b * w")[1],
}


@pytest.mark.parametrize("name", CALLS)
def test_functions(name: str) -> None:
    x = tl.tensor(X, requires_grad=True)
    found = CALLS[name](x)
    np.testing.assert_allclose(found.detach().numpy(), CALLS[name](X), rtol=1e-5)
    found.sum().backward()
    assert x.grad is not None and x.grad.shape == x.shape


def test_what_is_no_tensor() -> None:
    x = tl.tensor(X)
    assert einops.parse_shape(x, "a _ c") == {"a": 2, "c": 6}
    assert einops.asnumpy(x.requires_grad_()).tolist() == X.tolist()
    assert einops.reduce(x > 3, "b h w -> b", "any").tolist() == [True, True]
    assert einops.reduce(x > 3, "b h w -> b", "all").tolist() == [False, True]
    with pytest.raises(einops.EinopsError, match="rearrange-reduction pattern"):
        einops.rearrange(x, "a b -> b a")


def test_the_functions_for_any_array() -> None:
    from einops import array_api

    x = tl.tensor(X, requires_grad=True)
    found = array_api.reduce(array_api.rearrange(x, "b h w -> (b h) w"), "n w -> w", "sum")
    found.sum().backward()
    assert found.tolist() == X.sum((0, 1)).tolist()
    assert array_api.asnumpy(x.detach()).tolist() == X.tolist()


def run(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


@pytest.mark.parametrize(
    "order",
    [
        "import tapeloom as tl, einops",
        "import einops, tapeloom as tl",
        "import tapeloom as tl, importlib; einops = importlib.import_module('einops')",
    ],
)
def test_either_may_be_imported_first(order: str) -> None:
    run(f"{order}; assert einops.rearrange(tl.ones(2, 3), 'a b -> b a').shape == (3, 2)")


def test_einops_is_not_imported_by_us() -> None:
    run("import sys, tapeloom, tapeloom.nn; assert 'einops' not in sys.modules")


def test_the_finder_goes_when_it_has_found() -> None:
    waiting = "sum(getattr(finder, '__name__', '') == 'EinopsFinder' for finder in sys.meta_path)"
    run(f"import sys, tapeloom; assert {waiting} == 1; import einops; assert {waiting} == 0")


# layers


def test_layers() -> None:
    from tapeloom.nn.einops import EinMix, Rearrange, Reduce

    tl.manual_seed(0)
    mix = EinMix("b (p q) w -> b p (r w)", weight_shape="q r", bias_shape="r w", p=2, q=2, r=3, w=6)
    net = nn.Sequential(Rearrange("b h w -> b w h"), Rearrange("b w h -> b h w"), mix, Reduce("b p w -> b w", "mean"))
    assert sorted(net.state_dict()) == ["2.bias", "2.weight"]
    x = tl.tensor(X)
    out = net(x)
    w, b = mix.weight.detach().numpy(), mix.bias.detach().numpy()
    wanted = np.einsum("bpqw,qr->bprw", X.reshape(2, 2, 2, 6), w) + b.reshape(1, 1, 3, 6)
    np.testing.assert_allclose(out.detach().numpy(), wanted.reshape(2, 2, 18).mean(1), rtol=1e-4)
    out.sum().backward()
    assert mix.weight.grad is not None and mix.bias.grad is not None
    assert "Rearrange('b h w -> b w h')" in repr(net) and "Reduce('b p w -> b w', 'mean')" in repr(net)
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert again(x).tolist() == out.tolist()
    assert abs(mix.weight.detach().numpy()).max() <= (3 / 2) ** 0.5
