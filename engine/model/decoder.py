"""The decoder: one forward pass for every family, its layers chosen by `layer_types`."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

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

    def __init__(self, config: ModelConfig, index: int, weights: Mapping[str, torch.Tensor]) -> None:
        def take(part: str) -> torch.Tensor:
            return weights[f"layers.{index}.{part}"]

        self.config = config
        self.norm1, self.norm2 = take("norm1"), take("norm2")
        self.mixer = MIXERS[config.layer_types[index]](config, take)
        self.mlp = Mlp(take)

    def __call__(self, x: torch.Tensor, state: AttentionState, length: int, angles: Angles | None) -> torch.Tensor:
        epsilon, residual = self.config.norm_epsilon, self.config.residual_multiplier
        x = x + residual * self.mixer(ops.rms_norm(x, self.norm1, epsilon), state, length, angles)
        return x + residual * self.mlp(ops.rms_norm(x, self.norm2, epsilon))


class Decoder:
    """A whole model. `weights` may make its tensors when asked; each is asked for once, from several threads."""

    def __init__(self, config: ModelConfig, weights: Mapping[str, torch.Tensor]) -> None:
        self.config = config
        self.norm = weights["norm"]
        self.embed = ops.pack(weights["embed"])
        self.head = ops.pack(weights["head"]) if "head" in weights else self.embed
        self.rope = Rope(config.rope_base, config.head_dim) if config.rope_base is not None else None
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="weights") as pool:  # numpy frees the GIL
            self.layers = list(pool.map(lambda i: Layer(config, i, weights), range(len(config.layer_types))))

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
