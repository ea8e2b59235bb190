"""What a sequence has read so far, layer by layer.

A sequence's state is a value: `length` and one entry a layer, of the kind its layer type asks for. Attention layers
keep keys and values that grow with the text; Mamba layers will keep a fixed-size state beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from engine.config import ModelConfig


@dataclass(slots=True)
class AttentionState:
    """Keys and values, each (kv_heads, capacity, head_dim); the first `SequenceState.length` columns are filled."""

    keys: torch.Tensor
    values: torch.Tensor

    def append(self, keys: torch.Tensor, values: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Store keys and values (l, kv_heads, head_dim) after `length` tokens; all so far, (kv_heads, n, head_dim)."""
        end = length + keys.shape[0]
        self.keys[:, length:end] = keys.transpose(0, 1)
        self.values[:, length:end] = values.transpose(0, 1)
        return self.keys[:, :end], self.values[:, :end]


class SequenceState:
    """One sequence. `capacity` tokens at most; `length` of them are read."""

    def __init__(self, config: ModelConfig, capacity: int) -> None:
        shape = (config.kv_heads, capacity, config.head_dim)
        self.layers = [AttentionState(torch.empty(shape), torch.empty(shape)) for _ in config.layer_types]
        self.capacity = capacity
        self.length = 0
