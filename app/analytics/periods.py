"""Totals over periods: what the posts of a period brought, each sum with the number of posts behind it.

A period holds the publications that went out in it, each with its newest metrics. `n` counts only the publications
whose platform tells the metric: not told is not zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from app.store.repositories.results import Result
from publishers.api import Metrics

METRICS = tuple(field.name for field in fields(Metrics) if field.name != "raw")
GROWN = timedelta(days=7)  # most of what a post brings it has brought by then

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of one metric; None where no publication tells it."""

    value: int | None = None
    n: int = 0

    @property
    def per_post(self) -> float | None:
        return None if self.value is None else self.value / self.n


@dataclass(frozen=True, slots=True)
class Totals:
    """What some publications brought. `growing` of them were younger than GROWN when they were last measured, so
    that their numbers will still rise."""

    posts: int
    growing: int
    metrics: Mapping[str, Total]  # every name of METRICS


@dataclass(frozen=True, slots=True)
class Comparison:
    """A period and the equally long one before it. A change is relative (0.25 = a quarter more)."""

    now: Totals
    before: Totals
    changes: Mapping[str, float | None]


def totals(results: Iterable[Result]) -> Totals:
    """Sum every metric over the publications that tell it."""
    counted = list(results)
    growing = sum(result.taken_at - result.publication.published_at < GROWN for result in counted)
    return Totals(len(counted), growing, {name: _total(counted, name) for name in METRICS})


def within(results: Iterable[Result], start: datetime, end: datetime) -> list[Result]:
    """Those published from `start` on and before `end` (both aware)."""
    return [result for result in results if start <= result.publication.published_at < end]


def compare(results: Iterable[Result], start: datetime, end: datetime) -> Comparison:
    """The period from `start` to `end` beside the one of the same length before it."""
    known = list(results)
    now = totals(within(known, start, end))
    before = totals(within(known, start - (end - start), start))
    return Comparison(now, before, {name: change(now.metrics[name], before.metrics[name]) for name in METRICS})


def change(now: Total, before: Total) -> float | None:
    """The relative change; None where either period tells nothing or the earlier one is zero."""
    if now.value is None or not before.value:
        return None
    return now.value / before.value - 1


def grouped(results: Iterable[Result], key: Callable[[Result], Key]) -> dict[Key, Totals]:
    """Totals by platform, weekday… (the functions below), in the order of the keys' first publications."""
    groups: defaultdict[Key, list[Result]] = defaultdict(list)
    for result in results:
        groups[key(result)].append(result)
    return {name: totals(members) for name, members in groups.items()}


def platform(result: Result) -> str:
    return result.channel.platform


def weekday(zone: ZoneInfo) -> Callable[[Result], int]:
    """Monday = 0, on the wall calendar of `zone`."""
    return lambda result: result.publication.published_at.astimezone(zone).weekday()


def hour(zone: ZoneInfo) -> Callable[[Result], int]:
    """0 to 23, on the wall clock of `zone`."""
    return lambda result: result.publication.published_at.astimezone(zone).hour


def best_posts(results: Iterable[Result], metric: str, limit: int = 10) -> Sequence[Result]:
    """Those with most of `metric` (one of METRICS), the newer first where equal; untold ones are left out."""
    told = [result for result in results if getattr(result.metrics, metric) is not None]
    told.sort(key=lambda result: (getattr(result.metrics, metric), result.publication.published_at), reverse=True)
    return told[:limit]


def _total(results: Sequence[Result], name: str) -> Total:
    told = [value for result in results if (value := getattr(result.metrics, name)) is not None]
    return Total(sum(told), len(told)) if told else Total()
