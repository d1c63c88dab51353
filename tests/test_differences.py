"""The differences from PyTorch that docs/reference/differences.md lists, each as what tapeloom does.

What PyTorch does instead is in tests/oracle/test_differences.py, under the same names.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn, optim

# tensors


def test_there_are_no_strides():
    x = tl.ones(2, 3).T
    assert x.contiguous() is x and x.is_contiguous()
    for name in ("stride", "as_strided", "dim_order", "resize_", "data_ptr", "storage"):
        assert not hasattr(x, name)


def test_view_is_reshape_and_shares():
    base = tl.arange(6).reshape(2, 3)
    flat = base.T.view(6)
    flat[1] = 100
    assert base[1, 0].item() == 100


def test_a_write_through_expand_is_refused():
    with pytest.raises(tl.errors.InplaceError):
        tl.zeros(1, 3).expand(2, 3).add_(1)
    with pytest.raises(tl.errors.InplaceError):
        tl.zeros(3).unfold(0, 2, 1).add_(1)


def test_in_place_forms_that_change_the_shape_are_recorded_under_no_grad_too():
    w = tl.ones(2, 3, requires_grad=True)
    y = w * 2
    with tl.no_grad():
        y.t_()
    y.sum().backward()
    assert w.grad.tolist() == [[2.0] * 3] * 2


def test_asarray_does_not_change_its_argument():
    x = tl.ones(2)
    assert tl.asarray(x, requires_grad=True).requires_grad and not x.requires_grad


def test_backward_never_finds_a_changed_tensor():
    w = tl.tensor([2.0], requires_grad=True)
    y = w * w
    z = y * y
    y += 1
    z.backward()
    assert w.grad.tolist() == [32.0]


def test_from_numpy_lends_in_one_direction():
    array = np.zeros(3)
    x = tl.from_numpy(array)
    array[0] = 5
    assert x[0].item() == 5
    x.add_(1)
    assert array.tolist() == [5, 0, 0] and x.tolist() == [6, 1, 1]


def test_functions_of_numpy_give_arrays():
    assert type(np.exp(tl.zeros(3))) is np.ndarray
    with pytest.raises(tl.errors.GradientError):
        np.exp(tl.zeros(3, requires_grad=True))


def test_dlpack_lends_in_one_direction():
    array = np.zeros(3)
    x = tl.from_dlpack(array)
    array[0] = 5
    assert x[0].item() == 5
    x.add_(1)
    assert array.tolist() == [5, 0, 0]
    assert not np.from_dlpack(x).flags.writeable


def test_numpy_is_read_only():
    array = tl.zeros(3).numpy()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_numpy_is_a_snapshot():
    x = tl.zeros(3)
    array = x.numpy()
    x.add_(1)
    x[0] = 7
    assert array.tolist() == [0, 0, 0]


def test_arrays_do_not_mix_with_tensors():
    with pytest.raises(tl.errors.ArgumentTypeError):
        tl.ones(3) + np.ones(3)


def test_empty_gives_zeros():
    assert tl.empty(100).tolist() == [0.0] * 100
    assert tl.empty_like(tl.ones(3)).tolist() == tl.ones(1).new_empty(3).tolist() == [0.0] * 3


def test_take_along_dim_does_not_wrap_around():
    with pytest.raises(tl.errors.IndexingError):
        tl.take_along_dim(tl.arange(3).reshape(1, 3), tl.tensor([[5]]), 1)


def test_index_add_of_integers_refuses_a_fraction():
    with pytest.raises(tl.errors.DTypeError):
        tl.index_add(tl.ones(2, dtype=tl.int64), 0, tl.tensor([0]), tl.ones(1, dtype=tl.int64), alpha=2.5)


def test_what_a_reduction_leaves_out_has_no_share():
    x, src = tl.ones(1, requires_grad=True), tl.ones(1, requires_grad=True)
    x.scatter_reduce(0, tl.tensor([0]), src, "amax", include_self=False).backward()
    assert (x.grad.tolist(), src.grad.tolist()) == ([0], [1])


def test_the_gradient_of_a_scattered_product_is_that_of_the_others():
    x, src = tl.ones(1, requires_grad=True), tl.tensor([math.inf, 2.0], requires_grad=True)
    x.scatter_reduce(0, tl.tensor([0, 0]), src, "prod").backward()
    assert src.grad.tolist() == [2, math.inf]
    src = tl.zeros(2, requires_grad=True)
    out = x.detach().scatter_reduce(0, tl.tensor([0, 0]), src, "prod")
    (first,) = tl.autograd.grad(out, src, create_graph=True)
    (second,) = tl.autograd.grad(first[0], src)
    assert second.tolist() == [0, 1]


def test_unique_has_a_gradient():
    x = tl.tensor([2.0, 1.0, 2.0], requires_grad=True)
    (x.unique() * tl.tensor([3.0, 5.0])).sum().backward()
    assert x.grad.tolist() == [5, 3, 0]


def test_topk_finds_the_first_of_equal_elements():
    assert tl.topk(tl.tensor([2, 0, 0, 255], dtype=tl.uint8), 3).indices.tolist() == [3, 0, 1]
    assert tl.topk(tl.tensor([1, 3, 2]), 3, sorted=False).values.tolist() == [3, 2, 1]


def test_there_is_no_out():
    with pytest.raises(tl.errors.ArgumentTypeError, match="unexpected argument 'out'"):
        tl.exp(tl.ones(3), out=tl.zeros(3))


def test_shapes_are_tuples():
    assert type(tl.ones(2, 3).shape) is tuple


def test_there_is_no_tensor_constructor():
    with pytest.raises(TypeError):
        tl.Tensor([1.0])


# dtypes and numbers


def test_a_number_that_does_not_fit_is_an_error():
    with pytest.raises(tl.errors.DTypeError, match="the number 300 does not fit uint8"):
        tl.tensor([1], dtype=tl.uint8) + 300
    with pytest.raises(tl.errors.DTypeError, match="the number 257 does not fit uint8"):
        tl.arange(250, 258, dtype=tl.uint8)


def test_comparisons_with_numbers_that_do_not_fit():
    assert (tl.tensor([44], dtype=tl.uint8) == 300).tolist() == [False]
    assert (tl.tensor([44]) < 2**64).tolist() == [True]


def test_numpys_scalars_are_the_numbers_that_they_hold():
    assert (tl.tensor([1]) + np.bool_(True)).dtype is tl.int64
    assert (tl.tensor([1.0]) * np.complex64(1j)).tolist() == [1j]


def test_what_becomes_integers_loses_its_gradient():
    assert not tl.ones(2, requires_grad=True).sum(dtype=tl.int64).requires_grad


def test_linspace_into_integers_is_exact():
    assert tl.linspace(67, -15, 11, dtype=tl.int64)[5].item() == 26


def test_a_range_of_integers_has_steps_of_at_least_1():
    with pytest.raises(tl.errors.ArgumentError, match=r"step 0\.5 does not lead from 0 to 3 in integers"):
        tl.arange(0, 3, 0.5, dtype=tl.int32)


def test_a_bool_to_the_power_of_true():
    with pytest.raises(tl.errors.DTypeError, match="pow: bool tensors are not supported"):
        tl.tensor([True]) ** True


@pytest.mark.filterwarnings("ignore:index_put. a uint8 tensor is read as a mask:UserWarning")
def test_calls_that_are_taken():
    mask = tl.tensor([True, False])
    assert (mask @ mask).item() is True
    assert (tl.ones(2) - mask).tolist() == [0.0, 1.0]
    assert tl.norm(tl.tensor([3, 4]), dtype=tl.float32).item() == 5.0
    assert tl.ones(2).gather(0, tl.tensor([1], dtype=tl.int8)).tolist() == [1.0]
    x = tl.ones(2)
    x[tl.tensor([0, 1], dtype=tl.uint8)] = 5
    assert x.tolist() == [1.0, 5.0]


def test_there_is_no_complex32():
    assert tl.float16.to_complex() is tl.complex64
    assert (tl.ones(2, dtype=tl.float16) * 1j).dtype is tl.complex64


def test_float64_data_through_a_float32_layer_computes_in_float64():
    layer = nn.Linear(2, 1)
    x = tl.tensor([[0.1, 0.2]], dtype=tl.float64)
    assert layer(x).dtype is tl.float64
    assert tl.equal(layer(x), nn.functional.linear(x, layer.weight.double(), layer.bias.double()))


def test_python_types_stand_for_the_default_dtype():
    assert tl.zeros(2, dtype=float).dtype is tl.float32
    assert tl.zeros(2, dtype=complex).dtype is tl.complex64


def test_all_and_any_give_bool_always():
    x = tl.tensor([0, 2], dtype=tl.uint8)
    assert x.all().dtype is tl.bool_ and x.any().dtype is tl.bool_


def test_the_gradient_of_floor_division_is_zero():
    x = tl.tensor([5.0], requires_grad=True)
    (x // 2).backward()
    assert x.grad.tolist() == [0.0]


def test_gelu_of_infinity():
    assert nn.functional.gelu(tl.tensor([math.inf])).tolist() == [math.inf]


def test_a_window_in_the_padding():
    with pytest.raises(tl.errors.ShapeError, match="a window misses the input"):
        tl.max_pool2d(tl.ones(1, 2, 2), 2, 1, 1, 3)


def test_interpolation_of_uint8():
    image = tl.zeros(1, 1, 2, 2, dtype=tl.uint8)
    assert tl.interpolate(image, 3).dtype is tl.uint8
    with pytest.raises(tl.errors.DTypeError, match="mode 'bicubic' does not take uint8"):
        tl.interpolate(image, 3, mode="bicubic")


def test_a_scale_that_leaves_the_length():
    x = tl.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]])
    assert tl.interpolate(x, scale_factor=1.12).tolist() == x.tolist()


def test_antialiasing_to_width_one():
    x = tl.arange(6, dtype=tl.float32).reshape(1, 1, 6, 1)
    once = tl.interpolate(x, (12, 1), mode="bilinear", antialias=True)
    twice = tl.interpolate(tl.cat([x, x], 3), (12, 2), mode="bilinear", antialias=True)
    assert once.flatten().tolist() == twice[..., 0].flatten().tolist()


def test_places_that_are_infinite():
    for rank in (2, 3):
        x, grid = tl.ones(1, 1, *(2,) * rank), tl.full((1, *(1,) * rank, rank), math.inf)
        assert math.isnan(tl.grid_sample(x, grid).item())


def test_pixel_unshuffle_of_nothing():
    assert tl.pixel_unshuffle(tl.zeros(0, 2, 6, 4), 2).shape == (0, 8, 3, 2)


def test_as_many_windows_as_there_are():
    assert tl.fractional_max_pool3d(tl.zeros(1, 1, 3, 3, 3), 2, 2).shape == (1, 1, 2, 2, 2)


def test_arg_extremes_of_bool():
    assert tl.tensor([False, True, True]).argmax().item() == 1


def test_labels_of_any_integer_dtype():
    x = tl.zeros(2, 3)
    assert tl.cross_entropy(x, tl.tensor([0, 2], dtype=tl.int32)).item() == pytest.approx(math.log(3))


# devices


def test_a_device_equals_its_name():
    assert tl.ones(1).device == "cpu" and tl.device("cpu:0") is tl.device("cpu")


# gradients


def test_inference_mode_makes_ordinary_tensors():
    with tl.inference_mode():
        x = tl.ones(2)
    w = tl.ones(2, requires_grad=True)
    (w * x).sum().backward()
    assert w.grad.tolist() == [1.0, 1.0]


def test_the_gradient_of_an_infinite_variance():
    x = tl.tensor([300.0, 1.0, 2.0], requires_grad=True)
    x.var(correction=3).backward()
    assert x.grad.tolist() == [math.inf, -math.inf, -math.inf]


def test_nodes_are_called_by_the_op():
    x = tl.ones(2, requires_grad=True)
    assert repr((x * x).grad_fn) == "<MultiplyBackward>"


def test_there_are_no_dual_numbers():
    assert "forward_ad" not in tl.autograd.__all__


def test_an_argument_that_is_differentiated_by_cannot_be_changed():
    with pytest.raises(tl.errors.InplaceError):
        tl.func.jvp(lambda x: x.mul_(2), (tl.ones(3),), (tl.ones(3),))


# linear algebra


def test_a_factor_that_is_not_there_is_nan():
    L, info = tl.linalg.cholesky_ex(tl.tensor([[1.0, 2.0], [2.0, 1.0]]))
    assert info.item() == 2 and L.isnan().tolist() == [[True, False], [True, True]]


def test_the_gradient_of_det_at_a_singular_matrix():
    x = tl.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=tl.float64, requires_grad=True)
    tl.det(x).backward()
    assert np.allclose(x.grad.numpy(), [[4.0, -2.0], [-2.0, 1.0]])


def test_the_gradient_of_a_triangular_factor():
    L = tl.tensor([[2.0, 0.0], [1.0, 3.0]], requires_grad=True)
    tl.cholesky_inverse(L).sum().backward()
    assert L.grad[0, 1].item() == 0


def test_lu_without_pivoting():
    P, L, U = tl.linalg.lu(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), pivot=False)
    assert P.numel() == 0 and L.tolist() == [[1, 0], [3, 1]] and U.tolist() == [[1, 2], [0, -2]]


# random numbers


def test_one_generator_for_all_devices():
    assert tl.Generator("cuda").manual_seed(3).get_state() == tl.Generator().manual_seed(3).get_state() == (3, 0)


# nn


def test_softmax_needs_dim():
    with pytest.raises(TypeError):
        nn.functional.softmax(tl.ones(2, 2))


def test_modules_in_a_plain_list_are_warned_of():
    module = nn.Module()
    module.layers = [nn.Linear(2, 2)]
    with pytest.warns(UserWarning, match="plain list"):
        assert list(module.parameters()) == []


def test_a_layer_looks_at_its_settings_when_it_is_made():
    with pytest.raises(tl.errors.ArgumentTypeError):
        nn.LeakyReLU("steep")
    with pytest.raises(tl.errors.ArgumentTypeError):
        nn.Linear(2, 2, bias=0)
    with pytest.raises(tl.errors.ArgumentTypeError):
        nn.MSELoss(tl.ones(2), tl.ones(2))


def test_there_is_one_way_through_a_transformer():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    encoder, x = nn.TransformerEncoder(layer, 1).eval(), tl.randn(1, 3, 4)
    padding = tl.tensor([[False, False, True]])
    with tl.no_grad():
        hidden = encoder(x, src_key_padding_mask=padding)
    assert tl.equal(hidden, encoder(x, src_key_padding_mask=padding).detach())
    assert bool((hidden[0, 2] != 0).any())
    assert type(layer.self_attn.out_proj) is nn.Linear


def test_parts_of_recurrent_layers():
    assert nn.LSTM(2, 3).flatten_parameters() is None
    packed = nn.utils.rnn.pack_sequence([tl.ones(2, 2), tl.ones(1, 2)])
    assert packed.batch_sizes.device == packed.data.device


def test_a_lazy_layer_takes_its_first_input_by_place():
    with pytest.raises(tl.errors.StateError):
        nn.LazyLinear(2)(input=tl.ones(1, 3))
    norm = nn.LazyInstanceNorm1d()
    norm(tl.ones(4, 2))
    assert norm.num_features == 4


def test_the_older_keys_of_weight_norm_are_not_read():
    state = nn.utils.weight_norm(nn.Linear(2, 2)).state_dict()
    with pytest.raises(tl.errors.StateError):
        nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)).load_state_dict(state)


def test_losses_do_not_broadcast():
    with pytest.raises(tl.errors.ShapeError):
        nn.functional.mse_loss(tl.ones(3, 1), tl.ones(3))


# optimizers


def test_normalize_and_clipping_compute_half_types_in_float32():
    assert nn.functional.normalize(tl.zeros(2, dtype=tl.float16), dim=0).tolist() == [0.0, 0.0]
    weight = nn.Parameter(tl.zeros(2, dtype=tl.float16))
    weight.grad = tl.full((2,), 60000.0, dtype=tl.float16)
    assert nn.utils.clip_grad_norm_(weight, 1.0).item() == math.inf
    assert weight.grad.tolist() == pytest.approx([0.5**0.5] * 2, rel=1e-3)


def test_a_parameter_given_twice_is_an_error():
    w = tl.ones(2, requires_grad=True)
    with pytest.raises(tl.errors.TapeloomError):
        optim.SGD([w, w], lr=0.1)


def test_how_an_optimizer_computes_is_no_setting():
    weight = tl.ones(2, requires_grad=True)
    assert "foreach" not in optim.Adam([weight], foreach=True, fused=True, capturable=True).param_groups[0]
    with pytest.raises(tl.errors.ArgumentError):
        optim.Adam([weight], differentiable=True)
    p, g, zero = tl.ones(2), tl.ones(2, requires_grad=True), tl.zeros(2)
    settings = {**optim.SGD([weight]).defaults, "lr": 0.1, "momentum": 0.9}
    new, _ = optim.SGD.update(tl.ops, p, g, zero, **settings)
    new.sum().backward()
    assert g.grad.tolist() == pytest.approx([-0.1, -0.1])


def test_muon_orthogonalises_in_the_dtype_of_its_parameter():
    weight = tl.zeros(2, 2, dtype=tl.float64, requires_grad=True)
    weight.grad = tl.tensor([[2.0, 1.0], [0.0, 1.0]], dtype=tl.float64)
    optimizer = optim.Muon([weight], lr=1.0, ns_coefficients=(1.5, -0.5, 0.0), ns_steps=30)
    optimizer.step()
    assert (weight @ weight.T - tl.eye(2)).abs().max().item() < 1e-12
    with pytest.raises(tl.errors.ArgumentError):
        optimizer.add_param_group({"params": [tl.ones(2)]})


def test_numbers_in_the_state_of_an_optimizer_have_the_dtype_of_their_parameter():
    weight = tl.ones(2, dtype=tl.float64, requires_grad=True)
    weight.grad = tl.ones(2, dtype=tl.float64)
    optimizer = optim.NAdam([weight])
    optimizer.step()
    assert optimizer.state[weight]["mu_product"].dtype is tl.float64


def test_a_rate_comes_back_from_zero():
    optimizer = optim.SGD([tl.ones(1)], lr=0.5)
    scheduler = optim.lr_scheduler.ConstantLR(optimizer, factor=0, total_iters=1)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5]
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10, pct_start=0.1, cycle_momentum=False)
    assert scheduler.get_last_lr() == [1.0]


def test_a_setting_with_which_lbfgs_cannot_run_is_an_error_at_once():
    with pytest.raises(tl.errors.ArgumentError):
        optim.LBFGS([tl.ones(1)], line_search_fn="armijo")


# errors


def test_errors_are_also_the_builtins_that_python_users_expect():
    with pytest.raises(ValueError, match="do not broadcast"):
        tl.ones(3, 4) * tl.ones(2, 4)


def test_what_no_distribution_has_is_refused():
    for count, prob in ((-1.0, 0.5), (float("inf"), 0.5), (1.0, 1.5)):
        with pytest.raises(tl.errors.ArgumentError):
            tl.binomial(tl.tensor([count]), tl.tensor([prob]))
    with pytest.raises(tl.errors.ArgumentError):
        tl.poisson(tl.tensor([float("inf")]))


def test_geometric_numbers_stop_at_the_largest_number():
    assert tl.zeros(100, dtype=tl.uint8).geometric_(1e-6).max().item() == 255


def test_dropout_of_channels_takes_no_other_dimensions():
    for drop, size in ((nn.functional.dropout2d, (2, 3)), (nn.functional.dropout3d, (2, 3, 4))):
        with pytest.raises(tl.errors.ShapeError):
            drop(tl.ones(size))


# Fourier transforms and signals


def test_an_empty_tensor_has_an_empty_transform():
    assert tl.fft.rfft(tl.ones(0, 4)).shape == (0, 3)


def test_half_windows_are_rounded_once():
    half = tl.hann_window(9, dtype=tl.float16)
    assert half.tolist() == tl.hann_window(9, dtype=tl.float64).to(tl.float16).tolist()


def test_stft_without_a_window_says_nothing():
    assert tl.stft(tl.ones(8), 4, return_complex=True).shape == (3, 9)


# dtypes and gradients that random calls beside PyTorch found apart


def test_different_dtypes_are_promoted():
    assert (tl.ones(2, 3) @ tl.ones(3, dtype=tl.float64)).dtype == tl.float64


def test_half_types_are_rounded_once():
    x, y = tl.full((8,), 38.0, dtype=tl.bfloat16), tl.full((8,), 0.1689453125, dtype=tl.bfloat16)  # 224.92
    assert tl.div(x, y, rounding_mode="trunc")[0].item() == 224


def test_random_numbers_have_no_gradient():
    rate = tl.full((2,), 0.5, requires_grad=True)
    assert not tl.poisson(rate).requires_grad and not tl.binomial(tl.ones(2), rate).requires_grad
    assert not tl.bernoulli(tl.full((2,), 0.5, requires_grad=True)).requires_grad


def test_the_slope_of_hardsigmoid():
    x = tl.zeros(1, dtype=tl.float64, requires_grad=True)
    tl.hardsigmoid(x).backward()
    assert x.grad.item() == 1 / 6


def test_call_forms_that_mean_one_thing():
    assert tl.maximum(tl.tensor([-1.0, 1.0]), 0).tolist() == [0, 1]
    assert tl.prod(tl.full((2, 3), 2), dim=(0, 1)).item() == 64


def test_which_of_equal_elements_is_found():
    ones = tl.ones(40)
    assert ones.median(0).indices.item() == 19
    assert ones.mode().indices.item() == 39
    assert tl.tensor([math.nan, math.nan, 1.0]).mode() == (1.0, 2)


def test_the_median_of_no_integers_is_refused():
    with pytest.raises(tl.errors.ShapeError):
        tl.zeros(0, dtype=tl.int64).median()
    assert math.isnan(tl.zeros(0).median().item())


def test_a_mean_beside_infinities():
    assert [part.item() for part in tl.var_mean(tl.tensor([math.inf, 1.0]))][1] == math.inf


def test_the_edges_of_a_histogram_are_exact():
    value = 0.057954173535108566
    found = tl.histogram(tl.tensor([value]), 2)
    assert found.hist.tolist() == [0, 1]
    assert found.bin_edges[1].item() == tl.tensor(value).item()


def test_weights_get_a_gradient():
    weights = tl.ones(3, requires_grad=True)
    (tl.bincount(tl.tensor([2, 0, 2]), weights) * tl.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert weights.grad.tolist() == [3, 1, 3]


def test_the_second_derivative_of_logcumsumexp_where_a_gradient_is_zero():
    x = tl.zeros(2, dtype=tl.float64, requires_grad=True)
    out = x.logcumsumexp(0)
    first = tl.autograd.grad((out * out).sum(), x, create_graph=True)[0]  # its gradient at the first element is 0
    first[0].backward()
    assert x.grad.tolist() == pytest.approx([2.0 + 0.5 + 0.5 * math.log(2), 0.5 - 0.5 * math.log(2)])


# special functions


def test_special_functions_are_as_exact_as_the_dtype():
    x = tl.tensor([0.5, -1.0, math.inf], dtype=tl.float64)
    assert tl.polygamma(1, x).tolist() == [pytest.approx(math.pi**2 / 2, rel=1e-15), math.inf, 0]
    assert tl.special.ndtr(tl.tensor(-10.0)).item() == pytest.approx(7.61985302416e-24, rel=1e-6)
    assert tl.special.airy_ai(x)[2].item() == 0


def test_zeta_left_of_0():
    assert tl.special.zeta(2.0, tl.tensor([-1.5, -1.0])).isnan().tolist() == [True, False]


def test_float_power_in_place_rounds():
    x = tl.tensor([3.0])
    assert x.float_power_(0.5).dtype is tl.float32 and x.item() == pytest.approx(math.sqrt(3), rel=1e-7)


def test_running_results_in_place_round():
    assert tl.tensor([1.5, 2.0]).cumsum_(0, dtype=tl.float64).dtype is tl.float32
    assert tl.tensor([3, 2], dtype=tl.int8).cumprod_(0, dtype=tl.int64).dtype is tl.int8


def test_polynomials_of_huge_orders():
    order = tl.tensor(1e9)
    assert math.isnan(tl.special.laguerre_polynomial_l(tl.tensor(0.5), order).item())
    assert not math.isnan(tl.special.chebyshev_polynomial_t(tl.tensor(0.5), order).item())


def test_ldexp_takes_the_exponent_as_it_is():
    assert tl.ldexp(tl.ones(1), tl.tensor([1 << 40])).item() == math.inf


def test_gcd_is_not_negative():
    assert tl.gcd(tl.tensor([-128], dtype=tl.int8), tl.tensor([6], dtype=tl.int8)).item() == 2


def test_singular_values_of_nan_are_refused():
    with pytest.raises(tl.linalg.LinAlgError):
        tl.linalg.svdvals(tl.tensor([[math.inf, 1.0], [2.0, math.nan]]))


def test_cholesky_inverse_does_not_check():
    assert not tl.cholesky_inverse(tl.zeros(2, 2)).isfinite().any()


def test_settings_of_normalization():
    x, running = tl.ones(2, 3, 4), tl.zeros(3)
    assert nn.functional.batch_norm(x, None, None, training=True, eps=0.0).isnan().all()
    with pytest.raises(tl.errors.ArgumentError, match="eps must not be negative"):
        nn.functional.instance_norm(x, eps=-1.0)
    nn.functional.instance_norm(x[:0], running, tl.ones(3))
    assert running.tolist() == [0.0] * 3


def test_sizes_are_no_bools_and_windows_have_a_length():
    with pytest.raises(tl.errors.ArgumentTypeError, match="size must be an int"):
        tl.unravel_index(tl.tensor([0]), True)
    with pytest.raises(tl.errors.ArgumentError, match="kernel_size must be at least 1"):
        nn.functional.fractional_max_pool2d(tl.ones(1, 4, 4), 0, output_size=2)


def test_flags_of_unique_consecutive_in_their_places():
    assert len(tl.unique_consecutive(tl.tensor([[1, 1]]), True, return_counts=False, dim=1)) == 2


def test_no_tensor_is_marked_as_a_conjugate_or_a_negative():
    z = tl.tensor([1j])
    assert not z.conj().is_conj() and not z.conj().imag.is_neg()


def test_in_place_comparisons_and_logic_pass_no_gradient():
    assert not tl.zeros(2).lt_(tl.ones(2, requires_grad=True)).requires_grad
    with pytest.raises(tl.errors.InplaceError):
        tl.ones(2, requires_grad=True).logical_not_()


def test_addcdiv_takes_integers_beside_floating_tensors():
    assert tl.addcdiv(tl.ones(1), tl.tensor([3]), tl.tensor([2])).item() == 2.5


def test_the_gradient_of_ldexp_by_negative_integers():
    x = tl.ones(1, requires_grad=True)
    tl.ldexp(x, tl.tensor([-2])).backward()
    assert x.grad.item() == 0.25


def test_modified_bessel_functions_have_a_gradient():
    assert tl.special.modified_bessel_i0(tl.ones(1, requires_grad=True)).requires_grad


def test_the_gradient_of_ctc_loss_is_its_own():
    logs = tl.tensor([[-1.0, -2.0], [-0.5, -3.0]], dtype=tl.float64, requires_grad=True)
    tl.ctc_loss(logs, tl.tensor([1]), [2], [1], reduction="sum").backward()
    ways = [math.exp(-2.0 - 0.5), math.exp(-1.0 - 3.0), math.exp(-2.0 - 3.0)]  # 1 and blank, blank and 1, 1 and 1
    shares = [way / sum(ways) for way in ways]
    expected = [-shares[1], -shares[0] - shares[2], -shares[0], -shares[1] - shares[2]]
    assert logs.grad.reshape(-1).tolist() == pytest.approx(expected)
    with pytest.raises(tl.errors.IndexingError):
        tl.ctc_loss(logs, tl.tensor([2]), [2], [1])


def test_losses_and_distances_where_the_formula_of_pytorch_fails():
    assert tl.soft_margin_loss(tl.tensor([-1000.0]), tl.tensor([1.0])).item() == 1000.0
    target = tl.zeros(1, requires_grad=True)
    tl.kl_div(tl.tensor([-1.0]), target, reduction="sum").backward()
    assert target.grad.tolist() == [1.0]
    none = tl.zeros(0, 3), tl.zeros(0, dtype=tl.int64)
    assert tl.multi_margin_loss(*none, reduction="sum").item() == 0
    assert math.isnan(tl.multi_margin_loss(*none).item())


def test_embedding_bag_counts_each_row():
    weight = tl.ones(4, 1, requires_grad=True)
    tl.embedding_bag(
        tl.tensor([1, 2, 0, 3, 1]), weight, tl.tensor([0, 2]), mode="sum", scale_grad_by_freq=True
    ).sum().backward()
    assert weight.grad.reshape(-1).tolist() == [1, 1, 1, 1]
    bag = tl.embedding_bag(
        tl.tensor([1, 2, 0]), weight.double(), tl.tensor([0, 2]), mode="sum", include_last_offset=True
    )
    assert bag.tolist() == [[2.0]]


def test_there_are_no_sparse_gradients_and_no_options():
    for function in (tl.embedding, tl.embedding_bag):
        with pytest.raises(tl.errors.ArgumentError, match="sparse"):
            function(tl.tensor([[0]]), tl.ones(1, 1), sparse=True)
    with pytest.raises(tl.errors.ArgumentError, match="options"):
        tl.linear_cross_entropy(tl.ones(2, 3), tl.ones(4, 3), tl.tensor([0, 1]), options=object())


def test_a_parameter_that_changes_in_a_block_is_cast_again():
    w, x = tl.ones(2, 2, requires_grad=True), tl.ones(2, 2)
    with tl.autocast("cpu"):
        assert (x @ w).any()
        with tl.no_grad():
            w.mul_(0)
        assert not (x @ w).any()


def test_backward_in_a_block_computes_in_the_dtypes_of_forward():
    x, w = (tl.full((2, 2), 1 / 3, requires_grad=True) for _ in range(2))
    with tl.autocast("cpu"):
        with tl.autocast("cpu", enabled=False):
            y = x @ w
        y.sum().backward()
    assert x.grad[0, 0].item() == np.float32(1 / 3) * 2


def test_half_types_beside_each_other_under_autocast():
    x = tl.ones(2, dtype=tl.bfloat16)
    with tl.autocast("cpu"):
        assert tl.index_copy(x, 0, tl.tensor([0]), x[:1].half()).dtype is tl.float32


def test_what_moves_elements_keeps_its_dtype_under_autocast():
    x = tl.ones(1, 1, 4, 4, 4, dtype=tl.bfloat16)
    with tl.autocast("cpu"):
        assert nn.functional.pad(x[0, 0], (1, 1), mode="reflect").dtype is tl.bfloat16
