"""That PyTorch still does otherwise where docs/reference/differences.md says so: the names are those of tests/test_differences.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")


def test_view_is_reshape_and_shares():
    base = torch.arange(6).reshape(2, 3)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        base.T.view(6)
    flat = base.T.reshape(6)
    flat[1] = 100
    assert base[1, 0] != 100


def test_in_place_forms_that_change_the_shape_are_recorded_under_no_grad_too():
    y = torch.ones(2, 3, requires_grad=True) * 2
    with torch.no_grad():
        y.t_()
    with pytest.raises(RuntimeError):
        y.sum().backward()


def test_asarray_does_not_change_its_argument():
    x = torch.ones(2)
    assert torch.asarray(x, requires_grad=True) is x and x.requires_grad


def test_backward_never_finds_a_changed_tensor():
    w = torch.tensor([2.0], requires_grad=True)
    y = w * w
    z = y * y
    y += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_from_numpy_lends_in_one_direction():
    array = np.zeros(3)
    torch.from_numpy(array).add_(1)
    assert array.tolist() == [1, 1, 1]


def test_numpy_is_read_only():
    x = torch.zeros(3)
    x.numpy()[0] = 1
    assert x[0] == 1


def test_numpy_is_a_snapshot():
    x = torch.zeros(3)
    array = x.numpy()
    x.add_(1)
    assert array.tolist() == [1, 1, 1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_arrays_do_not_mix_with_tensors():
    assert (torch.ones(3) + np.ones(3)).tolist() == [2, 2, 2]


def test_a_number_that_does_not_fit_is_an_error():
    try:
        assert (torch.tensor([1], dtype=torch.uint8) + 300).tolist() == [45]
    except RuntimeError as error:
        pytest.skip(f"PyTorch refuses it now, too: {error}")
    assert torch.arange(250, 258, dtype=torch.uint8).tolist()[-2:] == [0, 1]


def test_comparisons_with_numbers_that_do_not_fit():
    assert (torch.tensor([44], dtype=torch.uint8) == 300).tolist() == [True]
    with pytest.raises(OverflowError):
        torch.tensor([44]) < 2**64  # noqa: B015


def test_numpys_scalars_are_the_numbers_that_they_hold():
    assert (torch.tensor([1]) + np.bool_(True)).dtype is torch.float32
    with pytest.warns(Warning, match="discards the imaginary part"):
        assert (torch.tensor([1.0]) * np.complex64(1j)).tolist() == [0.0]


def test_what_becomes_integers_loses_its_gradient():
    with pytest.raises(RuntimeError, match="Autograd not support dtype"):
        torch.ones(2, requires_grad=True).sum(dtype=torch.int64)


def test_linspace_into_integers_is_exact():
    assert torch.linspace(67, -15, 11, dtype=torch.int64)[5].item() == 25


def test_a_range_of_integers_has_steps_of_at_least_1():
    assert torch.arange(0, 3, 0.5, dtype=torch.int32).tolist() == [0] * 6
    with pytest.raises(ValueError, match="step must be nonzero"):
        torch.arange(0, 3, 0.5, dtype=torch.int64)


def test_a_bool_to_the_power_of_true():
    assert (torch.tensor([True]) ** True).tolist() == [True]


@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8:UserWarning")
def test_calls_that_are_taken():
    mask = torch.tensor([True, False])
    for refused in (
        lambda: mask @ mask,
        lambda: torch.ones(2) - mask,
        lambda: torch.norm(torch.tensor([3, 4]), dtype=torch.float32),
        lambda: torch.ones(2).gather(0, torch.tensor([1], dtype=torch.int8)),
        lambda: torch.ones(2).__setitem__(torch.tensor([0, 1], dtype=torch.uint8), 5),
    ):
        with pytest.raises((RuntimeError, NotImplementedError)):
            refused()


def test_float64_data_through_a_float32_layer_computes_in_float64():
    with pytest.raises(RuntimeError, match="same dtype"):
        torch.nn.Linear(2, 1)(torch.zeros(1, 2, dtype=torch.float64))


@pytest.mark.filterwarnings("ignore:ComplexHalf support:UserWarning")
def test_there_is_no_complex32():
    assert torch.float16.to_complex() is torch.complex32
    assert (torch.ones(2, dtype=torch.float16) * 1j).dtype is torch.complex32


def test_python_types_stand_for_the_default_dtype():
    assert torch.zeros(2, dtype=float).dtype is torch.float64
    assert torch.zeros(2, dtype=complex).dtype is torch.complex128


def test_all_and_any_give_bool_always():
    assert torch.tensor([0, 2], dtype=torch.uint8).any().dtype is torch.uint8


def test_the_gradient_of_floor_division_is_zero():
    x = torch.tensor([5.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="not implemented"):
        (x // 2).backward()


def test_gelu_of_infinity():
    assert math.isnan(torch.nn.functional.gelu(torch.tensor([math.inf] * 3))[0])


def test_normalize_and_clipping_compute_half_types_in_float32():
    assert torch.nn.functional.normalize(torch.zeros(2, dtype=torch.float16), dim=0).isnan().all()
    weight = torch.nn.Parameter(torch.zeros(2, dtype=torch.float16))
    weight.grad = torch.full((2,), 60000.0, dtype=torch.float16)
    assert torch.nn.utils.clip_grad_norm_(weight, 1.0).item() == math.inf
    assert weight.grad.tolist() == [0.0, 0.0]


@pytest.mark.filterwarnings("ignore:var.*degrees of freedom")
def test_the_gradient_of_an_infinite_variance():
    for dim, signs in ((None, [1, 1, 1]), (0, [1, -1, -1])):
        x = torch.tensor([300.0, 1.0, 2.0], requires_grad=True)
        x.var(dim, correction=3).backward()
        assert x.grad.tolist() == [sign * math.inf for sign in signs]


def test_a_window_in_the_padding():
    out, indices = torch.nn.functional.max_pool2d(torch.ones(1, 2, 2), 2, 1, 1, 3, return_indices=True)
    assert out.item() == -math.inf and indices.item() >= 4


def test_interpolation_of_uint8():
    image = torch.tensor([0, 255, 0, 255] * 4, dtype=torch.uint8).reshape(1, 1, 4, 4)
    their = torch.nn.functional.interpolate(image, (7, 7), mode="bicubic")
    exact = torch.nn.functional.interpolate(image.float(), (7, 7), mode="bicubic").round().clamp(0, 255)
    assert their.dtype is torch.uint8 and not torch.equal(their.float(), exact)


def test_a_scale_that_leaves_the_length():
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]], requires_grad=True)
    out = torch.nn.functional.interpolate(x, scale_factor=1.12)
    out.backward(torch.ones_like(out))
    assert out.tolist() != x.tolist() and x.grad.unique().tolist() == [1]


def test_antialiasing_to_width_one():
    x = torch.arange(6.0).reshape(1, 1, 6, 1)
    assert torch.nn.functional.interpolate(x, (12, 1), mode="bilinear", antialias=True).unique().tolist() == [0]


def test_places_that_are_infinite():
    found = []
    for rank in (2, 3):
        x, grid = torch.ones(1, 1, *(2,) * rank), torch.full((1, *(1,) * rank, rank), math.inf)
        found.append(torch.nn.functional.grid_sample(x, grid, align_corners=False).item())
    assert math.isnan(found[0]) and found[1] == 0


def test_pixel_unshuffle_of_nothing():
    assert torch.nn.functional.pixel_unshuffle(torch.zeros(0, 2, 6, 4), 2).shape == (0, 2, 6, 4)


def test_as_many_windows_as_there_are():
    with pytest.raises(RuntimeError, match="too large relative to input"):
        torch.nn.functional.fractional_max_pool3d(torch.zeros(1, 1, 3, 3, 3), 2, 2)


def test_arg_extremes_of_bool():
    with pytest.raises(RuntimeError, match="does not support bool"):
        torch.tensor([False, True]).argmax()


def test_labels_of_any_integer_dtype():
    with pytest.raises(RuntimeError, match="Long"):
        torch.nn.functional.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 2], dtype=torch.int32))


def test_inference_mode_makes_ordinary_tensors():
    with torch.inference_mode():
        x = torch.ones(2)
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Inference tensors"):
        (w * x).sum()


def test_nodes_are_called_by_the_op():
    x = torch.ones(2, requires_grad=True)
    assert type((x * x).grad_fn).__name__ == "MulBackward0"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_softmax_needs_dim():
    assert torch.nn.functional.softmax(torch.ones(2, 2)).shape == (2, 2)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_losses_do_not_broadcast():
    assert torch.nn.functional.mse_loss(torch.ones(3, 1), torch.ones(3)).item() == 0


def test_errors_are_also_the_builtins_that_python_users_expect():
    with pytest.raises(RuntimeError):
        torch.ones(3, 4) * torch.ones(2, 4)


def test_take_along_dim_does_not_wrap_around():
    assert torch.take_along_dim(torch.arange(3).reshape(1, 3), torch.tensor([[5]]), 1).item() == 2


def test_index_add_of_integers_refuses_a_fraction():
    ones = torch.ones(2, dtype=torch.int64)
    assert torch.index_add(ones, 0, torch.tensor([0]), ones[:1], alpha=2.5).tolist() == [3, 1]


def test_what_a_reduction_leaves_out_has_no_share():
    x, src = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    x.scatter_reduce(0, torch.tensor([0]), src, "amax", include_self=False).backward()
    assert (x.grad.tolist(), src.grad.tolist()) == ([0], [0.5])


def test_the_gradient_of_a_scattered_product_is_that_of_the_others():
    x, src = torch.ones(1, requires_grad=True), torch.tensor([math.inf, 2.0], requires_grad=True)
    x.scatter_reduce(0, torch.tensor([0, 0]), src, "prod").backward()
    assert math.isnan(src.grad[0].item())


def test_unique_has_a_gradient():
    with pytest.raises(NotImplementedError):
        torch.ones(3, requires_grad=True).unique().sum().backward()


def test_topk_finds_the_first_of_equal_elements():
    assert torch.topk(torch.tensor([2, 0, 0, 255], dtype=torch.uint8), 3).indices.tolist() == [3, 0, 2]


def test_modules_in_a_plain_list_are_warned_of():
    module = torch.nn.Module()
    module.layers = [torch.nn.Linear(2, 2)]
    assert list(module.parameters()) == []


def test_a_layer_looks_at_its_settings_when_it_is_made():
    assert torch.nn.LeakyReLU("steep").negative_slope == "steep"


def test_different_dtypes_are_promoted():
    with pytest.raises(RuntimeError, match=r"same dtype|scalar type"):
        torch.ones(2, 3) @ torch.ones(3, dtype=torch.float64)


def test_half_types_are_rounded_once():
    x, y = (torch.full((8,), value, dtype=torch.bfloat16) for value in (38.0, 0.1689453125))
    assert torch.div(x, y, rounding_mode="trunc")[0].item() == 225
    assert torch.div(x[:1], y[:1], rounding_mode="trunc")[0].item() == 224


def test_random_numbers_have_no_gradient():
    assert torch.bernoulli(torch.full((2,), 0.5, requires_grad=True)).requires_grad


def test_the_slope_of_hardsigmoid():
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.hardsigmoid(x).backward()
    assert x.grad.item() == float(np.float32(1) / np.float32(6))


def test_call_forms_that_mean_one_thing():
    with pytest.raises(TypeError):
        torch.maximum(torch.ones(2), 0)
    with pytest.raises(TypeError):
        torch.prod(torch.ones(2, 3), dim=(0, 1))


def test_a_parameter_that_changes_in_a_block_is_cast_again():
    w, x = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    with torch.autocast("cpu"):
        assert (x @ w).any()
        with torch.no_grad():
            w.mul_(0)
        assert (x @ w).any()


def test_backward_in_a_block_computes_in_the_dtypes_of_forward():
    x, w = (torch.full((2, 2), 1 / 3, requires_grad=True) for _ in range(2))
    with torch.autocast("cpu"):
        with torch.autocast("cpu", enabled=False):
            y = x @ w
        y.sum().backward()
    assert x.grad[0, 0].item() != np.float32(1 / 3) * 2


def test_half_types_beside_each_other_under_autocast():
    x = torch.ones(2, dtype=torch.bfloat16)
    with torch.autocast("cpu"), pytest.raises(RuntimeError):
        torch.index_copy(x, 0, torch.tensor([0]), x[:1].half())


def test_what_moves_elements_keeps_its_dtype_under_autocast():
    x = torch.ones(1, 1, 4, 4, 4, dtype=torch.bfloat16)
    with torch.autocast("cpu"):
        assert torch.nn.functional.pad(x[0, 0], (1, 1), mode="reflect").dtype is torch.float32


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_argument_that_is_differentiated_by_cannot_be_changed():
    x = torch.ones(3)
    torch.func.jvp(lambda x: x.mul_(2), (x,), (torch.ones(3),))
    assert x.tolist() == [2.0, 2.0, 2.0]


def test_a_factor_that_is_not_there_is_nan():
    L, info = torch.linalg.cholesky_ex(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))
    assert info == 2 and not L.isnan().any()


def test_the_gradient_of_det_at_a_singular_matrix():
    x = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64, requires_grad=True)
    torch.det(x).backward()
    assert not x.grad.any()


def test_the_gradient_of_a_triangular_factor():
    L = torch.tensor([[2.0, 0.0], [1.0, 3.0]], requires_grad=True)
    torch.cholesky_inverse(L).sum().backward()
    assert L.grad[0, 1] != 0


def test_lu_without_pivoting():
    with pytest.raises(RuntimeError, match="LU without pivoting is not implemented on the CPU"):
        torch.linalg.lu(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), pivot=False)


def test_the_gradient_of_ctc_loss_is_its_own():
    logs = torch.tensor([[-1.0, -2.0], [-0.5, -3.0]], dtype=torch.float64, requires_grad=True)
    torch.nn.functional.ctc_loss(logs, torch.tensor([1]), [2], [1], reduction="sum").backward()
    assert logs.grad[0, 0] > 0  # that of the function falls with each probability


def test_losses_and_distances_where_the_formula_of_pytorch_fails():
    assert torch.nn.functional.soft_margin_loss(torch.tensor([-1000.0]), torch.tensor([1.0])).item() == math.inf
    target = torch.zeros(1, requires_grad=True)
    torch.nn.functional.kl_div(torch.tensor([-1.0]), target, reduction="sum").backward()
    assert math.isnan(target.grad.item())


def test_embedding_bag_counts_each_row():
    weight = torch.ones(4, 1, requires_grad=True)
    torch.nn.functional.embedding_bag(
        torch.tensor([1, 2, 0, 3, 1]), weight, torch.tensor([0, 2]), mode="sum", scale_grad_by_freq=True
    ).sum().backward()
    assert weight.grad.reshape(-1).tolist() != [1, 1, 1, 1]


def test_running_results_in_place_round():
    with pytest.raises(RuntimeError, match="Bad in-place call"):
        torch.ones(2).cumsum_(0, dtype=torch.float64)


def test_ldexp_takes_the_exponent_as_it_is():
    assert torch.ldexp(torch.ones(1), torch.tensor([1 << 40])).item() == 1


def test_gcd_is_not_negative():
    assert torch.gcd(torch.tensor([-128], dtype=torch.int8), torch.tensor([6], dtype=torch.int8)).item() == -2


def test_cholesky_inverse_does_not_check():
    with pytest.raises(torch.linalg.LinAlgError):
        torch.cholesky_inverse(torch.zeros(2, 2))


def test_settings_of_normalization():
    x, running = torch.ones(2, 3, 4), torch.zeros(3)
    with pytest.raises(ValueError, match="eps must be positive"):
        torch.nn.functional.batch_norm(x, None, None, training=True, eps=0.0)
    torch.nn.functional.instance_norm(x[:0], running, torch.ones(3))
    assert running.isnan().all()


def test_sizes_are_no_bools_and_windows_have_a_length():
    assert len(torch.unravel_index(torch.tensor([0]), True)) == 1
    assert torch.nn.functional.fractional_max_pool2d(torch.ones(1, 4, 4), 0, output_size=2).shape == (1, 2, 2)


def test_flags_of_unique_consecutive_in_their_places():
    assert isinstance(torch.unique_consecutive(torch.tensor([[1, 1]]), True, return_counts=False, dim=1), torch.Tensor)
