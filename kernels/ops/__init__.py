"""The ops a decoder is written in. Same names, signatures and meaning as kernels.reference, which documents them.

This is the portable implementation, in torch's own kernels. `IMPLEMENTATIONS` says what each op runs on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch.nn import functional

from kernels.reference import rotate

IMPLEMENTATIONS: Final[Mapping[str, str]] = {
    "rms_norm": "torch",
    "linear": "torch",
    "swiglu": "torch",
    "rotate": "reference",
    "attention": "torch",
}

__all__ = ["IMPLEMENTATIONS", "attention", "linear", "rms_norm", "rotate", "swiglu"]


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    return functional.rms_norm(x, weight.shape, weight, epsilon)


def linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return functional.linear(x, weight)


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    """The query heads of one key-value head are treated as further rows, so that k and v are read once."""
    l, h, e = q.shape
    g, n, _ = k.shape
    rows = q.view(l, g, h // g, e).permute(1, 2, 0, 3).reshape(g, h // g * l, e)
    mask = None
    if l > 1:  # the newest token alone sees everything
        mask = torch.ones(l, n, dtype=torch.bool).tril_(n - l).repeat(h // g, 1)
    out = functional.scaled_dot_product_attention(rows[None], k[None], v[None], attn_mask=mask, scale=scale)[0]
    return out.view(g, h // g, l, e).permute(2, 0, 1, 3).reshape(l, h, e)
