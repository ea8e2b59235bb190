"""Rotary positions: the angles of Su et al. 2021, for whichever positions a call needs."""

from __future__ import annotations

import torch

Angles = tuple[torch.Tensor, torch.Tensor]  # cos and sin, each (l, e/2)


class Rope:
    """Angles position / base**(2i/e) for the e/2 pairs of a head."""

    def __init__(self, base: float, head_dim: int) -> None:
        exponents = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
        self.frequencies = torch.pow(torch.tensor(base, dtype=torch.float64), -exponents)

    def angles(self, start: int, length: int) -> Angles:
        """Those of positions start .. start+length-1, float32."""
        positions = torch.arange(start, start + length, dtype=torch.float64)
        angles = torch.outer(positions, self.frequencies)
        return angles.cos().float(), angles.sin().float()
