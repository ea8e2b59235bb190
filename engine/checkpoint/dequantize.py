"""Number formats of GGUF tensors, turned into float32 with numpy, whole tensors at a time.

Block layouts: ggml/src/ggml-common.h. A block holds 32 values of one row:
Q8_0 = half scale d, 32 signed bytes, w = d*q; Q4_0 = half d, 16 bytes, w = d*(q-8); Q4_1 = half d, half minimum m,
16 bytes, w = d*q + m. In both 4-bit formats byte j holds value j in its low and value j+16 in its high nibble.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# ggml's type ids, for messages; FORMATS below says which of them are read.
TYPE_NAMES: Final[Mapping[int, str]] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
    """One number format: `values` weights take `bytes` bytes; `to_float32` takes (n, bytes) to (n, values)."""

    values: int
    bytes: int
    to_float32: Callable[[Bytes], Floats]


def _f32(blocks: Bytes) -> Floats:
    return blocks.view("<f4").astype(np.float32)


def _f16(blocks: Bytes) -> Floats:
    return blocks.view("<f2").astype(np.float32)


def _bf16(blocks: Bytes) -> Floats:
    return (blocks.view("<u2").astype(np.uint32) << 16).view(np.float32)


def _half(blocks: Bytes, at: int) -> Floats:
    """The half-precision number at byte `at` of each block, (n, 1)."""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float32)


def _nibbles(packed: Bytes) -> Floats:
    """(n, 16) bytes to (n, 32) values 0..15, low nibbles first."""
    values = np.empty((len(packed), 32), dtype=np.float32)
    values[:, :16] = packed & 15
    values[:, 16:] = packed >> 4
    return values


def _q4_0(blocks: Bytes) -> Floats:
    values = _nibbles(blocks[:, 2:])
    values -= 8
    values *= _half(blocks, 0)
    return values


def _q4_1(blocks: Bytes) -> Floats:
    values = _nibbles(blocks[:, 4:])
    values *= _half(blocks, 0)
    values += _half(blocks, 2)
    return values


def _q8_0(blocks: Bytes) -> Floats:
    return blocks[:, 2:].view(np.int8) * _half(blocks, 0)


FORMATS: Final[Mapping[int, Format]] = {
    0: Format(1, 4, _f32),
    1: Format(1, 2, _f16),
    30: Format(1, 2, _bf16),
    2: Format(32, 18, _q4_0),
    3: Format(32, 20, _q4_1),
    8: Format(32, 34, _q8_0),
}


def dequantize(data: Bytes, type_id: int, shape: tuple[int, ...]) -> Floats:
    """The float32 values of a tensor stored as `type_id`; `data` is exactly its bytes, `shape` outermost first."""
    layout = FORMATS[type_id]
    return layout.to_float32(data.reshape(-1, layout.bytes)).reshape(shape)
