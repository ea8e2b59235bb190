"""The attention mixer of one layer."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.config import ModelConfig
from engine.model.rope import Angles
from engine.state import AttentionState
from kernels import ops


class Attention:
    """Grouped-query attention; q, k and v are one matrix, ((h + 2g)·e, d)."""

    def __init__(self, config: ModelConfig, take: Callable[[str], torch.Tensor]) -> None:
        self.config = config
        self.qkv = ops.pack(torch.cat([take(f"attention.{part}") for part in "qkv"]))
        self.out = ops.pack(take("attention.o"))
        self.qkv_bias = self.out_bias = None
        if config.attention_bias:
            self.qkv_bias = torch.cat([take(f"attention.{part}_bias") for part in "qkv"])
            self.out_bias = take("attention.o_bias")

    def __call__(self, x: torch.Tensor, state: AttentionState, length: int, angles: Angles | None) -> torch.Tensor:
        """x (l, d) -> (l, d); `length` tokens are in `state` already, `angles` is None without positions."""
        config = self.config
        heads = ops.linear(x, self.qkv, self.qkv_bias).view(len(x), -1, config.head_dim)  # (l, h + 2g, e)
        q, k, v = heads.split([config.heads, config.kv_heads, config.kv_heads], dim=1)
        if angles is not None:
            q, k = ops.rotate(q, *angles), ops.rotate(k, *angles)
        keys, values = state.append(k, v, length)
        mixed = ops.attention(q, keys, values, config.attention_multiplier)
        return ops.linear(mixed.reshape(len(x), -1), self.out, self.out_bias)
