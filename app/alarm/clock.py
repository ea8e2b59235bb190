"""APScheduler as an alarm clock and nothing more: what is due stands in the database alone.

The steady ring is what makes a machine that slept, or whose clock jumped, look again: APScheduler waits on the
monotonic clock, which stands still meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

STEADY_SECONDS = 30


class Alarm:
    """Calls `ring` in the running loop. Make it inside the loop."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        # The defaults would drop a ring that comes more than a second late.
        defaults = {"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        self._scheduler = AsyncIOScheduler(event_loop=asyncio.get_running_loop(), job_defaults=defaults, timezone="UTC")
        self._scheduler.add_job(self._sound, IntervalTrigger(seconds=STEADY_SECONDS), id="steady")
        self._scheduler.start()

    def set(self, at: datetime | None) -> None:
        """Ring at `at` (aware; past times ring at once) instead of at the time set before; None = steadily only."""
        if at is None:
            if self._scheduler.get_job("due"):
                self._scheduler.remove_job("due")
            return
        self._scheduler.add_job(self._sound, DateTrigger(at), id="due", replace_existing=True)

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)

    async def _sound(self) -> None:
        """A coroutine, so that APScheduler calls it in the loop and not in a thread of its own."""
        self._ring()
