"""Ids like X's: milliseconds since its own epoch, then a counter, so that they sort by time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)


class Snowflakes:
    """Gives each id once."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = 0

    def new(self) -> str:
        milliseconds = int((self._now() - _EPOCH).total_seconds() * 1000)
        self._last = max(milliseconds << 22, self._last + 1)
        return str(self._last)
