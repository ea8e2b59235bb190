"""Every number format against the third-party gguf package, bit for bit, on blocks of random bytes."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoint.dequantize import _PIECE, FORMATS, TYPE_NAMES, dequantize

READ = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K")


def assert_same_values(type_id: int, rows: int, blocks: int, seed: int):
    layout = FORMATS[type_id]
    data = np.random.default_rng(seed).integers(0, 256, (rows, blocks * layout.bytes), dtype=np.uint8)
    ours = dequantize(data.ravel(), type_id, (rows, blocks * layout.values))
    with np.errstate(invalid="ignore", over="ignore"):  # among random halves there are NaN and infinity
        theirs = gguf.dequantize(data, gguf.GGMLQuantizationType(type_id))
    np.testing.assert_array_equal(ours.view(np.uint32) & keep(theirs), theirs.view(np.uint32) & keep(theirs))


def keep(values: np.ndarray) -> np.ndarray:
    """All bits of a number; of a NaN only those that make it one, as its sign and rest are anybody's."""
    return np.where(np.isnan(values), np.uint32(0x7FC00000), np.uint32(0xFFFFFFFF))


def test_all_formats_are_covered():
    assert {TYPE_NAMES[type_id] for type_id in FORMATS} == set(READ)
    for type_id, layout in FORMATS.items():
        assert (layout.values, layout.bytes) == gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(type_id)]


@given(
    type_id=st.sampled_from(sorted(FORMATS)), rows=st.integers(1, 5), blocks=st.integers(1, 9), seed=st.integers(0, 999)
)
def test_random_blocks(type_id: int, rows: int, blocks: int, seed: int):
    assert_same_values(type_id, rows, blocks, seed)


@pytest.mark.parametrize("type_id", FORMATS)
def test_a_tensor_of_several_pieces(type_id: int):
    assert_same_values(type_id, 1, _PIECE // FORMATS[type_id].values + 3, 0)
