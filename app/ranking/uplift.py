"""Uplift: how far a publication's engagement lies from what its account usually gets.

    uplift = log(1 + engagement) - median of log(1 + engagement) over its peers

The peers are the account's other publications in the same format, counted from the same metrics, of the same age
class, published within PEER_WINDOW before or after: so an account is compared with itself alone, a young post with
young posts, and an audience that grew over the years plays no part. The publication itself is left out, or it would
pull the median towards itself. On this scale 0 is as usual, 0.41 half as much again, -0.69 half.

Age is handled simply: the newest snapshot counts, and its age falls into a class (AGE_CLASSES).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.core.ids import Id
from app.ranking.engagement import engagement
from app.store.repositories.results import Result

AGE_CLASSES = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 3 * 24, 7 * 24))
"""Lower ends. Below the first a publication is too young to say anything; the last class has no upper end."""

PEER_WINDOW = timedelta(days=90)
FEWEST_PEERS = 3  # the median of fewer says nothing about what is usual

_Peers = tuple[Id, str, tuple[str, ...], int]  # account, channel, basis, age class


@dataclass(frozen=True, slots=True)
class Uplift:
    """One publication against its peers; `value` is None while there are fewer than FEWEST_PEERS of them."""

    result: Result
    value: float | None = None
    peers: int = 0


def uplifts(results: Sequence[Result]) -> list[Uplift]:
    """The uplift of every publication, in the order given."""
    groups: defaultdict[_Peers, list[tuple[Result, int]]] = defaultdict(list)
    for result in results:
        counted = engagement(result.metrics)
        age_class = bisect_right(AGE_CLASSES, result.taken_at - result.publication.published_at)
        if counted is not None and age_class > 0:
            key = (result.publication.account_id, str(result.channel), counted.basis, age_class)
            groups[key].append((result, counted.value))
    found: dict[Id, Uplift] = {}
    for group in groups.values():
        found |= {uplift.result.publication.id: uplift for uplift in _within(group)}
    return [found.get(result.publication.id, Uplift(result)) for result in results]


def _within(group: list[tuple[Result, int]]) -> list[Uplift]:
    import numpy as np  # a window starts without it

    group.sort(key=lambda pair: pair[0].publication.published_at)
    times = [result.publication.published_at for result, _ in group]
    logs = np.log1p(np.array([value for _, value in group], dtype=np.float64))
    compared = []
    for index, (result, _) in enumerate(group):
        first = bisect_left(times, times[index] - PEER_WINDOW)
        last = bisect_right(times, times[index] + PEER_WINDOW)
        peers = np.concatenate((logs[first:index], logs[index + 1 : last]))
        enough = len(peers) >= FEWEST_PEERS
        compared.append(Uplift(result, float(logs[index] - np.median(peers)) if enough else None, len(peers)))
    return compared
