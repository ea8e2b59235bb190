"""Steps, bounds and cancellation, with jobs that only count."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.reading import STEP_TOKENS, Reading
from engine.scheduler import QueueFull, Scheduler, TooLarge
from tests.logged import ExpectedLog


class Place:
    """A state that nothing is read into."""

    length, capacity = 0, 1

    def __init__(self, memory: int) -> None:
        self.memory = memory

    def fork(self) -> Place:
        return self


class Counter:
    """A job of `steps` steps that writes its name down at each, reading `tokens` tokens."""

    def __init__(
        self, name: str, steps: int, log: list[str], *, broken: bool = False, tokens: int = 1, memory: int = 1
    ) -> None:
        self.name, self.steps, self.log, self.broken, self.tokens = name, steps, log, broken, tokens
        self.memory = memory
        self.cancelled = False
        self.closed = threading.Event()
        self.failure: Exception | None = None

    def want(self) -> Reading[Place]:
        assert not self.closed.is_set()
        return Reading(Place(self.memory), [0] * self.tokens)

    def take(self, logits: np.ndarray) -> bool:
        assert not self.closed.is_set()
        self.log.append(self.name)
        if self.broken:
            raise RuntimeError("broken")
        self.steps -= 1
        return self.steps == 0

    def fail(self, error: Exception) -> None:
        self.failure = error

    def close(self) -> None:
        assert not self.closed.is_set(), "closed twice"
        self.closed.set()


@contextmanager
def running(scheduler: Scheduler) -> Iterator[None]:
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        yield
    finally:
        scheduler.stop()
        thread.join(10)


def run_all(scheduler: Scheduler, jobs: list[Counter]) -> None:
    for job in jobs:
        scheduler.submit(job)
    with running(scheduler):
        for job in jobs:
            assert job.closed.wait(10)


def nothing(readings: Sequence[Reading[Any]]) -> list[np.ndarray]:
    """A step of no model."""
    return [np.zeros((reading.last, 1)) for reading in readings]


def test_jobs_read_together_and_the_rest_waits():
    log: list[str] = []
    steps: list[int] = []

    def step(readings: Sequence[Reading[Any]]) -> list[np.ndarray]:
        steps.append(len(readings))
        return nothing(readings)

    jobs = [Counter("a", 3, log), Counter("b", 2, log), Counter("c", 1, log)]
    run_all(Scheduler(2, 5, step), jobs)
    assert steps == [2, 2, 2]
    assert sorted(log[4:]) == ["a", "c"]


def test_what_is_too_much_for_one_step_comes_first_in_the_next():
    log: list[str] = []
    jobs = [Counter(name, 2, log, tokens=STEP_TOKENS - 1) for name in "abc"] + [Counter("d", 2, log)]
    run_all(Scheduler(4, 4, nothing), jobs)
    assert sorted(log) == sorted("abcd" * 2)
    assert set(log[:4]) == set("abd") or set(log[:5]) == set("abcd")


def test_a_step_that_breaks_ends_those_who_took_part(expected_log: ExpectedLog):
    expected_log("A generation failed")

    def step(_readings: Sequence[Reading[Any]]) -> list[np.ndarray]:
        raise MemoryError

    job = Counter("a", 1, [])
    run_all(Scheduler(1, 1, step), [job])
    assert isinstance(job.failure, MemoryError)


@given(st.lists(st.integers(1, 5), max_size=8), st.integers(1, 4))
def test_every_job_gets_all_its_steps_in_order_of_arrival(steps: list[int], parallel: int):
    log: list[str] = []
    jobs = [Counter(str(i), count, log) for i, count in enumerate(steps)]
    run_all(Scheduler(parallel, 8, nothing), jobs)
    assert sorted(log) == sorted(str(i) for i, count in enumerate(steps) for _ in range(count))
    first_steps = list(dict.fromkeys(log))
    assert first_steps == sorted(first_steps, key=int)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 10)), max_size=8), st.integers(1, 4))
def test_those_that_run_together_fit_into_memory(jobs: list[tuple[int, int]], parallel: int):
    taken: list[int] = []

    def step(readings: Sequence[Reading[Any]]) -> list[np.ndarray]:
        taken.append(sum(reading.state.memory for reading in readings))
        return nothing(readings)

    log: list[str] = []
    counters = [Counter(str(i), steps, log, memory=memory) for i, (steps, memory) in enumerate(jobs)]
    run_all(Scheduler(parallel, 8, step, memory=10), counters)
    assert max(taken, default=0) <= 10
    assert len(log) == sum(steps for steps, _ in jobs)


def test_what_can_never_fit_is_refused_at_once():
    scheduler = Scheduler(1, 1, nothing, memory=10)
    with pytest.raises(TooLarge):
        scheduler.submit(Counter("a", 1, [], memory=11))
    run_all(scheduler, [Counter("b", 1, [], memory=10)])


def test_a_full_queue_refuses():
    scheduler = Scheduler(1, 2, nothing)
    for name in "abc":
        scheduler.submit(Counter(name, 1, []))
    with pytest.raises(QueueFull):
        scheduler.submit(Counter("d", 1, []))


def test_a_cancelled_job_leaves_the_queue_at_once():
    scheduler = Scheduler(1, 0, nothing)
    job = Counter("a", 1, [])
    scheduler.submit(job)
    job.cancelled = True
    scheduler.submit(Counter("b", 1, []))
    assert job.closed.is_set()


class CancelsItself(Counter):
    def take(self, logits: np.ndarray) -> bool:
        self.cancelled = True
        return super().take(logits)


def test_a_running_job_that_is_cancelled_takes_no_further_step():
    log: list[str] = []
    run_all(Scheduler(1, 1, nothing), [CancelsItself("a", 5, log), Counter("b", 1, log)])
    assert log == ["a", "b"]


def test_a_broken_job_is_told_and_does_not_end_the_others(expected_log: ExpectedLog):
    expected_log("A generation failed")
    log: list[str] = []
    broken, sound = Counter("a", 1, log, broken=True), Counter("b", 2, log)
    run_all(Scheduler(2, 1, nothing), [broken, sound])
    assert isinstance(broken.failure, RuntimeError)
    assert sound.failure is None
