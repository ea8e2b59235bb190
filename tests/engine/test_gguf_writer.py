"""The GGUF writer: our reader reads what was written, and what is not whole is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoint.gguf import GgufFile
from engine.checkpoint.gguf_writer import TensorSource, Value, encoded_keys, write_gguf

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.text(max_size=30),
    st.booleans(),
    st.integers(0, 2**32 - 1).map(np.uint32),
    st.floats(width=32, allow_nan=False).map(np.float32),
    st.lists(st.text(max_size=9), min_size=1, max_size=5),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5).map(lambda values: np.array(values, np.int32)),
)


@given(
    st.dictionaries(NAMES, VALUES, max_size=6),
    st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=4),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Value], shapes: list[list[int]]
):
    """By our reader; that it reads what the third-party one reads is tested beside it."""
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    path.unlink(missing_ok=True)
    keys.pop("general.alignment", None)
    arrays = [np.random.default_rng(i).random(shape, np.float32) for i, shape in enumerate(shapes)]
    tensors = [
        TensorSource(f"t{i}", array.shape, 0, lambda array=array: [array.reshape(-1).view(np.uint8)])
        for i, array in enumerate(arrays)
    ]
    write_gguf(path, encoded_keys(keys), tensors)
    file = GgufFile(path)
    assert {
        key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in keys.items()
    } == file.metadata
    for i, array in enumerate(arrays):
        entry = file.tensors[f"t{i}"]
        assert entry.shape == array.shape
        assert file.file.view(entry.offset, entry.size).tobytes() == array.tobytes()
    file.close()


def test_pieces_that_are_too_short_leave_nothing(tmp_path: Path):
    tensor = TensorSource("t", (4,), 0, lambda: [np.zeros(12, np.uint8)])
    with pytest.raises(ValueError, match="12 bytes of tensor t"):
        write_gguf(tmp_path / "short.gguf", [], [tensor])
    assert list(tmp_path.iterdir()) == []
