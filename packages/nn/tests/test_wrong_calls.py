"""Calls that make no sense: each raises one of our errors, or is taken; none shows an error of Python's own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.errors import ArgumentTypeError, TapeloomError
from tapeloom.nn import functional as F
from tapeloom.nn import init, utils
from tapeloom.op.parameter import Arguments
from tapeloom.optim import lr_scheduler


class Odd:
    """Nothing takes it."""


NONSENSE: tuple[Callable[[], Any], ...] = (
    lambda: "text",
    lambda: None,
    list,
    lambda: [1.0],
    dict,
    lambda: -7,
    lambda: 1.5,
    lambda: (1, 2, 3),
    Odd,
    lambda: tl.ones(()),
    lambda: tl.ones(0),
    lambda: tl.ones(2, 3),
    lambda: tl.ones(2, dtype=tl.int64),
)


def weight() -> tl.Tensor:
    return tl.ones(2, 3, requires_grad=True)


def sgd() -> optim.Optimizer:
    return optim.SGD([weight()], lr=0.1)


#: how each is called rightly, all arguments by position
LAYERS: dict[str, tuple[Any, ...]] = {
    "AdaptiveLogSoftmaxWithLoss": (8, 12, [3, 7]),
    "Bilinear": (3, 4, 2),
    "ChannelShuffle": (3,),
    "Dropout": (0.5,),
    "Embedding": (3, 4),
    "EmbeddingBag": (3, 4),
    "Fold": ((4, 5), 2),
    "GroupNorm": (1, 3),
    "LayerNorm": (3,),
    "LazyLinear": (4,),
    "Linear": (3, 4),
    "LinearCrossEntropyLoss": (3, 4),
    "LocalResponseNorm": (3,),
    "LogSoftmax": (1,),
    "MultiheadAttention": (6, 2),
    "PixelShuffle": (2,),
    "PixelUnshuffle": (2,),
    "RMSNorm": (3,),
    "RNNBase": ("GRU", 3, 4, 2),
    "RNNCellBase": (3, 4, True, 1),
    "Softmax": (1,),
    "Softmin": (1,),
    "Threshold": (0.1, 2.0),
    "TransformerDecoder": (nn.TransformerDecoderLayer(6, 2, 8), 2),
    "TransformerDecoderLayer": (6, 2),
    "TransformerEncoder": (nn.TransformerEncoderLayer(6, 2, 8), 2),
    "TransformerEncoderLayer": (6, 2),
    "Transformer": (6, 2, 1, 1, 8),
    "DataParallel": (nn.Linear(3, 4),),
    "Unflatten": (1, (3, 1)),
    "Unfold": (2,),
    **dict.fromkeys(("RNN", "LSTM", "GRU"), (3, 4, 2)),
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell"), (3, 4)),
    **{
        f"{kind}{axes}d": arguments
        for axes in (1, 2, 3)
        for kind, arguments in {
            "BatchNorm": (3,),
            "InstanceNorm": (2,),
            **dict.fromkeys(("Conv", "ConvTranspose"), (3, 4, 2)),
            **dict.fromkeys(("LazyConv", "LazyConvTranspose"), (4, 2)),
            **dict.fromkeys(("AvgPool", "MaxPool", "MaxUnpool", "AdaptiveAvgPool", "AdaptiveMaxPool"), (2,)),
            **dict.fromkeys(("CircularPad", "ReflectionPad", "ReplicationPad", "ZeroPad"), (1,)),
            "ConstantPad": (1, 2.0),
            "LPPool": (2.0, 2),
            "FractionalMaxPool": (2, 3),
        }.items()
    },
}
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
APART = ("Module", "Identity", "Parameter", "Buffer", *CONTAINERS)
MADE: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]]]] = {
    **{
        name: (getattr(nn, name), lambda name=name: LAYERS.get(name, ()))
        for name in dir(nn)
        if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module) and name not in APART
    },
    **{name: (getattr(nn, name), tuple) for name in CONTAINERS},
    **{name: (getattr(optim, name), lambda: ([weight()],)) for name in ("SGD", "Adam", "AdamW", "RMSprop")},
    "StepLR": (lr_scheduler.StepLR, lambda: (sgd(), 2)),
    "MultiStepLR": (lr_scheduler.MultiStepLR, lambda: (sgd(), [1, 2])),
    "ExponentialLR": (lr_scheduler.ExponentialLR, lambda: (sgd(), 0.9)),
    "CosineAnnealingLR": (lr_scheduler.CosineAnnealingLR, lambda: (sgd(), 5)),
    "LambdaLR": (lr_scheduler.LambdaLR, lambda: (sgd(), lambda epoch: 0.9**epoch)),
    **{name: (getattr(init, name), lambda: (tl.ones(2, 3),)) for name in init.__all__ if name.endswith("_")},
    "calculate_gain": (init.calculate_gain, lambda: ("relu",)),
    "constant_": (init.constant_, lambda: (tl.ones(2, 3), 1.0)),
    "normalize": (F.normalize, lambda: (tl.ones(2, 3),)),
    "smooth_l1_loss": (F.smooth_l1_loss, lambda: (tl.ones(2, 3), tl.ones(2, 3))),
    "clip_grad_norm_": (utils.clip_grad_norm_, lambda: ([weight()], 1.0)),
    "clip_grad_value_": (utils.clip_grad_value_, lambda: ([weight()], 1.0)),
    "get_total_norm": (utils.get_total_norm, lambda: ([tl.ones(2, 3)],)),
}


def wrong_calls(name: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    call, good = MADE[name]
    made = isinstance(call, type)
    arguments = Arguments(inspect.unwrap(call.__init__ if made else call), skip=int(made))
    yield "an unknown keyword", lambda: call(*good(), no_such_thing=1)
    if arguments.starred is None:
        yield "too many", lambda: call(*good(), *[Odd()] * 20)
    for place, parameter in enumerate(arguments.names):
        for make in NONSENSE:

            def with_one_wrong(parameter: str = parameter, place: int = place, make: Callable[[], Any] = make) -> Any:
                values = list(good())
                if parameter == arguments.starred:
                    return call(*values, make())
                if place >= len(values):
                    return call(*values, **{parameter: make()})
                values[place] = make()
                return call(*values)

            yield f"{parameter}={make()!r}", with_one_wrong


def foreign(call: Callable[[], Any]) -> str:
    """The error of a call if it is none of ours, else nothing."""
    try:
        call()
    except TapeloomError:
        return ""
    except Exception as error:  # noqa: BLE001 - that it is not ours is the finding
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("name", MADE)
def test_nonsense_raises_our_errors(name):
    assert not {what: found for what, call in wrong_calls(name) if (found := foreign(call))}


@pytest.mark.parametrize("name", [name for name in MADE if name in dir(nn) and name not in CONTAINERS])
def test_a_layer_called_with_nonsense_raises_our_errors(name):
    call, good = MADE[name]
    layer = call(*good())
    empty = inspect.Parameter.empty
    needed = [
        each
        for each in inspect.signature(layer.forward).parameters.values()
        if each.default is empty and each.kind is not each.VAR_POSITIONAL and each.kind is not each.VAR_KEYWORD
    ]
    for make in NONSENSE:
        for place in range(len(needed)):
            inputs = [tl.ones(2, 3)] * len(needed)
            inputs[place] = make()
            assert not foreign(lambda inputs=inputs: layer(*inputs)), inputs


SAYS = (
    (lambda: nn.Linear(3, 4, bais=False), "Linear: unexpected argument 'bais'. Did you mean 'bias'? Signature: Linear("),
    (lambda: nn.Conv2d(3, 4, 3, stide=2), "Conv2d: unexpected argument 'stide'. Did you mean 'stride'? "),
    (lambda: lr_scheduler.StepLR(sgd(), 2, gama=0.1), "StepLR: unexpected argument 'gama'. Did you mean 'gamma'? "),
    (lambda: nn.Dropout([]), "Dropout: p must be a number, got [] of type list."),
    (lambda: nn.Linear("3", 4), "Linear: in_features must be an int, got '3' of type str."),
    (lambda: nn.LeakyReLU("steep"), "LeakyReLU: negative_slope must be a number, got 'steep' of type str."),
    (lambda: nn.CrossEntropyLoss(label_smoothing="a"), "CrossEntropyLoss: label_smoothing must be a number, got 'a' of type str."),
    (lambda: lr_scheduler.StepLR(sgd(), []), "StepLR: step_size must be a number, got [] of type list."),
    (lambda: lr_scheduler.MultiStepLR(sgd(), 5), "MultiStepLR: milestones must be a list of ints, got 5."),
    (lambda: lr_scheduler.MultiStepLR(sgd(), ["a"]), "MultiStepLR: a milestone must be an int, got 'a' of type str."),
    (lambda: lr_scheduler.LambdaLR(sgd(), 5), "LambdaLR: lr_lambda must be a function of the epoch or a list of them, got 5."),
    (lambda: lr_scheduler.LambdaLR(sgd(), lambda epoch: None), "LambdaLR: what lr_lambda gives must be a number, got None of type "),
    (lambda: lr_scheduler.LambdaLR(5, lambda epoch: 1), "LambdaLR: the first argument must be an Optimizer, got int."),
    (lambda: optim.SGD(5), "SGD: params must be an iterable of Tensors or of groups, got int."),
    (lambda: optim.SGD(nn.Linear(3, 4)), "SGD: params must be an iterable of Tensors or of groups, got Linear. Give model.parameters()."),
    (lambda: optim.SGD(nn.Sequential(nn.Linear(3, 4))), "SGD: params must be an iterable of Tensors or of groups, got Sequential. Give "),
    (lambda: optim.SGD(nn.Linear(3, 4).parameters), "SGD: params must be an iterable of Tensors or of groups, got method. Call the "),
    (lambda: optim.SGD([nn.Linear(3, 4).parameters()]), "SGD: parameter 0 must be a Tensor, got generator. Give [*first.parameters(), "),
    (lambda: optim.SGD([("weight",)]), "SGD: a named parameter must be a pair (name, parameter)."),
    (lambda: sgd().step(5), "SGD: closure must be a function that returns the loss, got int."),
    (lambda: nn.Linear(3, 4).apply(5), "Linear.apply: fn must be a function of a module, got int."),
    (lambda: nn.Linear(3, 4).get_submodule(5), "Linear: a path is a string such as 'hidden.weight', got 5."),
    (lambda: nn.Linear(3, 4).get_parameter(None), "Linear: a path is a string such as 'hidden.weight', got None."),
    (lambda: init.zeros_([1.0]), "zeros_: tensor must be a tensor, got list. Make it one with tapeloom.tensor(...)."),
    (lambda: init.kaiming_uniform_(5), "kaiming_uniform_: tensor must be a tensor, got int. Make it one with tapeloom.tensor(...)."),
    (lambda: F.normalize(5), "normalize: input must be a tensor, got int. Make it one with tapeloom.tensor(...)."),
    (lambda: F.smooth_l1_loss([1.0], tl.ones(1)), "smooth_l1_loss: input must be a tensor, got list. Make it "),
    (lambda: utils.clip_grad_norm_(5, 1.0), "clip_grad_norm_: parameters must be a list or tuple of tensors, got int."),
    (lambda: utils.clip_grad_norm_([5], 1.0), "clip_grad_norm_: parameters must be tensors, got int at position 0."),
)  # fmt: skip


@pytest.mark.parametrize(("call", "text"), SAYS)
def test_what_is_said(call, text):
    with pytest.raises(ArgumentTypeError) as error:
        call()
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "MSELoss", "ReLU", "Tanh", "Softmax", "Linear", "Flatten"])
def test_a_layer_called_like_a_function(name):
    x = tl.ones(2, 3)
    with pytest.raises(ArgumentTypeError) as error:
        getattr(nn, name)(x, x)
    assert str(error.value).startswith(f"{name}: ")
    assert str(error.value).endswith(f" A layer is made first, and called then: {name}(...)(input, ...).")


def test_what_pytorch_takes_is_taken():
    weights = nn.ParameterList([weight(), weight()])
    assert len(optim.SGD(weights, lr=0.1).param_groups[0]["params"]) == 2
    assert lr_scheduler.StepLR(sgd(), 10 / 2).step_size == 5
    assert lr_scheduler.MultiStepLR(sgd(), [6 / 2, 1]).milestones == [1, 3]
    assert lr_scheduler.CosineAnnealingLR(sgd(), 5 / 2).T_max == 2.5
    with pytest.raises(ArgumentTypeError, match=r"^StepLR: step_size must be an int, got 2\.5 of type float\."):
        lr_scheduler.StepLR(sgd(), 5 / 2)
    stack = nn.Sequential(nn.ReLU())
    assert stack.insert(0, nn.Tanh()) is stack and isinstance(stack[0], nn.Tanh)


class Hidden(nn.Module):
    """A model whose layers nobody finds, or all but one."""

    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held
        self.head = nn.Linear(3, 3)


@pytest.mark.parametrize(
    ("held", "wanted"), [([nn.Linear(3, 3)], "nn.ModuleList"), ({"a": nn.Linear(3, 3)}, "nn.ModuleDict")]
)
def test_layers_in_a_plain_list_are_warned_of_where_parameters_are_asked_for(held, wanted):
    with pytest.warns(UserWarning, match=rf"^Hidden\.held is a plain {type(held).__name__}.*Use {wanted};") as caught:
        assert len(list(Hidden(held).parameters())) == 2
    assert caught[0].filename == __file__


def test_layers_that_are_found_elsewhere_or_have_no_parameters_are_not_warned_of():
    shown = Hidden(None)
    shown.held = [shown.head, nn.ReLU(), 5]
    tupled = Hidden((nn.Linear(3, 3),))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(shown.parameters())) == len(list(tupled.parameters())) == 2
