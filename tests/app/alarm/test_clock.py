from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from app.alarm import clock as alarm_clock
from app.alarm.clock import Alarm
from app.core.clock import utc_now

Ring = Callable[[], Awaitable[float]]


def with_alarm(use: Callable[[Alarm, Ring], Awaitable[None]]) -> None:
    """Run `use` with an alarm and a way to wait for its next ring, which gives the seconds it took."""

    async def whole() -> None:
        rung = asyncio.Event()

        async def ring() -> float:
            rung.clear()
            started = time.monotonic()
            await asyncio.wait_for(rung.wait(), 10)
            return time.monotonic() - started

        alarm = Alarm(rung.set)
        try:
            await use(alarm, ring)
        finally:
            alarm.stop()

    asyncio.run(whole())


def test_it_rings_at_the_time_and_not_before() -> None:
    async def use(alarm: Alarm, ring: Ring) -> None:
        alarm.set(utc_now() + timedelta(seconds=0.3))
        assert 0.25 <= await ring() < 5

    with_alarm(use)


def test_a_time_that_has_passed_rings_at_once() -> None:
    async def use(alarm: Alarm, ring: Ring) -> None:
        alarm.set(utc_now() - timedelta(days=30))
        assert await ring() < 2

    with_alarm(use)


def test_the_last_time_set_counts_and_none_is_silence() -> None:
    async def use(alarm: Alarm, ring: Ring) -> None:
        alarm.set(utc_now() + timedelta(seconds=0.2))
        alarm.set(None)
        alarm.set(None)
        alarm.set(utc_now() + timedelta(hours=1))
        alarm.set(utc_now() + timedelta(seconds=0.6))
        assert await ring() >= 0.5

    with_alarm(use)


def test_it_looks_up_steadily_whatever_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept or whose clock jumped is noticed by this alone."""
    monkeypatch.setattr(alarm_clock, "STEADY_SECONDS", 0.2)

    async def use(alarm: Alarm, ring: Ring) -> None:
        alarm.set(utc_now() + timedelta(hours=1))
        assert await ring() < 5
        assert await ring() < 5

    with_alarm(use)
