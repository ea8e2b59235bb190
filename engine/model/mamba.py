"""The Mamba-2 mixer of one layer. Letters: kernels.reference.mamba."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.config import ModelConfig
from engine.model.rope import Angles
from engine.state import MambaState
from kernels import ops


class Mamba:
    """One product makes gate (i), x, B and C (c = i + 2gn) and time step (h) of each token, in that order."""

    def __init__(self, config: ModelConfig, take: Callable[[str], torch.Tensor]) -> None:
        if config.mamba is None:
            raise ValueError("a model without Mamba layers has no Mamba mixer")
        self.epsilon, self.shape = config.norm_epsilon, config.mamba
        self.into, self.out = ops.pack(take("mamba.in")), ops.pack(take("mamba.out"))
        self.convolution, self.dt_bias = take("mamba.conv"), take("mamba.dt_bias")
        self.a, self.d, self.norm = take("mamba.a"), take("mamba.d"), take("mamba.norm")
        self.convolution_bias = take("mamba.conv_bias") if self.shape.convolution_bias else None
        self.in_bias = take("mamba.in_bias") if self.shape.projection_bias else None
        self.out_bias = take("mamba.out_bias") if self.shape.projection_bias else None

    def __call__(self, x: torch.Tensor, state: MambaState, length: int, angles: Angles | None) -> torch.Tensor:
        """x (l, d) -> (l, d). No position enters: `length` and `angles` are there for the other mixer."""
        shape, l = self.shape, len(x)
        mixed = ops.linear(x, self.into, self.in_bias)
        gate, xbc, dt = mixed.split([shape.inner, shape.channels, shape.heads], dim=1)
        xbc = ops.causal_convolution(xbc, state.convolution, self.convolution, self.convolution_bias)
        x, b, c = xbc.split([shape.inner, shape.groups * shape.state, shape.groups * shape.state], dim=1)
        y = ops.selective_scan(
            x.reshape(l, shape.heads, shape.head_dim),
            ops.time_step(dt, self.dt_bias, shape.time_step_limit),
            self.a,
            b.reshape(l, shape.groups, shape.state),
            c.reshape(l, shape.groups, shape.state),
            self.d,
            state.ssm,
        )
        y = ops.gated_norm(y.reshape(l, -1), gate, self.norm, self.epsilon, shape.groups)
        return ops.linear(y, self.out, self.out_bias)
