"""The decoder: one forward pass for every family, its layers chosen by `layer_types`."""

from __future__ import annotations

import torch

from engine.config import ModelConfig
from engine.model.attention import Angles, Attention
from engine.model.mlp import Mlp
from engine.model.rope import Rope
from engine.state import AttentionState, SequenceState
from kernels import ops

MIXERS = {"attention": Attention}  # layer type -> mixer; engine.config refuses the types that are not here


class Layer:
    """Mixer and feed-forward part, each behind a norm and added to the residual stream."""

    def __init__(self, config: ModelConfig, index: int, weights: dict[str, torch.Tensor]) -> None:
        prefix = f"layers.{index}."
        # pop: the parts that are fused below must not stay in memory twice
        own = {name.removeprefix(prefix): weights.pop(name) for name in list(weights) if name.startswith(prefix)}
        self.config = config
        self.norm1, self.norm2 = own["norm1"], own["norm2"]
        self.mixer = MIXERS[config.layer_types[index]](config, own)
        self.mlp = Mlp(own)

    def __call__(self, x: torch.Tensor, state: AttentionState, length: int, angles: Angles | None) -> torch.Tensor:
        epsilon, residual = self.config.norm_epsilon, self.config.residual_multiplier
        x = x + residual * self.mixer(ops.rms_norm(x, self.norm1, epsilon), state, length, angles)
        return x + residual * self.mlp(ops.rms_norm(x, self.norm2, epsilon))


class Decoder:
    """A whole model. Takes `weights` over: it is empty afterwards."""

    def __init__(self, config: ModelConfig, weights: dict[str, torch.Tensor]) -> None:
        self.config = config
        self.parameters = sum(weight.numel() for weight in weights.values())
        self.embed = ops.pack(weights.pop("embed"))
        self.norm = weights.pop("norm")
        self.head = ops.pack(weights.pop("head")) if "head" in weights else self.embed
        self.layers = [Layer(config, index, weights) for index in range(len(config.layer_types))]
        self.rope = Rope(config.rope_base, config.head_dim) if config.rope_base is not None else None

    @torch.inference_mode()
    def hidden(self, tokens: torch.Tensor, state: SequenceState) -> torch.Tensor:
        """Read tokens (l,) after those already in `state`; their last hidden states, (l, d)."""
        length = state.length
        if length + len(tokens) > state.capacity:
            raise ValueError(f"{length} + {len(tokens)} tokens do not fit into a state of {state.capacity}")
        angles = self.rope.angles(length, len(tokens)) if self.rope else None
        x = ops.rows(self.embed, tokens) * self.config.embedding_multiplier
        for layer, layer_state in zip(self.layers, state.layers, strict=True):
            x = layer(x, layer_state, length, angles)
        state.length += len(tokens)
        return ops.rms_norm(x, self.norm, self.config.norm_epsilon)

    @torch.inference_mode()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of every token after each hidden state: (l, d) -> (l, v)."""
        return ops.linear(hidden, self.head) / self.config.logits_divisor
