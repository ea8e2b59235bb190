"""Prompts that begin alike, read at the same time: one reads and the others wait, whoever is cancelled or breaks."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.config import ModelConfig
from engine.prefill import Prefill
from engine.prefix_store import PrefixStore
from engine.reading import Prompt, Reading
from engine.scheduler import Scheduler
from tests.engine.test_scheduler import running
from tests.logged import ExpectedLog

LONGEST = 400


@dataclass
class Tape:
    """A state that is the list of its tokens."""

    capacity: int
    tokens: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        return len(self.tokens)

    @length.setter
    def length(self, _value: int) -> None:
        raise AssertionError("a step reads tokens")

    def fork(self, capacity: int | None = None, *, ended: bool = False) -> Tape:
        return Tape(capacity or self.capacity, [*self.tokens])

    @property
    def parts(self) -> list[NDArray[Any]]:
        return [np.array(self.tokens)]


class TapeRecorder:
    """A decoder whose logits are a hash of all that was read, so that any wrong past shows."""

    kernels: Mapping[str, str] = MappingProxyType({})
    fingerprint = b"tape"

    def __init__(self, breaks: frozenset[int] = frozenset()) -> None:
        self.steps = self.read = 0
        self._breaks = breaks

    @property
    def config(self) -> ModelConfig:
        raise AssertionError("there is no disk")

    def new_state(self, capacity: int) -> Tape:
        return Tape(capacity)

    def state_bytes(self, length: int) -> int:
        return 8 * length

    def restore(self, length: int, memory: NDArray[np.uint8]) -> Tape:
        raise AssertionError("there is no disk")

    def step(self, readings: Sequence[Reading[Tape]]) -> list[NDArray[np.float32]]:
        assert readings
        self.steps += 1
        if self.steps in self._breaks:
            raise RuntimeError("broken")
        for reading in readings:
            reading.state.tokens += reading.tokens
            self.read += len(reading.tokens)
            assert reading.state.length <= reading.state.capacity
        return [_logits(reading.state.tokens)[: reading.last] for reading in readings]


def _logits(tokens: Sequence[int]) -> NDArray[np.float32]:
    digest = hashlib.sha256(repr(list(tokens)).encode()).digest()
    return np.frombuffer(digest, np.uint8).astype(np.float32)[None]


class Reader:
    """A job that reads one prompt, and is cancelled by itself after `patience` questions."""

    def __init__(self, decoder: TapeRecorder, prompt: Prompt, store: PrefixStore, patience: int) -> None:
        self.prefill = Prefill(decoder, prompt, len(prompt.tokens), store)
        self.asked, self.idle, self.memory = 0, 0, 0
        self.ended = threading.Event()
        self.scores: NDArray[Any] | None = None
        self.error: Exception | None = None
        self._decoder = decoder
        self._patience = patience
        self._step = -1

    @property
    def cancelled(self) -> bool:
        return self.asked >= self._patience

    def want(self) -> Reading[Any] | None:
        self.asked += 1
        self.idle = self.idle + 1 if self._decoder.steps == self._step else 0
        assert self.idle < 3, "turns go by without a step"
        self._step = self._decoder.steps
        return self.prefill.want()

    def take(self, logits: NDArray[Any]) -> bool:
        self.scores = self.prefill.take(logits)
        if self.scores is not None:
            self.prefill.keep()
        return self.scores is not None

    def fail(self, error: Exception) -> None:
        self.error = error

    def close(self) -> None:
        self.prefill.close()
        self.ended.set()


def run(decoder: TapeRecorder, jobs: Sequence[Reader], parallel: int) -> None:
    scheduler = Scheduler(parallel, len(jobs), decoder.step)
    for job in jobs:
        scheduler.submit(job)
    with running(scheduler):
        for job in jobs:
            assert job.ended.wait(10), "a job waits for ever"


TEXT = list(range(LONGEST))
borders = st.sets(st.integers(1, LONGEST), max_size=4)
prompt = st.tuples(st.integers(0, LONGEST), st.integers(1, LONGEST), borders, st.integers(1, 12))


@example([(0, 300, set(), 12)] * 3, 2, 1 << 20, frozenset({2}))
@settings(max_examples=60)
@given(
    st.lists(prompt, min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(0, 8 * LONGEST * 3),
    st.frozensets(st.integers(1, 20), max_size=2),
)
@pytest.mark.usefixtures("breaking")
def test_whoever_is_cancelled_or_breaks_the_others_are_right(
    prompts: list[tuple[int, int, set[int], int]], parallel: int, memory: int, breaks: frozenset[int]
):
    decoder = TapeRecorder(breaks)
    store = PrefixStore(decoder, "tape", memory)
    jobs, texts = [], []
    for shared, length, cuts, patience in prompts:
        texts.append((TEXT[:shared] + [token + 1000 * shared for token in TEXT])[:length])
        inside = tuple(sorted(cut for cut in cuts if cut < length))
        jobs.append(Reader(decoder, Prompt(texts[-1], inside), store, patience))
    run(decoder, jobs, parallel)
    for job, text in zip(jobs, texts, strict=True):
        if job.scores is not None:
            np.testing.assert_array_equal(job.scores, _logits(text)[0])
        assert job.scores is not None or job.cancelled or job.error is not None
        assert not isinstance(job.error, AssertionError), job.error
    assert not store.awaits(store.prefixes(TEXT, range(1, LONGEST), range(1, LONGEST)))


@pytest.fixture
def breaking(expected_log: ExpectedLog) -> None:
    expected_log("A generation failed")


def test_equal_prompts_are_read_once():
    decoder = TapeRecorder()
    store = PrefixStore(decoder, "tape", 1 << 20)
    jobs = [Reader(decoder, Prompt(TEXT), store, 1000) for _ in range(4)]
    run(decoder, jobs, 4)
    assert decoder.read == LONGEST
    assert sorted(job.prefill.cached for job in jobs) == [0, LONGEST, LONGEST, LONGEST]
    assert decoder.steps == 5
