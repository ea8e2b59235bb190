"""Mamba-2: the state space layer of Dao and Gu 2024 ("Transformers are SSMs"), one token after the other.

Shapes: l = tokens, c = channels of the convolution, k = its taps, h = heads, p = width of one head, i = h·p,
g = groups (head j reads B and C of group j * g // h), n = numbers kept for each channel. `state` is changed in place.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def causal_convolution(
    x: torch.Tensor, state: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Convolve each channel of x (l, c) over the past, add bias (c,), then SiLU: (l, c).

    `state` (k - 1, c) holds the last inputs, the newest last; weight (c, k) meets the newest token with its last tap.
    """
    taps = weight.shape[1]
    window = torch.cat((state, x))  # (k - 1 + l, c)
    total = torch.stack([(window[at : at + taps] * weight.T).sum(0) for at in range(len(x))])
    state.copy_(window[len(x) :])
    return functional.silu(total if bias is None else total + bias)


def time_step(dt: torch.Tensor, bias: torch.Tensor, limit: tuple[float, float]) -> torch.Tensor:
    """How far each head moves at each token: softplus(dt (l, h) + bias (h,)) held within `limit`."""
    return torch.log1p(torch.exp(-(dt + bias).abs())).add((dt + bias).clamp(min=0)).clamp(*limit)


def selective_scan(
    x: torch.Tensor,
    dt: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    c: torch.Tensor,
    d: torch.Tensor,
    state: torch.Tensor,
) -> torch.Tensor:
    """S = exp(dt·a)·S + dt·x⊗b, y = S·c + d·x at each token: x (l, h, p) -> y (l, h, p).

    dt (l, h) is positive, a (h,) negative, b and c are (l, g, n), d (h,); S is `state` (h, p, n), float32.
    """
    heads_of_group = x.shape[1] // b.shape[1]
    outputs = []
    for token in range(len(x)):
        from_group = b[token].repeat_interleave(heads_of_group, 0)  # (h, n)
        into_group = c[token].repeat_interleave(heads_of_group, 0)
        decay = torch.exp(dt[token] * a)[:, None, None]
        new = torch.einsum("h,hp,hn->hpn", dt[token], x[token], from_group)
        state.copy_(decay * state + new)
        outputs.append(torch.einsum("hpn,hn->hp", state, into_group) + d[:, None] * x[token])
    return torch.stack(outputs)


def gated_norm(x: torch.Tensor, gate: torch.Tensor, weight: torch.Tensor, epsilon: float, groups: int) -> torch.Tensor:
    """x (l, i) times silu(gate (l, i)), then each group's channels over their root mean square, times weight (i,)."""
    gated = x * functional.silu(gate)
    by_group = gated.view(len(x), groups, -1)
    normed = by_group / torch.sqrt((by_group * by_group).mean(-1, keepdim=True) + epsilon)
    return normed.view(x.shape) * weight
