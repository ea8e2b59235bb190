"""The GGUF reader on whole, cut, foreign and mutated files."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.checkpoint.gguf import GgufFile
from engine.errors import ModelFileError
from engine.loader import load_model
from tests.engine.tiny import write_tiny

MAX_SECONDS = 5.0
MAX_BYTES = 64 << 20


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def tiny_bytes(tiny: Path) -> bytes:
    return tiny.read_bytes()


@pytest.fixture(scope="module")
def header_size(tiny: Path) -> int:
    return gguf.GGUFReader(tiny).data_offset


def test_reads_what_the_third_party_reader_reads(starter_model: Path):
    ours, theirs = GgufFile(starter_model), gguf.GGUFReader(starter_model)
    their_keys = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert ours.metadata == their_keys
    assert list(ours.tensors) == [tensor.name for tensor in sorted(theirs.tensors, key=lambda t: t.data_offset)]
    for tensor in theirs.tensors:
        entry = ours.tensors[tensor.name]
        assert entry.shape == tuple(int(extent) for extent in tensor.shape)[::-1]
        assert (entry.type_id, entry.offset, entry.size) == (tensor.tensor_type, tensor.data_offset, tensor.n_bytes)
    ours.close()


def load_or_refuse(path: Path) -> None:
    """Load a file that may be anything; only ModelFileError may come out, soon and without much memory."""
    started = time.monotonic()
    tracemalloc.start()
    message = "."
    try:
        load_model(path)
    except ModelFileError as error:
        message = error.message
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message.endswith(".")
    assert "\n" not in message
    assert peak < MAX_BYTES
    assert time.monotonic() - started < MAX_SECONDS


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 1, exclude_max=True), in_header=st.booleans())
def test_a_cut_file_is_refused(
    tiny_bytes: bytes, header_size: int, tmp_path_factory: pytest.TempPathFactory, cut: float, in_header: bool
):
    path = tmp_path_factory.getbasetemp() / "cut.gguf"
    path.write_bytes(tiny_bytes[: int(cut * (header_size if in_header else len(tiny_bytes)))])
    with pytest.raises(ModelFileError):
        load_model(path)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_a_mutated_header_never_crashes(
    tiny_bytes: bytes, header_size: int, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    """Bytes flipped, and 4 or 8 bytes set to the numbers that break careless readers."""
    mutated = bytearray(tiny_bytes)
    extremes = st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, header_size - 8))
        width = data.draw(st.sampled_from([1, 4, 8]))
        value = data.draw(st.integers(0, 255) if width == 1 else extremes)
        mutated[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    path = tmp_path_factory.getbasetemp() / "mutated.gguf"
    path.write_bytes(mutated)
    load_or_refuse(path)


FOREIGN = {
    "empty": b"",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "safetensors": (60).to_bytes(8, "little")
    + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}      '
    + bytes(4),
    "big-endian": b"GGUF" + (3).to_bytes(4, "big") + bytes(16),
    "version 1": b"GGUF" + (1).to_bytes(4, "little") + bytes(16),
    "huge counts": b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 16,
    "nothing in it": b"GGUF" + (3).to_bytes(4, "little") + bytes(16),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(FOREIGN[name])
    with pytest.raises(ModelFileError):
        load_model(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(ModelFileError, match="cannot be opened"):
        load_model(tmp_path / "none.gguf")
    with pytest.raises(ModelFileError, match="holds no config"):
        load_model(tmp_path)


def test_a_long_array_is_refused_before_it_is_read(tmp_path: Path):
    """The count is checked against the bytes left, not believed (CVE-2024-25665 and its kin)."""
    key = b"tokenizer.ggml.tokens"
    header = b"GGUF" + (3).to_bytes(4, "little") + (0).to_bytes(8, "little") + (1).to_bytes(8, "little")
    array = (9).to_bytes(4, "little") + (8).to_bytes(4, "little") + (2_000_000).to_bytes(8, "little")
    path = tmp_path / "array.gguf"
    path.write_bytes(header + len(key).to_bytes(8, "little") + key + array + bytes(64))
    with pytest.raises(ModelFileError, match=r"ends inside tokenizer\.ggml\.tokens"):
        load_model(path)
