"""A mixture of experts: a router and the chosen experts' feed-forward parts (Shazeer et al. 2017, Granite's variant).

Shapes: l = tokens, d = width, m = inner width of one expert, k = experts used for each token.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kernels.reference.dense import Packed, linear, swiglu


def route(x: torch.Tensor, router: Packed, used: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `used` experts with the highest scores for each token of x (l, d), and their weights, each (l, k).

    The softmax runs over the chosen scores alone. Of equal scores the lower expert number wins.
    """
    scores, order = torch.sort(linear(x, router), dim=-1, descending=True, stable=True)
    return order[:, :used], torch.softmax(scores[:, :used], dim=-1)


def mix_experts(
    x: torch.Tensor, gate_up: Sequence[Packed], down: Sequence[Packed], chosen: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """The weighted sum of each token's experts: x (l, d) -> (l, d).

    gate_up holds a matrix (2m, d) for each expert, gate first, and down one of (d, m).
    """
    outputs = torch.zeros_like(x)
    for token in range(len(x)):
        for expert, weight in zip(chosen[token].tolist(), weights[token], strict=True):
            inner = swiglu(linear(x[token : token + 1], gate_up[expert]))
            outputs[token] += weight * linear(inner, down[expert])[0]
    return outputs
