"""The CPU decoder's promise: a token's numbers depend on its own sequence alone, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loader import load_model
from engine.reading import Decoder, Reading
from tests.engine.tiny import GRANITE, KV_HEADS, TinyExperts, TinyMamba, write_tiny

HYBRID = {"family": "granitehybrid", "keys": GRANITE, "kv_heads": [0, KV_HEADS, 0], "rope": False}
LONG = 1300  # tokens: more than two segments, so that threads share one token's attention


@pytest.fixture(
    scope="module",
    params=["attention", "biases", "hybrid", "hybrid with groups", "hybrid with experts", "experts alone"],
)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kinds: dict[str, dict[str, Any]] = {
        "attention": {"family": "granite", "keys": GRANITE},
        "biases": {"family": "llama", "bias": True},
        "hybrid": HYBRID | {"mamba": TinyMamba()},
        "hybrid with experts": HYBRID | {"mamba": TinyMamba(), "experts": TinyExperts()},
        "experts alone": {"family": "granitemoe", "keys": GRANITE, "experts": TinyExperts(shared=0)},
        "hybrid with groups": HYBRID | {"mamba": TinyMamba(groups=2)},
    }
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf", **kinds[request.param])


@pytest.fixture(scope="module")
def decoder(file: Path) -> Decoder[Any]:
    return load_model(file, threads=1).decoder


@pytest.fixture(scope="module")
def decoders(file: Path, decoder: Decoder[Any]) -> list[Decoder[Any]]:
    return [decoder, *(load_model(file, threads=threads).decoder for threads in (2, 3))]


def tokens(count: int, seed: int = 0) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(3, 263, count)]


def read(decoder: Decoder[Any], text: Sequence[int], cuts: Sequence[int] = (), state: Any = None) -> np.ndarray:
    """The logits after `text`, read in the pieces that `cuts` make."""
    state = state or decoder.new_state(LONG + 100)
    borders = [0, *sorted(cut for cut in cuts if 0 < cut < len(text)), len(text)]
    for first, last in pairwise(borders):
        for at in range(first, last, 200):
            [logits] = decoder.step([Reading(state, text[at : min(at + 200, last)])])
    return logits[0]


@settings(max_examples=20)
@given(st.lists(st.integers(1, 199), max_size=8), st.integers(0, 2))
def test_chunks_and_threads_change_no_bit(decoders: list[Decoder[Any]], cuts: list[int], which: int):
    np.testing.assert_array_equal(read(decoders[which], tokens(200), cuts), read(decoders[0], tokens(200)))


def test_token_by_token_changes_no_bit(decoders: list[Decoder[Any]]):
    text = tokens(150)
    for decoder in decoders:
        np.testing.assert_array_equal(read(decoder, text, range(150)), read(decoders[0], text))


def test_a_long_text_shared_among_threads_changes_no_bit(decoders: list[Decoder[Any]]):
    text = tokens(LONG)
    for decoder in decoders:
        np.testing.assert_array_equal(read(decoder, text, range(LONG - 3, LONG)), read(decoders[0], text))


def test_a_batch_changes_no_bit(decoders: list[Decoder[Any]]):
    texts = [tokens(count, seed) for seed, count in enumerate((1, 70, 3, 64, 100))]
    for decoder in decoders:
        states = [decoder.new_state(400) for _ in texts]
        decoder.step([Reading(state, text[:-1], 0) for state, text in zip(states, texts, strict=True) if len(text) > 1])
        together = decoder.step([Reading(state, text[-1:]) for state, text in zip(states, texts, strict=True)])
        for logits, text in zip(together, texts, strict=True):
            np.testing.assert_array_equal(logits[0], read(decoders[0], text))


@pytest.mark.parametrize("length", [1, 63, 64, 65, 130])
def test_forks_go_their_own_ways(decoder: Decoder[Any], length: int):
    text = tokens(length)
    first = decoder.new_state(400)
    read(decoder, text, state=first)
    second, third = first.fork(), first.fork()
    for state, end in ((second, tokens(70, 1)), (first, tokens(70, 2)), (third, tokens(3, 3))):
        np.testing.assert_array_equal(read(decoder, end, state=state), read(decoder, text + end))
    assert (first.length, second.length, third.length) == (length + 70, length + 70, length + 3)


@pytest.mark.parametrize("end", [1, 40, 70])
def test_forks_of_an_ended_state_go_their_own_ways(decoder: Decoder[Any], end: int):
    """Whether they have read on, were forked themselves or are looked at before that."""
    text, more = tokens(130), tokens(end, 1)
    ended = decoder.new_state(400)
    read(decoder, text, state=ended)
    expected = read(decoder, text + more)
    parts = b"".join(part.tobytes() for part in ended.parts)
    first, second, third = (ended.fork(ended=True) for _ in range(3))
    nested = second.fork()
    assert b"".join(part.tobytes() for part in third.parts) == parts
    for state in (first, second, nested, third, ended.fork(ended=True)):
        np.testing.assert_array_equal(read(decoder, more, state=state), expected)
    assert b"".join(part.tobytes() for part in ended.parts) == parts


def test_the_logits_of_every_token_are_those_of_its_prefix(decoder: Decoder[Any]):
    text = tokens(40)
    [every] = decoder.step([Reading(decoder.new_state(40), text, 40)])
    for at in (0, 1, 20, 39):
        np.testing.assert_array_equal(every[at], read(decoder, text[: at + 1]))


def test_torch_computes_the_same(file: Path):
    exact, reference = (load_model(file, threads=1, **how).decoder for how in ({"cache": "f32"}, {"reference": True}))
    text = tokens(200)
    np.testing.assert_allclose(read(exact, text), read(reference, text), rtol=1e-4, atol=1e-4)


def test_a_cache_of_8_bits_is_near_and_its_bits_are_its_own(file: Path, decoder: Decoder[Any]):
    one, two = (load_model(file, threads=threads, cache="q8_0").decoder for threads in (1, 2))
    text = tokens(LONG)
    logits = read(one, text)
    np.testing.assert_array_equal(read(two, text, range(LONG - 3, LONG)), logits)
    np.testing.assert_array_equal(read(two, text, (1, 64, 777)), logits)
    whole = read(decoder, text)
    assert 0 < np.abs(logits - whole).max() < 0.05 * np.abs(whole).max()


def test_what_does_not_fit_is_refused(decoder: Decoder[Any]):
    with pytest.raises(ValueError, match="do not fit"):
        decoder.step([Reading(decoder.new_state(4), [1] * 5)])
    with pytest.raises(ValueError, match="more than a step"):
        decoder.step([Reading(decoder.new_state(600), [1] * 257)])
    with pytest.raises(ValueError, match="vocabulary"):
        decoder.step([Reading(decoder.new_state(4), [263])])


def test_a_weight_that_is_no_number_is_refused(tmp_path: Path):
    path = write_tiny(tmp_path / "tiny.gguf")
    data = bytearray(path.read_bytes())
    data[-4:] = np.array([np.nan], np.float32).tobytes()
    path.write_bytes(data)
    with pytest.raises(Exception, match="not a number"):
        load_model(path)
