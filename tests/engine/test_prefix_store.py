"""What was read before gives the same bits as reading it again: from memory, from disk, and beside others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cpu.decoder import CpuDecoder
from engine.cpu.packing import CacheFormat
from engine.loader import LoadedModel, load_model
from engine.prefill import NEAR_THE_END, PREFILL_CHUNK, Prefill
from engine.prefix_store import MIN_FILE_TOKENS, MIN_REST_TOKENS, MIN_TOKENS, PrefixStore
from engine.protocol import Message
from engine.reading import Prompt
from tests.engine.prefixes import MIB, files, read, tokens, written
from tests.engine.tiny import GRANITE, KV_HEADS, TinyExperts, TinyMamba, write_tiny

HYBRID = {"family": "granitehybrid", "keys": GRANITE, "kv_heads": [0, KV_HEADS, 0], "rope": False}
LONGEST = 300


@pytest.fixture(scope="module", params=["attention", "hybrid", "hybrid with experts", "eight bits"])
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CpuDecoder:
    kinds: dict[str, dict[str, Any]] = {
        "attention": {"family": "granite", "keys": GRANITE},
        "hybrid": HYBRID | {"mamba": TinyMamba()},
        "hybrid with experts": HYBRID | {"mamba": TinyMamba(), "experts": TinyExperts()},
        "eight bits": HYBRID | {"mamba": TinyMamba()},
    }
    file = write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf", **kinds[request.param])
    loaded = load_model(file, threads=1, cache="q8_0" if request.param == "eight bits" else "f16").decoder
    assert isinstance(loaded, CpuDecoder)
    return loaded


def store_of(decoder: CpuDecoder, limit: int = 64 * MIB, **options: Any) -> PrefixStore:
    return PrefixStore(decoder, "a model", limit, **options)


def same(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_array_equal(one.view(np.uint32), other.view(np.uint32))


borders = st.sets(st.integers(1, LONGEST - 2), max_size=5).map(lambda found: tuple(sorted(found)))


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.integers(0, LONGEST), st.integers(1, LONGEST), borders), min_size=2, max_size=5),
    st.integers(0, 1 << 19),
)
def test_no_history_of_the_store_changes_a_bit(
    decoder: CpuDecoder, prompts: list[tuple[int, int, tuple[int, ...]]], limit: int
):
    """Prompts that begin alike for a while, with a store that forgets some of them."""
    store = store_of(decoder, limit)
    for shared, length, cuts in prompts:
        text = (tokens(shared) + tokens(LONGEST, shared + 1))[:length]
        prompt = Prompt(text, tuple(cut for cut in cuts if cut < length))
        same(read(decoder, prompt, store)[0], read(decoder, Prompt(text))[0])
        assert store.counts.memory_bytes <= limit


def test_equal_prompts_read_nothing(decoder: CpuDecoder):
    store, prompt = store_of(decoder), Prompt(tokens(200))
    cold, had = read(decoder, prompt, store)
    assert had == 0
    warm, had = read(decoder, prompt, store)
    assert had == 200
    same(cold, warm)
    assert (store.counts.hits, store.counts.misses) == (1, 1)


def test_whoever_samples_may_write_into_the_logits(decoder: CpuDecoder):
    store, prompt = store_of(decoder), Prompt(tokens(100))
    expected, _ = read(decoder, prompt, store)
    for _ in range(2):
        [prefill] = prefills(decoder, store, [prompt])
        reading = prefill.want()
        assert reading is not None
        scores = prefill.take(decoder.step([reading])[0])
        assert scores is not None
        same(scores, expected[0])
        scores += 1


def test_a_prompt_that_ends_at_anothers_border_has_no_logits_there(decoder: CpuDecoder):
    store, text = store_of(decoder), tokens(150)
    read(decoder, Prompt(text, (100,)), store)
    logits, had = read(decoder, Prompt(text[:100]), store)
    assert had == 0
    same(logits, read(decoder, Prompt(text[:100]))[0])


def test_a_prompt_starts_at_the_longest_border_it_shares(decoder: CpuDecoder):
    store, voice, source = store_of(decoder), tokens(50, 1), tokens(150, 2)
    read(decoder, Prompt(voice + source + tokens(40, 3), (50, 200)), store)
    for end, other, has in ((tokens(60, 4), source, 200), (tokens(30, 5), tokens(150, 6), 50), ([7], tokens(9), 50)):
        prompt = Prompt(voice + other + end, (50, 50 + len(other)))
        logits, had = read(decoder, prompt, store)
        assert had == has
        same(logits, read(decoder, prompt)[0])


def test_a_conversation_goes_on_after_its_answer(decoder: CpuDecoder):
    store, question, answer = store_of(decoder), tokens(100, 1), tokens(30, 2)
    said, _ = read(decoder, Prompt(question), store, answer)
    same(said, read(decoder, Prompt(question), None, answer)[0])
    for end, has in ((answer, 130), (tokens(30, 4), 100)):  # as it was said, and edited
        more = Prompt(question + end + tokens(20, 3), (90, 130), (100,))
        logits, had = read(decoder, more, store)
        assert had == has
        same(logits, read(decoder, more)[0])


@pytest.mark.parametrize("length", [65, 128, 200])
def test_a_restarted_engine_goes_on_with_the_same_bits(decoder: CpuDecoder, tmp_path: Path, length: int):
    prompt, answer = Prompt(tokens(length + MIN_REST_TOKENS), (length,)), tokens(70, 1)
    with files(tmp_path) as disk:
        cold, _ = read(decoder, prompt, store_of(decoder, files=disk), answer)
    with files(tmp_path) as disk:
        warm, had = read(decoder, prompt, store_of(decoder, files=disk), answer)
        assert had == length + MIN_REST_TOKENS
        same(warm, cold)
        other = Prompt([*prompt.tokens[:length], *tokens(30, 2)], (length,))
        logits, had = read(decoder, other, store_of(decoder, files=disk))
        assert had == length
        same(logits, read(decoder, other)[0])


def test_what_is_used_from_memory_or_disk_is_used_on_disk(decoder: CpuDecoder, tmp_path: Path):
    prompt = Prompt(tokens(200))
    with files(tmp_path) as disk:
        store = store_of(decoder, files=disk)
        read(decoder, prompt, store)
        assert written(disk, 1)
        [path] = tmp_path.iterdir()
        for used in (store, store_of(decoder, files=disk)):
            os.utime(path, (1, 1))
            assert read(decoder, prompt, used)[1] == 200
            assert path.stat().st_mtime > 1


def test_what_spares_little_has_no_file(decoder: CpuDecoder, tmp_path: Path):
    least = MIN_FILE_TOKENS
    for folder, length, cuts, expected in (
        ("short", least - 1, (), 0),
        ("one part", least, (), 1),
        ("near", 2 * least + 255, (least, 2 * least - 1), 2),
        ("a short rest", 2 * least + 255, (least, 2 * least), 2),
        ("a long rest", 2 * least + 256, (least, 2 * least), 3),
    ):
        with files(tmp_path / folder) as disk:
            read(decoder, Prompt(tokens(length), cuts), store_of(decoder, files=disk))
        assert len(list((tmp_path / folder).iterdir())) == expected, folder


def test_another_model_or_kernel_finds_nothing(decoder: CpuDecoder, tmp_path: Path):
    prompt = Prompt(tokens(200))
    with files(tmp_path) as disk:
        read(decoder, prompt, store_of(decoder, files=disk))
    with files(tmp_path) as disk:
        assert read(decoder, prompt, PrefixStore(decoder, "another model", MIB, disk))[1] == 0
        assert read(decoder, prompt, store_of(decoder, files=disk))[1] == 200


def test_another_cache_format_is_another_kernel(tmp_path: Path):
    file = write_tiny(tmp_path / "tiny.gguf")
    fingerprints = set()
    for cache in get_args(CacheFormat):
        loaded = load_model(file, threads=1, cache=cache).decoder
        assert isinstance(loaded, CpuDecoder)
        fingerprints.add(loaded.fingerprint)
    assert len(fingerprints) == len(get_args(CacheFormat)) > 1


def test_shared_pages_count_once(decoder: CpuDecoder):
    store, text = store_of(decoder), tokens(640)
    read(decoder, Prompt(text), store)
    one = store.counts.memory_bytes
    logits = 4 * decoder.config.vocabulary
    assert one == decoder.state_bytes(640) + logits
    read(decoder, Prompt([*text, *tokens(20, 1)], (), (640,)), store)
    page = decoder.state_bytes(640) - decoder.state_bytes(576)
    assert store.counts.memory_bytes == one + page + decoder.state_bytes(0) + logits  # its last page, Mamba's states


def test_the_least_recently_used_go_first(decoder: CpuDecoder):
    size = decoder.state_bytes(100) + 4 * decoder.config.vocabulary
    store = store_of(decoder, 2 * size)
    first, second, third = (Prompt(tokens(100, seed)) for seed in range(3))
    for prompt in (first, second, first, third):
        read(decoder, prompt, store)
    assert (store.counts.entries, store.counts.memory_bytes) == (2, 2 * size)
    assert [read(decoder, prompt, store)[1] for prompt in (first, third, second)] == [100, 100, 0]


def test_what_is_larger_than_the_store_pushes_nothing_out(decoder: CpuDecoder):
    store = store_of(decoder, decoder.state_bytes(64) + 4 * decoder.config.vocabulary)
    read(decoder, Prompt(tokens(60)), store)
    read(decoder, Prompt(tokens(700, 1)), store)
    assert read(decoder, Prompt(tokens(60)), store)[1] == 60


def test_short_prompts_are_not_kept(decoder: CpuDecoder):
    store = store_of(decoder)
    read(decoder, Prompt(tokens(MIN_TOKENS - 1)), store)
    assert store.counts.entries == 0


@settings(max_examples=50)
@given(st.integers(1, 3 * PREFILL_CHUNK), borders)
def test_a_prompt_is_cut_where_it_says(decoder: CpuDecoder, length: int, cuts: tuple[int, ...]):
    """At the grid and at borders, but for a last one that only a few tokens follow."""
    inside = tuple(cut for cut in cuts if cut < length)
    near = {cut for cut in inside[-1:] if length - cut <= NEAR_THE_END}
    ends = {length, *inside, *range(PREFILL_CHUNK, length, PREFILL_CHUNK)} - (near - {PREFILL_CHUNK, 2 * PREFILL_CHUNK})
    prefill = Prefill(decoder, Prompt(tokens(length), inside), length)
    seen: list[int] = []
    while not seen or seen[-1] < length:
        reading = prefill.want()
        assert reading is not None
        assert reading.last == (reading.state.length + len(reading.tokens) == length)
        decoder.step([reading])
        seen.append(reading.state.length)
    assert seen == sorted(ends)


def test_many_messages_keep_the_first_and_the_last_ones(decoder: CpuDecoder):
    store, ends = store_of(decoder), range(20, 320, 20)
    read(decoder, Prompt(tokens(350), tuple(ends)), store)
    assert store.counts.entries == 9
    shared = [read(decoder, Prompt([*tokens(cut), *tokens(30, 1)], (cut,)), store)[1] for cut in (80, 160, 260, 300)]
    assert shared == [80, 0, 260, 300]


def prefills(decoder: CpuDecoder, store: PrefixStore, prompts: Sequence[Prompt]) -> list[Prefill]:
    return [Prefill(decoder, prompt, len(prompt.tokens) + 1, store) for prompt in prompts]


def test_one_reads_what_several_begin_with(decoder: CpuDecoder):
    store, shared = store_of(decoder), tokens(100)
    prompt, other = Prompt(shared + tokens(50, 1), (100,)), Prompt(shared + tokens(50, 2), (100,))
    first, twin, cousin = prefills(decoder, store, [prompt, prompt, other])
    steps = []
    scores = None
    while scores is None:
        reading = first.want()
        assert reading is not None
        steps.append([twin.want() is None, cousin.want() is None])
        scores = first.take(decoder.step([reading])[0])
    assert steps == [[True, True], [True, False], [True, False]]  # up to 100, 128, 150
    assert twin.want() is None
    first.keep()
    reading = twin.want()
    assert reading is not None
    assert reading.tokens == []
    twins = twin.take(decoder.step([reading])[0])
    assert twins is not None
    same(twins, scores)
    assert (twin.cached, cousin.cached) == (150, 100)


def test_the_next_one_takes_over_from_one_that_is_closed(decoder: CpuDecoder):
    store, prompt = store_of(decoder), Prompt(tokens(300))
    first, second, third = prefills(decoder, store, [prompt] * 3)
    assert first.want() is not None
    assert second.want() is None
    first.close()
    assert second.want() is not None
    assert third.want() is None


def test_the_starter_writes_the_same_after_its_own_words(starter: LoadedModel, tmp_path: Path):
    decoder = starter.decoder
    assert isinstance(decoder, CpuDecoder)
    messages = [Message("system", ("You write short posts.",)), Message("user", ("Bread. " * 30, "One sentence."))]
    prompt, answer = starter.template.encode(messages), starter.tokenizer.encode("Fresh bread daily.", control=False)
    cold, _ = read(decoder, prompt, None, answer)
    with files(tmp_path) as disk:
        store = store_of(decoder, files=disk)
        same(read(decoder, prompt, store, answer)[0], cold)
        same(read(decoder, prompt, store, answer)[0], cold)
    with files(tmp_path) as disk:
        store = store_of(decoder, files=disk)
        logits, had = read(decoder, prompt, store, answer)
        assert had == prompt.borders[1]  # the few tokens after the source text have no file of their own
        same(logits, cold)
        talk = [*messages, Message("assistant", ("Fresh bread daily.",)), Message("user", ("Another one.",))]
        more = starter.template.encode(talk)
        logits, had = read(decoder, more, store)
        assert had == len(prompt.tokens) + len(answer)
        same(logits, read(decoder, more)[0])
