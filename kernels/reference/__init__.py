"""What each op means, written plainly in torch. Slow and obvious; every other implementation is compared with these.

Shapes: l = tokens of this call, n = tokens kept so far including these, d = width, h = query heads,
g = key-value heads, e = width of one head. All float32. `Packed` is a matrix in whatever layout an implementation
likes best; only `pack` makes one and only `linear`, `rows`, `route` and `mix_experts` look inside.
Mamba-2 and the experts have letters of their own, in their modules.
"""

from kernels.reference.dense import Packed, attention, linear, pack, rms_norm, rotate, rows, swiglu
from kernels.reference.experts import mix_experts, route
from kernels.reference.mamba import causal_convolution, gated_norm, selective_scan, time_step

__all__ = [
    "Packed",
    "attention",
    "causal_convolution",
    "gated_norm",
    "linear",
    "mix_experts",
    "pack",
    "rms_norm",
    "rotate",
    "route",
    "rows",
    "selective_scan",
    "swiglu",
    "time_step",
]
