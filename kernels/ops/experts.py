"""The experts in torch's kernels: each expert reads all its tokens at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kernels.ops.dense import linear, swiglu
from kernels.reference import Packed


def route(x: torch.Tensor, router: Packed, used: int) -> tuple[torch.Tensor, torch.Tensor]:
    scores, order = linear(x, router).sort(dim=-1, descending=True, stable=True)  # topk promises nothing for ties
    return order[:, :used], scores[:, :used].softmax(dim=-1)


def mix_experts(
    x: torch.Tensor, gate_up: Sequence[Packed], down: Sequence[Packed], chosen: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    outputs = torch.zeros_like(x)
    for expert in chosen.unique().tolist():
        tokens, place = torch.where(chosen == expert)
        mixed = linear(swiglu(linear(x[tokens], gate_up[expert])), down[expert])
        outputs.index_add_(0, tokens, mixed * weights[tokens, place, None])
    return outputs
