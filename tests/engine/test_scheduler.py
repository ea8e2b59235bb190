"""Turns, bounds and cancellation, with jobs that only count."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scheduler import QueueFull, Scheduler
from tests.logged import ExpectedLog


class Counter:
    """A job of `steps` steps that writes its name down at each."""

    def __init__(self, name: str, steps: int, log: list[str], broken: bool = False) -> None:
        self.name, self.steps, self.log, self.broken = name, steps, log, broken
        self.cancelled = False
        self.closed = threading.Event()
        self.failure: Exception | None = None

    def step(self) -> bool:
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


def test_jobs_take_turns_and_the_rest_waits():
    log: list[str] = []
    run_all(Scheduler(parallel=2, waiting=5), [Counter("a", 3, log), Counter("b", 2, log), Counter("c", 1, log)])
    assert "".join(log) == "ababac" or "".join(log) == "ababca"


@given(st.lists(st.integers(1, 5), max_size=8), st.integers(1, 4))
def test_every_job_gets_all_its_steps_in_order_of_arrival(steps: list[int], parallel: int):
    log: list[str] = []
    jobs = [Counter(str(i), count, log) for i, count in enumerate(steps)]
    run_all(Scheduler(parallel, waiting=8), jobs)
    assert sorted(log) == sorted(str(i) for i, count in enumerate(steps) for _ in range(count))
    first_steps = list(dict.fromkeys(log))
    assert first_steps == sorted(first_steps, key=int)


def test_a_full_queue_refuses():
    scheduler = Scheduler(parallel=1, waiting=2)
    for name in "abc":
        scheduler.submit(Counter(name, 1, []))
    with pytest.raises(QueueFull):
        scheduler.submit(Counter("d", 1, []))


def test_a_cancelled_job_leaves_the_queue_at_once():
    scheduler = Scheduler(parallel=1, waiting=0)
    job = Counter("a", 1, [])
    scheduler.submit(job)
    job.cancelled = True
    scheduler.submit(Counter("b", 1, []))
    assert job.closed.is_set()


class CancelsItself(Counter):
    def step(self) -> bool:
        self.cancelled = True
        return super().step()


def test_a_running_job_that_is_cancelled_takes_no_further_step():
    log: list[str] = []
    run_all(Scheduler(parallel=1, waiting=1), [CancelsItself("a", 5, log), Counter("b", 1, log)])
    assert log == ["a", "b"]


def test_a_broken_job_is_told_and_does_not_end_the_others(expected_log: ExpectedLog):
    expected_log("A generation failed")
    log: list[str] = []
    broken, sound = Counter("a", 1, log, broken=True), Counter("b", 2, log)
    run_all(Scheduler(parallel=2, waiting=1), [broken, sound])
    assert isinstance(broken.failure, RuntimeError)
    assert sound.failure is None
