"""What Insights asks: a period beside the one before it, by platform, weekday and hour, and one post's curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from app.analytics import periods
from app.core.clock import load_zone
from app.core.ids import Id
from app.core.words import Snapshot
from app.store.database import Store
from app.store.repositories.results import Result
from app.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Overview:
    """One period of all accounts. Weekdays (Monday = 0) and hours are on the wall clock of the asked zone."""

    start: datetime
    end: datetime
    comparison: periods.Comparison
    platforms: Mapping[str, periods.Totals]
    weekdays: Mapping[int, periods.Totals]
    hours: Mapping[int, periods.Totals]
    results: Sequence[Result]  # of the period, oldest first


class Analytics:
    """Reads what was measured."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def overview(self, start: datetime, end: datetime, zone: str) -> Future[Overview]:
        """The period from `start` to `end` (aware). Raises WrongUsage for an unknown `zone`."""
        wall = load_zone(zone)

        def read(unit: Unit) -> Overview:
            known = unit.snapshots.results(since=start - (end - start))
            results = periods.within(known, start, end)
            return Overview(
                start,
                end,
                periods.compare(known, start, end),
                periods.grouped(results, periods.platform),
                periods.grouped(results, periods.weekday(wall)),
                periods.grouped(results, periods.hour(wall)),
                results,
            )

        return self._store.read(read)

    def curve(self, publication_id: Id) -> Future[Sequence[Snapshot]]:
        """Every snapshot of one publication, oldest first."""
        return self._store.read(lambda unit: unit.snapshots.curve(publication_id))
