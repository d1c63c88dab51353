"""The tape: Tensor, op, apply, backward. How operations are remembered and walked back."""
