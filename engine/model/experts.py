"""The mixture of experts of one layer."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.config import ModelConfig
from kernels import ops


class Experts:
    """A router (experts, d) and, for each expert, SwiGLU as in engine.model.mlp."""

    def __init__(self, config: ModelConfig, take: Callable[[str], torch.Tensor]) -> None:
        if config.experts is None:
            raise ValueError("a dense model has no experts")
        self.used = config.experts.used
        self.router = ops.pack(take("experts.router"))
        pairs = zip(take("experts.gate"), take("experts.up"), strict=True)
        self.gate_up = [ops.pack(torch.cat(pair)) for pair in pairs]
        self.down = [ops.pack(matrix) for matrix in take("experts.down")]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x (l, d) -> (l, d)."""
        chosen, weights = ops.route(x, self.router, self.used)
        return ops.mix_experts(x, self.gate_up, self.down, chosen, weights)
