"""Norm, products, feed-forward and attention."""

from __future__ import annotations

from typing import TypeAlias

import torch


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """x (l, d) over its root mean square, times weight (d,). Zhang and Sennrich 2019."""
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * weight


Packed: TypeAlias = torch.Tensor


def pack(weight: torch.Tensor) -> Packed:
    """A matrix (out, in) made ready for `linear` and `rows`."""
    return weight


def linear(x: torch.Tensor, weight: Packed, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x (l, in) times the matrix (out, in) transposed, plus bias (out,): (l, out)."""
    return x @ weight.T if bias is None else x @ weight.T + bias


def rows(weight: Packed, indices: torch.Tensor) -> torch.Tensor:
    """The rows of the matrix (out, in) at `indices` (l,): (l, in)."""
    return weight[indices]


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """(l, 2m) holding gate then up: silu(gate) * up, (l, m). Shazeer 2020."""
    gate, up = gate_up.chunk(2, dim=-1)
    return gate * torch.sigmoid(gate) * up


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn the pairs (i, i + e/2) of x (l, h, e) by the angles whose cos and sin are (l, e/2). Su et al. 2021."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos[:, None, :], sin[:, None, :]
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    """Causal attention of the last l of n tokens: q (l, h, e), k and v (g, n, e); the answer is (l, h, e).

    Query head i reads key-value head i * g // h (grouped-query attention, Ainslie et al. 2023).
    """
    length, kept, group = q.shape[0], k.shape[1], q.shape[1] // k.shape[0]
    k, v = k.repeat_interleave(group, dim=0), v.repeat_interleave(group, dim=0)
    scores = torch.einsum("lhe,hne->hln", q, k) * scale
    hidden = torch.arange(kept)[None, :] > torch.arange(kept - length, kept)[:, None]  # a later token
    weights = torch.softmax(scores.masked_fill(hidden, float("-inf")), dim=-1)
    return torch.einsum("hln,hne->lhe", weights, v)
