"""The random state under the names of ``torch.random``: the functions are those of ``tapeloom`` itself."""

from __future__ import annotations

from tapeloom.generator import (
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = ["default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]
