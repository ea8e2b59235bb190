"""How long to wait before a step is tried again. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from publishers.errors import ErrorKind, PublishError

MOST_FAILURES = 12
"""Tries of one step before the creator is asked: with the waits below, about five hours."""

_FIRST = timedelta(seconds=20)
_LONGEST = timedelta(hours=1)
_SNOOZES = {ErrorKind.RATE, ErrorKind.QUOTA}


def counts_as_failure(error: PublishError) -> bool:
    """A platform that asks to wait does not burn a try."""
    return error.kind not in _SNOOZES


def next_try(error: PublishError, failures: int, now: datetime) -> datetime:
    """When to try again after the `failures`-th failure in a row: what the platform said, else doubling waits."""
    if error.retry_at is not None and error.retry_at > now:
        return error.retry_at
    wait: timedelta = min(_FIRST * 2 ** max(failures - 1, 0), _LONGEST)
    return now + wait
