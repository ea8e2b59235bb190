"""The tokenizer of a folder in the keys of a GGUF file: the same text is cut into the same tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers

from engine.errors import ModelFileError
from engine.loader import LoadedModel, load_model
from engine.protocol import Message
from engine.quantize import MIXTURES, quantize
from engine.tokenizer import PRE_TOKENIZERS
from tests.engine.tiny import VOCABULARY
from tests.engine.tiny_folder import write_tiny_folder

HUGGING_FACE = {  # as published tokenizer.json files spell the rules
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "dbrx": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRE_TOKENIZERS["dbrx"][0]), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
}


def change_tokenizer(folder: Path, change: Callable[[Tokenizer], object]) -> Path:
    path = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    change(tokenizer)
    tokenizer.save(str(path))
    return folder


def set_rules(name: str) -> Callable[[Tokenizer], object]:
    def change(tokenizer: Tokenizer) -> None:
        tokenizer.pre_tokenizer = HUGGING_FACE["dbrx" if name == "llama-bpe" else name]
        tokenizer.model.ignore_merges = name == "llama-bpe"
        tokenizer.add_tokens([AddedToken("<tool>", special=False)])
        tokenizer.add_special_tokens([AddedToken("<|extra|>", special=True)])

    return change


@pytest.fixture(scope="module", params=sorted(PRE_TOKENIZERS))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LoadedModel, LoadedModel, str]:
    """A folder with added tokens and rows without tokens, and what is written from it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    source = change_tokenizer(write_tiny_folder(folder / "model", vocab_size=VOCABULARY + 6), set_rules(request.param))
    quantize(source, folder / "out.gguf", MIXTURES["q8_0"], 1, lambda _line: None)
    return load_model(source, threads=1), load_model(folder / "out.gguf", threads=1), request.param


def test_vocabulary_and_template_stay(both: tuple[LoadedModel, LoadedModel, str]):
    source, written, rules = both
    ours, theirs = source.tokenizer.vocabulary, written.tokenizer.vocabulary
    assert theirs.pre == rules
    assert theirs.tokens[:-4] == ours.tokens[:-4]
    assert (theirs.kinds, theirs.end_ids, theirs.bos, theirs.add_bos) == (
        ours.kinds,
        ours.end_ids,
        ours.bos,
        ours.add_bos,
    )
    assert (theirs.bos_text, theirs.eos_text) == (ours.bos_text, ours.eos_text)
    messages = [Message("user", ("Hello",))]
    assert written.template.encode(messages).tokens == source.template.encode(messages).tokens


@given(st.text(max_size=80) | st.text("aA12 '\nst.<|extra|><tool>hel", max_size=80), st.booleans())
def test_text_becomes_the_same_tokens(both: tuple[LoadedModel, LoadedModel, str], text: str, control: bool):
    source, written, _ = both
    assert written.tokenizer.encode(text, control=control) == source.tokenizer.encode(text, control=control)


def split_at_spaces(tokenizer: Tokenizer) -> None:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "isolated"), byte_level])


def normalise(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.NFC()


UNKNOWN: dict[str, tuple[Callable[[Tokenizer], object], str]] = {
    "rules": (split_at_spaces, "cuts text by other rules than gpt-2"),
    "normaliser": (normalise, "changes the text before"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_tokenizer_without_a_name_is_refused(tmp_path: Path, name: str):
    change, message = UNKNOWN[name]
    source = change_tokenizer(write_tiny_folder(tmp_path / "model"), change)
    with pytest.raises(ModelFileError, match=message):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q8_0"], 1, lambda _line: None)
