"""Mamba-2 in torch's kernels; the scan in chunks, as matrix products."""

from __future__ import annotations

from typing import Final

import torch
from torch.nn import functional

CHUNK: Final = 64  # tokens; the work inside a chunk grows with its square


def causal_convolution(
    x: torch.Tensor, state: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    window = torch.cat((state, x))
    total = functional.conv1d(window.T[None], weight[:, None], bias, groups=len(weight))[0].T
    state.copy_(window[len(x) :])
    return functional.silu(total)


def time_step(dt: torch.Tensor, bias: torch.Tensor, limit: tuple[float, float]) -> torch.Tensor:
    return functional.softplus(dt + bias).clamp(*limit)


def selective_scan(
    x: torch.Tensor,
    dt: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    c: torch.Tensor,
    d: torch.Tensor,
    state: torch.Tensor,
) -> torch.Tensor:
    """The chunked form of Dao and Gu 2024, section 6: past by way of the state, the chunk's own tokens directly."""
    group = x.shape[1] // b.shape[1]
    y = d[:, None] * x
    for at in range(0, len(x), CHUNK):
        part = slice(at, at + CHUNK)
        steps, scaled = dt[part].T, (x[part] * dt[part, :, None]).transpose(0, 1)  # (h, l), (h, l, p)
        # (h, l): logarithm of what is left of the chunk's start. Differences of large sums need the double's digits.
        decay = torch.cumsum((steps * a[:, None]).double(), 1)
        into, out = b[part].transpose(0, 1), c[part].transpose(0, 1)  # (g, l, n)
        # 1. From each token to each later one of the chunk.
        between = (decay[:, :, None] - decay[:, None, :]).float()
        between = between.masked_fill_(_later(steps.shape[1]), -torch.inf).exp_()
        between *= (out @ into.transpose(1, 2)).repeat_interleave(group, 0)
        inside = between @ scaled
        # 2. From the state at the chunk's start.
        into, out = into.repeat_interleave(group, 0), out.repeat_interleave(group, 0)  # (h, l, n)
        inside += decay.exp().float()[:, :, None] * (out @ state.transpose(1, 2))
        y[part] += inside.transpose(0, 1)
        # 3. The state at its end.
        left = (decay[:, -1:] - decay).exp().float()[:, :, None]
        state.mul_(decay[:, -1].exp().float()[:, None, None]).add_((scaled * left).transpose(1, 2) @ into)
    return y


def _later(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).triu_(1)


def gated_norm(x: torch.Tensor, gate: torch.Tensor, weight: torch.Tensor, epsilon: float, groups: int) -> torch.Tensor:
    gated = (x * functional.silu(gate)).view(len(x), groups, -1)
    gated *= torch.rsqrt((gated * gated).mean(-1, keepdim=True) + epsilon)
    return gated.view(x.shape) * weight
