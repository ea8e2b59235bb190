"""The gated feed-forward part of one layer."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.config import ModelConfig
from kernels import ops


class Mlp:
    """SwiGLU; gate and up are one matrix, gate first, (2·intermediate, d)."""

    def __init__(self, config: ModelConfig, take: Callable[[str], torch.Tensor]) -> None:
        self.gate_up = ops.pack(torch.cat([take("mlp.gate"), take("mlp.up")]))
        self.down = ops.pack(take("mlp.down"))
        self.gate_up_bias = self.down_bias = None
        if config.mlp_bias:
            self.gate_up_bias = torch.cat([take("mlp.gate_bias"), take("mlp.up_bias")])
            self.down_bias = take("mlp.down_bias")

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x (l, d) -> (l, d)."""
        return ops.linear(ops.swiglu(ops.linear(x, self.gate_up, self.gate_up_bias)), self.down, self.down_bias)
