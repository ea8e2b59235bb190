"""What a sequence has read so far, layer by layer.

A sequence's state is a value: `length` and one entry a layer, of the kind its layer type asks for. Attention layers
keep keys and values that grow with the text; Mamba layers keep a state of fixed size.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from engine.config import LayerType, ModelConfig


@dataclass(slots=True)
class AttentionState:
    """Keys and values, each (kv_heads, capacity, head_dim); the first `SequenceState.length` columns are filled."""

    keys: torch.Tensor
    values: torch.Tensor

    @property
    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.keys, self.values

    def append(self, keys: torch.Tensor, values: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Store keys and values (l, kv_heads, head_dim) after `length` tokens; all so far, (kv_heads, n, head_dim)."""
        end = length + keys.shape[0]
        self.keys[:, length:end] = keys.transpose(0, 1)
        self.values[:, length:end] = values.transpose(0, 1)
        return self.keys[:, :end], self.values[:, :end]


@dataclass(slots=True)
class MambaState:
    """All a Mamba layer knows of the past; both start at zero and are always float32.

    `convolution` (taps - 1, channels) are the last inputs, the newest last; `ssm` is (heads, head_dim, state).
    """

    convolution: torch.Tensor
    ssm: torch.Tensor

    @property
    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.convolution, self.ssm


LayerState = AttentionState | MambaState


class SequenceState:
    """One sequence. `capacity` tokens at most; `length` of them are read."""

    def __init__(self, config: ModelConfig, capacity: int) -> None:
        self.layers = [_new_layer(config, kind, capacity) for kind in config.layer_types]
        self.capacity = capacity
        self.length = 0

    def fork(self) -> SequenceState:
        """A second sequence with the same past."""
        return copy.deepcopy(self)


def _new_layer(config: ModelConfig, kind: LayerType, capacity: int) -> LayerState:
    if kind == "mamba" and config.mamba is not None:
        shape = config.mamba
        convolution = torch.zeros(shape.convolution - 1, shape.channels)
        return MambaState(convolution, torch.zeros(shape.heads, shape.head_dim, shape.state))
    kept = (config.kv_heads, capacity, config.head_dim)
    return AttentionState(torch.empty(kept), torch.empty(kept))
