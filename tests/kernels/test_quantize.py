"""Encoders of the stored blocks, against the third-party gguf package and against llama.cpp's own."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import gguf
import numpy as np
import pytest
import xllamacpp.xllamacpp as llama_cpp
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoint.dequantize import FORMATS, TYPE_NAMES, dequantize
from kernels.cpu import library as native
from tests.kernels.test_cpu import plain  # noqa: F401 - a fixture

Q8_0, Q5_0, Q4_K, Q6_K = 8, 6, 12, 14
WRITTEN = (Q8_0, Q5_0, Q4_K, Q6_K)


def encode(type_id: int, values: np.ndarray) -> np.ndarray:
    layout = FORMATS[type_id]
    out = np.full(values.size // layout.values * layout.bytes, 0xAA, np.uint8)
    native.quantize(type_id, np.ascontiguousarray(values), out)
    return out


def decoded(type_id: int, values: np.ndarray) -> np.ndarray:
    return dequantize(encode(type_id, values), type_id, values.shape)


def gaussian(random: np.random.Generator) -> np.ndarray:
    return random.standard_normal((64, 1024), np.float32) * np.float32(0.02)


def heavy_tailed(random: np.random.Generator) -> np.ndarray:
    return (random.standard_normal((64, 1024)) * np.exp(random.standard_normal((64, 1024)))).astype(np.float32)


def one_sided(random: np.random.Generator) -> np.ndarray:
    return random.random((64, 1024), np.float32)


KINDS = (gaussian, heavy_tailed, one_sided)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("type_id", [Q8_0, Q5_0], ids=lambda type_id: TYPE_NAMES[type_id])
def test_simple_formats_are_the_reference_bit_for_bit(type_id: int, kind: Callable[[np.random.Generator], np.ndarray]):
    values = kind(np.random.default_rng(1))
    expected = gguf.quants.quantize(values, gguf.GGMLQuantizationType(type_id))
    np.testing.assert_array_equal(encode(type_id, values), expected.reshape(-1))


def llama_cpp_encode(type_id: int, values: np.ndarray) -> np.ndarray:
    """With the encoder inside the third-party wheel, as llama-quantize calls it."""
    quantize = ctypes.CDLL(llama_cpp.__file__).ggml_quantize_chunk
    quantize.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    out = np.empty(values.size // FORMATS[type_id].values * FORMATS[type_id].bytes, np.uint8)
    quantize(type_id, values.ctypes.data, out.ctypes.data, 0, *values.shape, None)
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("type_id", [Q4_K, Q6_K], ids=lambda type_id: TYPE_NAMES[type_id])
def test_k_formats_lose_no_more_than_llama_cpp(type_id: int, kind: Callable[[np.random.Generator], np.ndarray]):
    values = kind(np.random.default_rng(2))
    ours = decoded(type_id, values) - values
    theirs = dequantize(llama_cpp_encode(type_id, values), type_id, values.shape) - values
    for weight in (np.ones_like(values), np.abs(values), values**2):
        assert np.sum(weight * ours**2) < 1.01 * np.sum(weight * theirs**2)


@given(st.sampled_from(WRITTEN), st.integers(0, 2**32 - 1), st.floats(-9, 4.5), st.integers(0, 256))
def test_no_number_is_far_from_itself(type_id: int, seed: int, exponent: float, zeros: int):
    """Any size that a half-precision scale can hold, with runs of zeros, and one number much larger than the rest."""
    values = np.random.default_rng(seed).uniform(-1, 1, (2, 256)).astype(np.float32)
    values[0, :zeros] = 0
    values[1, seed % 256] = 2
    values *= np.float32(10**exponent)
    wide = {Q8_0: 1 / 127, Q5_0: 1 / 8, Q4_K: 1 / 4, Q6_K: 1 / 16}[type_id]
    smallest = 2.0**-24 * {Q8_0: 127, Q5_0: 16, Q4_K: 16 * 63, Q6_K: 32 * 128}[type_id]  # a scale below that is 0
    assert np.abs(decoded(type_id, values) - values).max() <= wide * np.abs(values).max() + smallest


@pytest.mark.parametrize("type_id", WRITTEN, ids=lambda type_id: TYPE_NAMES[type_id])
@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -1.0, 65504.0, -65504.0])
def test_equal_numbers(type_id: int, value: float):
    values = np.full((1, 256), value, np.float32)
    np.testing.assert_allclose(decoded(type_id, values), values, rtol=1e-3)


@pytest.mark.parametrize("type_id", WRITTEN, ids=lambda type_id: TYPE_NAMES[type_id])
def test_plain_c_writes_the_same_bytes(
    plain: ctypes.CDLL,  # noqa: F811
    type_id: int,
    monkeypatch: pytest.MonkeyPatch,
):
    values = np.concatenate([kind(np.random.default_rng(3)) for kind in KINDS])
    expected = encode(type_id, values)
    monkeypatch.setattr(native, "library", lambda: plain)
    np.testing.assert_array_equal(encode(type_id, values), expected)


def test_what_is_no_whole_number_of_blocks_is_refused():
    with pytest.raises(ValueError, match="not 0 bytes"):
        native.quantize(Q4_K, np.zeros(32, np.float32), np.empty(0, np.uint8))
    with pytest.raises(ValueError, match="of format 7"):
        native.quantize(7, np.zeros(32, np.float32), np.empty(24, np.uint8))
