"""Decoding, control tokens and damaged vocabularies; encoding is compared with llama.cpp in test_llama_cpp_parity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoint.gguf import GgufFile
from engine.errors import ModelFileError
from engine.loader import LoadedModel
from engine.tokenizer import StreamDecoder, vocabulary_from_gguf
from tests.engine.tiny import write_tiny


def texts(min_size: int = 0) -> st.SearchStrategy[str]:
    """Any text whose bytes the starter's vocabulary holds: it lacks some control characters and unassigned planes."""
    characters = st.characters(max_codepoint=0x3FFFF, exclude_categories=["Cs", "Cc"], include_characters="\n\r\t\x00")
    return st.text(characters, min_size=min_size)


@given(texts())
def test_decoding_gives_the_text_back(starter: LoadedModel, text: str):
    tokenizer = starter.tokenizer
    assert tokenizer.decode(tokenizer.encode(text, control=False)) == text


@given(texts(min_size=1))
def test_streamed_text_never_holds_half_a_character(starter: LoadedModel, text: str):
    tokenizer = starter.tokenizer
    stream = StreamDecoder(tokenizer)
    pieces = [stream.push(token) for token in tokenizer.encode(text, control=False)]
    assert not any("\ufffd" in piece for piece in pieces) or "\ufffd" in text
    assert "".join(pieces) + stream.finish() == text


def test_an_unfinished_character_is_replaced_at_the_end(starter: LoadedModel):
    tokens = starter.tokenizer.encode("🦀", control=False)
    assert len(tokens) > 1
    stream = StreamDecoder(starter.tokenizer)
    assert "".join(stream.push(token) for token in tokens[:-1]) == ""
    assert stream.finish() == "\ufffd"


def test_control_tokens_are_made_only_on_request_and_print_nothing(starter: LoadedModel):
    tokenizer = starter.tokenizer
    assert tokenizer.encode("<|im_end|>", control=True) == [2]
    ordinary = tokenizer.encode("<|im_end|>", control=False)
    assert not set(ordinary) & set(range(17))  # the starter's control tokens
    assert tokenizer.decode(ordinary) == "<|im_end|>"
    assert tokenizer.decode([2]) == ""


def metadata(tmp_path: Path) -> dict[str, Any]:
    file = GgufFile(write_tiny(tmp_path / "tiny.gguf"))
    file.close()
    return file.metadata


WRONG: dict[str, Any] = {
    "tokens": ["a", "a"],
    "token_type": [1],
    "merges": ["x y z"],
    "eos_token_id": 10**6,
    "model": "llama",
    "pre": None,
}


@pytest.mark.parametrize("key", WRONG)
def test_a_damaged_vocabulary_is_refused(tmp_path: Path, key: str):
    keys = metadata(tmp_path) | {f"tokenizer.ggml.{key}": WRONG[key]}
    with pytest.raises(ModelFileError):
        vocabulary_from_gguf(keys)
