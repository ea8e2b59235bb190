"""Whose turn it is. Pure Python: it knows jobs that can take a step, not models."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Protocol

logger = logging.getLogger(__name__)


class QueueFull(Exception):
    """As many jobs wait as may wait."""


class Job(Protocol):
    """One sequence. `step` is called by the scheduler's thread alone."""

    @property
    def cancelled(self) -> bool: ...

    def step(self) -> bool:
        """Do one bounded piece of work; True when there is no more."""

    def fail(self, error: Exception) -> None:
        """The step raised `error`: tell whoever waits."""

    def close(self) -> None:
        """Free what the job holds; called once, at its end, however it ends."""


class Scheduler:
    """At most `parallel` jobs take steps in turn, at most `waiting` more wait, first come first served.

    A cancelled job is closed before its next step, so a cancellation costs at most one step.
    """

    def __init__(self, parallel: int, waiting: int) -> None:
        self._parallel = parallel
        self._limit = waiting
        self._waiting: deque[Job] = deque()
        self._running: deque[Job] = deque()
        self._changed = threading.Condition()
        self._stopping = False

    def submit(self, job: Job) -> None:
        """Queue a job; raises QueueFull."""
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
        while (job := self._next()) is not None:
            done = True
            try:
                done = job.step()
            except Exception as error:  # the worker's border: one broken job must not end the others
                logger.exception("A generation failed")
                job.fail(error)
            with self._changed:
                if done:
                    self._running.remove(job)
            if done:
                job.close()

    def _next(self) -> Job | None:
        with self._changed:
            while not self._stopping:
                self._drop_cancelled(self._waiting)
                self._drop_cancelled(self._running)
                while self._waiting and len(self._running) < self._parallel:
                    self._running.append(self._waiting.popleft())
                if self._running:
                    self._running.rotate(-1)
                    return self._running[-1]
                self._changed.wait()
            return None

    @staticmethod
    def _drop_cancelled(jobs: deque[Job]) -> None:
        for job in [job for job in jobs if job.cancelled]:
            jobs.remove(job)
            job.close()
