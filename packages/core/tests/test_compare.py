"""The differential checker: it names the operation that is wrong on a backend, and its line; right ones it lets pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.op.registry import REGISTRY
from tapeloom.testing import checks, compare
from tapeloom.testing.table import load
from tapeloom_backend_numpy.backend import NumpyBackend, NumpyKernels

TABLE = load()
#: ops whose results do not follow from their inputs
UNCERTAIN = {
    "empty_like": "its values are whatever was in memory",
    "nextafter": "its samples are the ends of the numbers",
} | {name: "a tiny change of the order is another polynomial" for name in TABLE if "_polynomial_" in name}


def planted(name):
    """A backend whose kernel ``name`` gives one wrong element."""

    def kernel(self, *args, **kwargs):
        found = getattr(super(kernels, self), name)(*args, **kwargs)
        op = REGISTRY[name]
        results, residuals = found if op.residuals else (found, None)
        if op.outputs is not None:
            results = (_wrong(results[0]), *results[1:])
        else:
            results = _wrong(results)
        return (results, residuals) if op.residuals else results

    kernels = type("Planted", (NumpyKernels,), {name: kernel})
    return type("PlantedBackend", (NumpyBackend,), {"name": "planted", "kernels_class": kernels})(np)


def _wrong(array):
    array = np.array(array)
    if array.size:
        last = (-1,) * array.ndim
        value = array[last]
        array[last] = (
            ~value if array.dtype == bool else value + 1 if array.dtype.kind in "iu" else value + (abs(value) + 1) / 8
        )
    return array if array.ndim else array[()]


@pytest.fixture
def serving():
    def serve(backend):
        tl.register_backend("planted", backend)

    yield serve
    tl.unregister_backend("planted")


def line_of(marker):
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {marker}"))


def _case(row, dtype):
    def whole(case):
        shapes = [spec.shape for spec in case.inputs()]
        return shapes and not any(0 in shape for shape in shapes)

    return next(filter(whole, row.cases_for(dtype)), None)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.op is not None and not row.maker])
def test_one_wrong_element_is_named_with_its_line(serving, name):
    row = TABLE[name]
    dtype = tl.float32 if tl.float32 in row.dtypes else row.dtypes[-1]
    case = _case(row, dtype)
    if case is None or name in UNCERTAIN:
        pytest.skip(UNCERTAIN.get(name, "its samples have no tensors"))
    serving(planted(row.op.name))
    args, kwargs = case.arguments(dtype)
    tensors = []

    def there(value):
        tensors.append(tl.tensor(value))
        return len(tensors) - 1, Ellipsis

    own = [checks.moved(item, there) for item in args]
    named = {key: checks.moved(value, there) for key, value in kwargs.items()}

    def filled(item, given):
        if isinstance(item, tuple) and len(item) == 2 and item[1] is Ellipsis:
            return given[item[0]]
        return [filled(part, given) for part in item] if isinstance(item, list) else item

    def program(*given):
        return row.call(*[filled(x, given) for x in own], **{k: filled(v, given) for k, v in named.items()})  # the call

    assert compare(program, *tensors, devices=["cpu", "cpu"], backward=False)
    with pytest.raises(AssertionError) as caught:
        compare(program, *tensors, devices=["cpu", "planted"], backward=False)
    assert f"compare: {row.op.name}" in str(caught.value)
    assert f"{__file__}, line {line_of('the call')}, in program" in str(caught.value)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))

    def forward(self, x):
        return self.head(self.body(x))


def loss(model, x, y):
    return nn.functional.cross_entropy(model(x), y)


def batch():
    tl.manual_seed(0)
    return Net(), tl.randn(3, 1, 8, 8), tl.tensor([1, 2, 3])


@pytest.mark.parametrize("name", ["max_pool2d", "linear", "relu", "log_softmax"])
def test_a_fault_within_a_model_is_named_with_its_module(serving, name):
    ops = {"max_pool2d": "max_pool"}
    name = ops.get(name, name)
    if name not in REGISTRY:
        name = next(op for op in REGISTRY if op.startswith(name))
    serving(planted(name))

    def program(model, x, y):
        return loss(model, x, y) + nn.functional.log_softmax(model(x), 1).sum()

    with pytest.raises(AssertionError, match=f"compare: {name}"):
        compare(program, *batch(), devices=["cpu", "planted"])


def test_a_wrong_gradient_is_named(serving):
    def rules_for(self, dtype):
        def run(plan, node, kept, g):
            pairs = plan.run(g, kept, node.edges, self.kernels)
            return [(edge, gradient * (1.001 if plan.name == "tanh" else 1)) for edge, gradient in pairs]

        return run

    serving(type("Walked", (NumpyBackend,), {"name": "planted", "rules_for": rules_for})(np))
    x = tl.linspace(-1, 1, 5).requires_grad_()

    def program(x):
        y = x.exp().tanh()  # tanh
        return (y * x).sum()

    with pytest.raises(AssertionError) as caught:
        compare(program, x, devices=["cpu", "planted"])
    assert str(caught.value).startswith("compare: the gradient of tanh differs at (")
    assert f"line {line_of('tanh')}, in program: `y = x.exp().tanh()  # tanh`" in str(caught.value)
    assert x.grad is None


def test_what_agrees_is_counted(device):
    (found,) = compare(loss, *batch(), devices=["cpu", device])
    assert len(found.steps) > 15 and all(step.error <= 1 for step in found.steps)
    assert str(found).startswith(f"{device} beside cpu: {len(found.steps)} steps agree.")
    assert "in module 'body.0' (Conv2d) of Net" in " ".join(step.where for step in found.steps)
