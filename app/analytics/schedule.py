"""When a publication is measured: often while it is young, then ever more rarely, then no more.

Everything here is a function of ages alone. A machine that slept, or whose clock jumped, takes one snapshot when it
is back and goes on with the next age of the series: what was missed is never made up for in a burst.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

DEFAULT_AGES = (
    timedelta(minutes=10),
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12)),
    *(timedelta(days=days) for days in range(1, 8)),
    *(timedelta(weeks=weeks) for weeks in range(2, 9)),
)
"""Ages of a publication at which it is measured where its platform names none of its own."""

SHORTEST_WAIT = timedelta(minutes=5)  # between two tries
LONGEST_WAIT = timedelta(days=31)  # a platform's "not before" beyond this is not believed (quotas are monthly at most)


def next_pull(published_at: datetime, now: datetime, ages: Sequence[timedelta] = ()) -> datetime | None:
    """The first age of the series that lies after `now`; None when the series is over.

    `ages` is the platform's own series (`Capabilities.metric_pulls`); empty means DEFAULT_AGES. The first pull of
    all is `next_pull(published_at, published_at, ages)`.
    """
    age = now - published_at
    later = [step for step in ages or DEFAULT_AGES if step > age]
    return published_at + min(later) if later else None


def retry_pull(
    published_at: datetime, now: datetime, ages: Sequence[timedelta] = (), not_before: datetime | None = None
) -> datetime:
    """When to ask again after a failure that may pass; always after `now`, never the end of the series.

    Without a word from the platform (`not_before`) the wait is a quarter of the publication's age, which makes waits
    grow by themselves, but no longer than to the next age of the series.
    """
    if not_before is not None:
        return min(max(not_before, now + SHORTEST_WAIT), now + LONGEST_WAIT)
    wait = now + max((now - published_at) / 4, SHORTEST_WAIT)
    planned = next_pull(published_at, now + SHORTEST_WAIT, ages)
    return min(wait, planned) if planned else wait
