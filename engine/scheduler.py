"""Whose turn it is. Jobs that run read together: one step of the model serves them all.

Pure Python: it knows jobs that want to read, not models. A job's numbers do not depend on who reads beside it
(engine.reading), so the scheduler may put together whatever is there.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from numpy.typing import NDArray

from engine.reading import STEP_TOKENS, Reading

logger = logging.getLogger(__name__)


Step = Callable[[Sequence[Reading[Any]]], Sequence[NDArray[Any]]]


class QueueFull(Exception):
    """As many jobs wait as may wait."""


class TooLarge(Exception):
    """The job alone needs more memory than there is for all."""


class Job(Protocol):
    """One sequence; its methods are called by the scheduler's thread alone, `cancelled` by any."""

    @property
    def cancelled(self) -> bool: ...

    @property
    def memory(self) -> int:
        """The most bytes that its state may take."""

    def want(self) -> Reading[Any] | None:
        """What it reads next, of STEP_TOKENS at most; asked again if it had to wait.

        None: another running job reads what it needs, and it sits this step out. Of those that run, one always reads.
        """

    def take(self, logits: NDArray[Any]) -> bool:
        """What the step gave for it; True when there is no more to do."""

    def fail(self, error: Exception) -> None:
        """Its work raised `error`: tell whoever waits."""

    def close(self) -> None:
        """Free what the job holds; called once, at its end, however it ends."""


class Scheduler:
    """At most `parallel` jobs run together, at most `waiting` more wait, first come first served.

    Together those that run may take `memory` bytes: the next one waits until there is room for all it may need, so that
    no answer breaks off for want of memory. None: no bound.

    A cancelled job is closed before the next step, so a cancellation costs at most one step.
    """

    def __init__(self, parallel: int, waiting: int, step: Step, memory: int | None = None) -> None:
        self.memory = memory
        self._step = step
        self._parallel = parallel
        self._limit = waiting
        self._waiting: deque[Job] = deque()
        self._running: deque[Job] = deque()
        self._served: set[Job] = set()  # in the last step
        self._changed = threading.Condition()
        self._stopping = False

    def submit(self, job: Job) -> None:
        """Queue a job; raises QueueFull and TooLarge."""
        if self.memory is not None and job.memory > self.memory:
            raise TooLarge
        with self._changed:
            self._drop_cancelled(self._waiting)
            if not self._room(1):
                raise QueueFull
            self._waiting.append(job)
            self._changed.notify()

    def has_room(self, count: int) -> bool:
        """Whether so many more jobs could be queued now."""
        with self._changed:
            self._drop_cancelled(self._waiting)
            return self._room(count)

    def _room(self, count: int) -> bool:
        free = self._parallel - sum(not job.cancelled for job in self._running)
        return len(self._waiting) + count <= self._limit + free

    @property
    def load(self) -> tuple[int, int]:
        """How many jobs run and how many wait."""
        with self._changed:
            return len(self._running), len(self._waiting)

    def stop(self) -> None:
        """Make `run` return after the step it is in."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        """Take steps until `stop`; sleep while there is nothing to do."""
        while (jobs := self._turn()) is not None:
            readings: dict[Job, Reading[Any]] = {}
            room = STEP_TOKENS
            for job in jobs:
                with self._ending_where_it_breaks(job):
                    reading = job.want()
                    if reading is not None and len(reading.tokens) <= room:
                        readings[job] = reading
                        room -= len(reading.tokens)
            self._served = set(readings)
            if not readings:  # all that had something to read broke
                continue
            with self._ending_where_it_breaks(*readings):
                for job, logits in zip(readings, self._step(list(readings.values())), strict=True):
                    with self._ending_where_it_breaks(job):
                        if job.take(logits):
                            self._end(job)

    @contextmanager
    def _ending_where_it_breaks(self, *jobs: Job) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the worker's border: one broken job must not end the others
            logger.exception("A generation failed")
            for job in jobs:
                job.fail(error)
                self._end(job)

    def _end(self, job: Job) -> None:
        with self._changed:
            self._running.remove(job)
        job.close()

    def _turn(self) -> list[Job] | None:
        """The running jobs, those first that had to wait in the last step. None: stop."""
        with self._changed:
            while not self._stopping:
                self._drop_cancelled(self._waiting)
                self._drop_cancelled(self._running)
                self._running = deque(sorted(self._running, key=self._served.__contains__))
                while self._waiting and len(self._running) < self._parallel and self._fits(self._waiting[0]):
                    self._running.append(self._waiting.popleft())
                if self._running:
                    return list(self._running)
                self._changed.wait()
            return None

    def _fits(self, job: Job) -> bool:
        return self.memory is None or job.memory + sum(other.memory for other in self._running) <= self.memory

    @staticmethod
    def _drop_cancelled(jobs: deque[Job]) -> None:
        for job in [job for job in jobs if job.cancelled]:
            jobs.remove(job)
            job.close()
