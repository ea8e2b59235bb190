"""The C kernels: what they read is what was stored, and no number depends on the company it was computed in."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.checkpoint.dequantize import FORMATS, TYPE_NAMES, dequantize
from engine.random_weights import SCALES, random_stored
from kernels.cpu import build
from kernels.cpu import library as native

WIDTHS = {0: 24, 1: 40, 30: 8, 2: 96, 3: 64, 6: 128, 7: 96, 8: 160, 12: 768, 13: 512, 14: 512}


def stored_rows(type_id: int, rows: int, seed: int = 0) -> np.ndarray:
    """Random rows as a file stores them: (rows, bytes)."""
    return random_stored(type_id, (rows, WIDTHS[type_id]), np.random.default_rng(seed)).reshape(rows, -1)


def packed(type_id: int, stored: np.ndarray) -> tuple[native.Matrix, np.ndarray]:
    rows, width = len(stored), WIDTHS[type_id]
    data = np.zeros(native.packed_bytes(type_id, rows, width), np.uint8)
    native.pack(type_id, rows, width, np.ascontiguousarray(stored).reshape(-1), data)
    return native.matrix(type_id, rows, width, data), data


def values_of(type_id: int, stored: np.ndarray) -> np.ndarray:
    return dequantize(np.ascontiguousarray(stored).reshape(-1), type_id, (len(stored), WIDTHS[type_id]))


@pytest.fixture(scope="module")
def contexts() -> Iterator[list[native.Context]]:
    """Of one thread, of two and of three."""
    model = native.Model(hidden=1024, intermediate=1024, heads=1, kv_heads=1, head_dim=8, state_groups=1, layer_count=1)
    made = [native.Context(model, 40, threads) for threads in (1, 2, 3)]
    yield made
    for context in made:
        context.close()


@pytest.mark.parametrize("type_id", WIDTHS, ids=lambda type_id: TYPE_NAMES[type_id])
@pytest.mark.parametrize("rows", [1, 8, 21])
def test_a_packed_row_is_the_stored_row(type_id: int, rows: int):
    stored = stored_rows(type_id, rows)
    matrix, _data = packed(type_id, stored)
    rows_read = np.stack([native.unpack_row(matrix, row) for row in range(rows)])
    np.testing.assert_allclose(rows_read, values_of(type_id, stored), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("type_id", WIDTHS, ids=lambda type_id: TYPE_NAMES[type_id])
def test_a_product_is_that_of_the_values(type_id: int, contexts: list[native.Context]):
    """Within what rounding activations to 8 bits of their block's largest costs; exactly for whole numbers."""
    stored = stored_rows(type_id, 37)
    matrix, _data = packed(type_id, stored)
    values = values_of(type_id, stored).astype(np.float64)
    whole = np.random.default_rng(1).integers(-127, 128, (5, WIDTHS[type_id])).astype(np.float32)
    whole[:, ::32] = 127  # each block's largest: its scale is 1
    products = contexts[0].linear(matrix, whole)
    np.testing.assert_allclose(products, whole @ values.T, rtol=1e-3, atol=1e-3 * np.abs(whole @ values.T).max())
    exact = np.abs(products - whole @ values.T).max() / np.abs(whole @ values.T).max()
    assert exact < 1e-5
    ordinary = np.random.default_rng(2).standard_normal((5, WIDTHS[type_id])).astype(np.float32)
    difference = contexts[0].linear(matrix, ordinary) - ordinary @ values.T
    assert np.abs(difference).max() < 0.02 * np.abs(ordinary).max() * np.linalg.norm(values, axis=1).max()


def test_a_bias_is_added_to_each_product(contexts: list[native.Context]):
    """Rows beyond the last whole group have theirs too."""
    matrix, data = packed(2, stored_rows(2, 21))
    inputs = np.random.default_rng(3).standard_normal((5, WIDTHS[2])).astype(np.float32)
    bias = np.random.default_rng(4).standard_normal(24).astype(np.float32)
    without = contexts[1].linear(matrix, inputs)
    np.testing.assert_array_equal(
        contexts[1].linear(native.matrix(2, 21, WIDTHS[2], data, bias), inputs), without + bias[:21]
    )


@pytest.mark.parametrize("type_id", [type_id for type_id in WIDTHS if FORMATS[type_id].values > 1])
def test_the_largest_numbers_do_not_overflow(type_id: int, contexts: list[native.Context]):
    """Every bit of the weights set, and every activation the largest one."""
    stored = stored_rows(type_id, 8).reshape(8, -1, FORMATS[type_id].bytes)
    numbers = np.ones(FORMATS[type_id].bytes, bool)
    for at in SCALES[type_id]:
        numbers[at : at + 2] = False
    stored[:, :, numbers] = 255
    if type_id == 8:
        stored[:, :, numbers] = 128  # its numbers are signed
    matrix, _data = packed(type_id, stored.reshape(8, -1))
    inputs = np.full((17, WIDTHS[type_id]), 127, np.float32)  # sixteen of them beside each other
    expected = inputs @ values_of(type_id, stored).astype(np.float64).T
    np.testing.assert_allclose(contexts[0].linear(matrix, inputs), expected, rtol=1e-3)  # sums are rounded to halves


@settings(max_examples=60)
@given(st.sampled_from(sorted(WIDTHS)), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_column_is_the_same_in_any_company(
    contexts: list[native.Context], type_id: int, rows: int, columns: int, seed: int
):
    matrix, _data = packed(type_id, stored_rows(type_id, rows, seed))
    inputs = np.random.default_rng(seed).standard_normal((columns, WIDTHS[type_id])).astype(np.float32)
    alone = np.concatenate([contexts[0].linear(matrix, inputs[i : i + 1]) for i in range(columns)])
    for context in contexts:
        np.testing.assert_array_equal(context.linear(matrix, inputs), alone)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The library as it is built for a processor without vector instructions of ours."""
    if (compile_with := build.compiler()) is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("plain") / "plain"
    subprocess.run([*build.compile_command(compile_with, "another", path), "-O1"], check=True)
    return native.load(path)


@pytest.mark.parametrize("type_id", WIDTHS, ids=lambda type_id: TYPE_NAMES[type_id])
def test_plain_c_gives_the_same_bits(
    contexts: list[native.Context], plain: ctypes.CDLL, type_id: int, monkeypatch: pytest.MonkeyPatch
):
    inputs = np.random.default_rng(5).standard_normal((23, WIDTHS[type_id])).astype(np.float32)
    matrix, _data = packed(type_id, stored_rows(type_id, 29))
    expected = contexts[1].linear(matrix, inputs)
    monkeypatch.setattr(native, "library", lambda: plain)
    matrix, _data = packed(type_id, stored_rows(type_id, 29))
    model = native.Model(hidden=1024, intermediate=1024, heads=1, kv_heads=1, head_dim=8, state_groups=1, layer_count=1)
    context = native.Context(model, 40, 2)
    np.testing.assert_array_equal(context.linear(matrix, inputs), expected)
    context.close()


def test_what_the_kernels_do_not_know_has_no_size():
    assert native.packed_bytes(10, 8, 256) == 0
    assert native.packed_bytes(12, 8, 32) == 0
    assert native.packed_bytes(2, 0, 32) == 0
