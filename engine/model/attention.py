"""The attention mixer of one layer."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.config import ModelConfig
from engine.state import AttentionState
from kernels import ops

Angles = tuple[torch.Tensor, torch.Tensor]


class Attention:
    """Grouped-query attention without biases; q, k and v are one matrix, ((h + 2g)·e, d)."""

    def __init__(self, config: ModelConfig, take: Callable[[str], torch.Tensor]) -> None:
        self.config = config
        self.qkv = ops.pack(torch.cat([take("attention.q"), take("attention.k"), take("attention.v")]))
        self.out = ops.pack(take("attention.o"))

    def __call__(self, x: torch.Tensor, state: AttentionState, length: int, angles: Angles | None) -> torch.Tensor:
        """x (l, d) -> (l, d); `length` tokens are in `state` already, `angles` is None without positions."""
        config = self.config
        heads = ops.linear(x, self.qkv).view(len(x), -1, config.head_dim)  # (l, h + 2g, e)
        q, k, v = heads.split([config.heads, config.kv_heads, config.kv_heads], dim=1)
        if angles is not None:
            q, k = ops.rotate(q, *angles), ops.rotate(k, *angles)
        keys, values = state.append(k, v, length)
        mixed = ops.attention(q, keys, values, config.attention_multiplier)
        return ops.linear(mixed.reshape(len(x), -1), self.out)
