"""Helpers around modules and their gradients, under the names of `torch.nn.utils`."""

from .clip import clip_grad_norm_, clip_grad_value_, get_total_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm"]
