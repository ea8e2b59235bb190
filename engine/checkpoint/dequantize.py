"""Number formats of GGUF tensors, turned into float32 with numpy.

Block layouts: ggml/src/ggml-common.h. A block of the simple formats holds 32 values of one row: half scale d, in the
_1 formats a half minimum m, in the 5-bit formats 32 fifth bits, then 16 bytes of which byte j holds value j in its low
and value j+16 in its high nibble (Q8_0: 32 signed bytes). w = d*q + m, or w = d*(q - 8), d*(q - 16) without m.

A block of the K formats holds 256 values in sub-blocks. Q4_K and Q5_K: d, dmin, 8 scales and 8 minima of 6 bits in 12
bytes, (Q5_K: 32 bytes of fifth bits,) 128 bytes of nibbles; w = d*scale*q - dmin*minimum in 8 sub-blocks of 32.
Q6_K: 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales, d; w = d*scale*(q - 32) in 16 of 16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# ggml's type ids of numbers that stand alone.
F32: Final = 0
F16: Final = 1
BF16: Final = 30
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


def _add_fifth_bits(values: Floats, bits: Bytes) -> None:
    """Bit i of the four bytes `bits` (n, 4) is worth 16 in value i of `values` (n, 32)."""
    values += np.unpackbits(bits, axis=1, bitorder="little") * np.float32(16)


def _q5_0(blocks: Bytes) -> Floats:
    values = _nibbles(blocks[:, 6:])
    _add_fifth_bits(values, blocks[:, 2:6])
    values -= 16
    values *= _half(blocks, 0)
    return values


def _q5_1(blocks: Bytes) -> Floats:
    values = _nibbles(blocks[:, 8:])
    _add_fifth_bits(values, blocks[:, 4:8])
    values *= _half(blocks, 0)
    values += _half(blocks, 2)
    return values


def _scales_and_minima(packed: Bytes) -> tuple[Bytes, Bytes]:
    """(n, 12) bytes to 8 scales and 8 minima; of the last four, the upper two bits stand above the first four."""
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate((first & 63, (third & 15) | (first >> 6 << 4)), axis=1)
    minima = np.concatenate((second & 63, (third >> 4) | (second >> 6 << 4)), axis=1)
    return scales, minima


def _q45_k(blocks: Bytes, quants: Bytes) -> Floats:
    """From quants (n, 8, 32) and what Q4_K and Q5_K have in common."""
    scales, minima = _scales_and_minima(blocks[:, 4:16])
    values = quants.astype(np.float32)
    values *= (_half(blocks, 0) * scales)[:, :, None]
    values -= (_half(blocks, 2) * minima)[:, :, None]
    return values.reshape(-1, 256)


def _pairs_of_nibbles(packed: Bytes) -> Bytes:
    """(n, 128) bytes to (n, 8, 32): 32 bytes hold one sub-block in their low and the next in their high nibbles."""
    packed = packed.reshape(-1, 4, 1, 32)
    return np.concatenate((packed & 15, packed >> 4), axis=2).reshape(-1, 8, 32)


def _q4_k(blocks: Bytes) -> Floats:
    return _q45_k(blocks, _pairs_of_nibbles(blocks[:, 16:]))


def _q5_k(blocks: Bytes) -> Floats:
    sub_block = np.arange(8, dtype=np.uint8)[:, None]
    fifth = (blocks[:, None, 16:48] >> sub_block) & np.uint8(1)  # bit s of byte i belongs to value i of sub-block s
    return _q45_k(blocks, _pairs_of_nibbles(blocks[:, 48:]) | (fifth << np.uint8(4)))


def _q6_k(blocks: Bytes) -> Floats:
    low = blocks[:, :128].reshape(-1, 2, 1, 64)  # of each half of the block
    low = np.concatenate((low & 15, low >> 4), axis=2).reshape(-1, 2, 4, 32)
    pair = np.array([0, 2, 4, 6], dtype=np.uint8)[:, None]
    high = (blocks[:, 128:192].reshape(-1, 2, 1, 32) >> pair) & 3
    values = (low | (high << 4)).astype(np.float32).reshape(-1, 16, 16)
    values -= 32
    values *= (_half(blocks, 208) * blocks[:, 192:208].view(np.int8))[:, :, None]
    return values.reshape(-1, 256)


FORMATS: Final[Mapping[int, Format]] = {
    0: Format(1, 4, _f32),
    1: Format(1, 2, _f16),
    30: Format(1, 2, _bf16),
    2: Format(32, 18, _q4_0),
    3: Format(32, 20, _q4_1),
    6: Format(32, 22, _q5_0),
    7: Format(32, 24, _q5_1),
    8: Format(32, 34, _q8_0),
    12: Format(256, 144, _q4_k),
    13: Format(256, 176, _q5_k),
    14: Format(256, 210, _q6_k),
}


_PIECE: Final = 1 << 20  # values converted at a time, so that what stands between costs a few megabytes


def dequantize(data: Bytes, type_id: int, shape: tuple[int, ...]) -> Floats:
    """The float32 values of a tensor stored as `type_id`; `data` is exactly its bytes, `shape` outermost first."""
    layout = FORMATS[type_id]
    blocks = data.reshape(-1, layout.bytes)
    values = np.empty((len(blocks), layout.values), dtype=np.float32)
    step = _PIECE // layout.values
    with np.errstate(invalid="ignore", over="ignore"):  # a scale that is no number: engine.checkpoint.weights refuses
        for at in range(0, len(blocks), step):
            values[at : at + step] = layout.to_float32(blocks[at : at + step])
    return values.reshape(shape)
