"""Faults on request: what a loopback server does instead of, before or after answering one call properly."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from enum import StrEnum

from publishers.testing.wire import Answer


class FaultKind(StrEnum):
    """The ways a call goes wrong. The first group never reaches the platform, the second does."""

    RESET = "reset"  # the whole request is read, then the connection is reset and nothing is done
    CUT_UPLOAD = "cut_upload"  # the connection is reset when half of the body has been read
    ANSWER = "answer"  # the given answer, nothing done
    RATE = "rate"  # 429 with Retry-After
    DOWN = "down"  # 503, nothing done
    ECHO = "echo"  # 400 whose body repeats the request's headers and body: a platform that leaks secrets

    DROP_ANSWER = "drop_answer"  # done, then the connection is closed without an answer
    DOWN_AFTER = "down_after"  # done, then 500
    SLOW = "slow"  # done, answered after `seconds`


@dataclass(frozen=True, slots=True)
class Route:
    """Which calls a fault strikes: methods as a regular expression, the path (without query) likewise."""

    method: str
    path: str

    def matches(self, method: str, path: str) -> bool:
        return bool(re.fullmatch(self.method, method) and re.search(self.path, path))


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong. `skip` calls pass first, then `times` are struck."""

    kind: FaultKind
    seconds: int = 0  # of Retry-After, or of slowness
    skip: int = 0
    times: int = 1
    answer: Answer | None = None  # of FaultKind.ANSWER


class FaultBoard:
    """The faults a server still has to play; safe to use from the test while the server runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Route, Fault, int]] = []  # with the number of matching calls seen
        self.struck = 0  # how many calls have been struck so far

    def add(self, route: Route, fault: Fault) -> None:
        """Strike the calls of `route` from now on."""
        with self._lock:
            self._waiting.append((route, fault, 0))

    def clear(self) -> None:
        """Heal everything."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this call, if any."""
        with self._lock:
            for index, (route, fault, seen) in enumerate(self._waiting):
                if not route.matches(method, path):
                    continue
                seen += 1
                self._waiting[index] = (route, fault, seen)
                if seen <= fault.skip:
                    continue
                if seen >= fault.skip + fault.times:
                    del self._waiting[index]
                self.struck += 1
                return fault
        return None
