"""The ops a decoder is written in. Same names, signatures and meaning as kernels.reference, which documents them.

This is the portable implementation, in torch's own kernels. `IMPLEMENTATIONS` says what each op runs on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kernels.ops.dense import attention, linear, pack, rms_norm, rows, swiglu
from kernels.ops.experts import mix_experts, route
from kernels.ops.mamba import causal_convolution, gated_norm, selective_scan, time_step
from kernels.reference import Packed, rotate

IMPLEMENTATIONS: Final[Mapping[str, str]] = {
    "rms_norm": "torch",
    "linear": "torch",
    "rows": "torch",
    "swiglu": "torch",
    "rotate": "reference",
    "attention": "torch",
    "causal_convolution": "torch",
    "time_step": "torch",
    "selective_scan": "torch",
    "gated_norm": "torch",
    "route": "torch",
    "mix_experts": "torch",
}

__all__ = [
    "IMPLEMENTATIONS",
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
