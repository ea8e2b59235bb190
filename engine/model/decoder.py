"""The decoder: one forward pass for every family, its layers chosen by `layer_types`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.checkpoint.dequantize import Floats
from engine.config import LayerType, ModelConfig
from engine.model.attention import Attention
from engine.model.experts import Experts
from engine.model.mamba import Mamba
from engine.model.mlp import Mlp
from engine.model.rope import Angles, Rope
from engine.reading import Reading
from engine.state import LayerState, SequenceState
from kernels import ops

Take = Callable[[str], torch.Tensor]
# What mixes tokens: called with x (l, d), the layer's state of the mixer's own kind, tokens in it, angles.
Mixer = Callable[[torch.Tensor, Any, int, Angles | None], torch.Tensor]
MIXERS: Final[Mapping[LayerType, Callable[[ModelConfig, Take], Mixer]]] = {"attention": Attention, "mamba": Mamba}


class Layer:
    """Mixer and feed-forward part (dense, experts or both), each behind a norm and added to the residual stream."""

    def __init__(self, config: ModelConfig, index: int, weights: Mapping[str, Floats]) -> None:
        def take(part: str) -> torch.Tensor:
            return torch.from_numpy(weights[f"layers.{index}.{part}"])

        self.config = config
        self.norm1, self.norm2 = take("norm1"), take("norm2")
        self.mixer = MIXERS[config.layer_types[index]](config, take)
        self.mlp = Mlp(config, take) if config.intermediate else None
        self.experts = Experts(config, take) if config.experts else None

    def __call__(self, x: torch.Tensor, state: LayerState, length: int, angles: Angles | None) -> torch.Tensor:
        epsilon, residual = self.config.norm_epsilon, self.config.residual_multiplier
        x = x + residual * self.mixer(ops.rms_norm(x, self.norm1, epsilon), state, length, angles)
        normed = ops.rms_norm(x, self.norm2, epsilon)
        for part in (self.mlp, self.experts):
            if part is not None:
                x = x + residual * part(normed)
        return x


class TorchDecoder:
    """A whole model in torch: the reference for every other decoder, and what runs where no kernels can be had.

    `weights` may make its arrays when asked; each is asked for once, from several threads.
    """

    kernels: Final[Mapping[str, str]] = ops.IMPLEMENTATIONS

    def __init__(self, config: ModelConfig, weights: Mapping[str, Floats]) -> None:
        self.config = config
        self.norm = torch.from_numpy(weights["norm"])
        self.embed = ops.pack(torch.from_numpy(weights["embed"]))
        self.head = self.embed if config.tied else ops.pack(torch.from_numpy(weights["head"]))
        self.rope = Rope(config.rope_base, config.head_dim) if config.rope_base is not None else None
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="weights") as pool:  # numpy frees the GIL
            self.layers = list(pool.map(lambda i: Layer(config, i, weights), range(len(config.layer_types))))

    def new_state(self, capacity: int) -> SequenceState:
        return SequenceState(self.config, capacity)

    def state_bytes(self, length: int) -> int:
        with torch.device("meta"):
            layers = SequenceState(self.config, length).layers
        return sum(part.nbytes for layer in layers for part in layer.parts)

    @torch.inference_mode()
    def step(self, readings: Sequence[Reading[SequenceState]]) -> list[NDArray[np.float32]]:
        """One sequence after another, so that none changes another's numbers."""
        return [self._read(reading).numpy() for reading in readings]

    def _read(self, reading: Reading[SequenceState]) -> torch.Tensor:
        state, tokens = reading.state, torch.tensor(reading.tokens, dtype=torch.int64)
        length = state.length
        if length + len(tokens) > state.capacity:
            raise ValueError(f"{length} + {len(tokens)} tokens do not fit into a state of {state.capacity}")
        angles = self.rope.angles(length, len(tokens)) if self.rope else None
        x = ops.rows(self.embed, tokens) * self.config.embedding_multiplier
        for layer, layer_state in zip(self.layers, state.layers, strict=True):
            x = layer(x, layer_state, length, angles)
        state.length += len(tokens)
        hidden = ops.rms_norm(x[len(tokens) - reading.last :], self.norm, self.config.norm_epsilon)
        return ops.linear(hidden, self.head) / self.config.logits_divisor
