"""Norm, products, feed-forward and attention in torch's kernels."""

from __future__ import annotations

import torch
from torch.nn import functional

from kernels.reference import Packed


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + epsilon) * weight


def pack(weight: torch.Tensor) -> Packed:
    """Kept transposed: one token's product then reads memory in order, 1.3 to 1.9 times as fast as (out, in)."""
    return weight.T.contiguous()


def linear(x: torch.Tensor, weight: Packed, bias: torch.Tensor | None = None) -> torch.Tensor:
    return torch.mm(x, weight) if bias is None else torch.addmm(bias, x, weight)


def rows(weight: Packed, indices: torch.Tensor) -> torch.Tensor:
    return weight.index_select(1, indices).T


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    """The query heads of one key-value head are treated as further rows, so that k and v are read once."""
    length, heads, width = q.shape
    kv_heads, kept, _ = k.shape
    group = heads // kv_heads
    queries = q.view(length, kv_heads, group, width).permute(1, 2, 0, 3).reshape(kv_heads, group * length, width)
    mask = None
    if length > 1:  # the newest token alone sees everything
        mask = torch.ones(length, kept, dtype=torch.bool).tril_(kept - length).repeat(group, 1)
    out = functional.scaled_dot_product_attention(queries[None], k[None], v[None], attn_mask=mask, scale=scale)[0]
    return out.view(kv_heads, group, length, width).permute(2, 0, 1, 3).reshape(length, heads, width)
