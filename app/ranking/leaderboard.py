"""Leaderboards: models or prompts in the order of what their posts did, and only as much said as is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.ranking.posterior import Posterior, posteriors, probability_best
from app.ranking.uplift import Uplift, uplifts
from app.store.repositories.results import Result

By = Literal["model", "prompt"]

ENOUGH = 5  # posts that could be compared, before a row says anything
SURE = 0.975  # probability of being best from which a row is called the best; why: docs/ranking.md
BY_HAND = "written by hand"
NOT_ENOUGH = "not enough data yet"


@dataclass(frozen=True, slots=True)
class Row:
    """One model or prompt. uplift, low and high are on the log scale of app.ranking.uplift (0 = as usual);
    low and high hold the true uplift with 90 % probability."""

    key: str  # model id or prompt version; "" = written by hand
    label: str
    n: int  # posts that were compared
    waiting: int  # posts that cannot be compared yet: too young, too few others, or nothing told
    uplift: float
    low: float
    high: float
    probability_best: float | None  # among the rows that have enough; None where fewer than two have
    enough: bool

    @property
    def verdict(self) -> str:
        """What may be said of this row alone, in words."""
        if not self.enough:
            return NOT_ENOUGH
        if self.low > 0:
            return "better than usual"
        return "weaker than usual" if self.high < 0 else "about as usual"

    @property
    def factor(self) -> float:
        """The uplift as a multiple of the usual: 1.5 = half as much again."""
        return factor(self.uplift)


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """`best` is the key of the row that is best beyond doubt, else None; `note` says it in one sentence."""

    rows: tuple[Row, ...]  # those with enough first, the best on top; then by posts
    best: str | None
    note: str


def leaderboard(results: Sequence[Result], by: By) -> Leaderboard:
    """Rank the models or the prompts behind these publications."""
    groups: dict[str, list[Uplift]] = {}
    for uplift in uplifts(results):
        groups.setdefault(_key(uplift.result, by), []).append(uplift)
    values = {key: [one.value for one in members if one.value is not None] for key, members in groups.items()}
    found = posteriors(values)
    chances = probability_best({key: one for key, one in found.items() if one.n >= ENOUGH})
    if len(chances) < 2:
        chances = {}
    rows = [_row(key, one, len(groups[key]) - one.n, chances.get(key)) for key, one in found.items()]
    rows.sort(key=lambda row: (not row.enough, -row.uplift if row.enough else -row.n, row.label))
    best = max(chances, key=lambda key: chances[key], default=None)
    if best is not None and chances[best] < SURE:
        best = None
    return Leaderboard(tuple(rows), best, _note(rows, best, by))


def factor(uplift: float) -> float:
    """A number of the log scale as a multiple of the usual."""
    from math import exp

    return exp(uplift)


def _key(result: Result, by: By) -> str:
    if not result.provenance.model:
        return ""
    return result.provenance.model if by == "model" else result.provenance.prompt_version


def _row(key: str, found: Posterior, waiting: int, chance: float | None) -> Row:
    low, high = found.interval()
    return Row(key, key or BY_HAND, found.n, waiting, found.mean, low, high, chance, found.n >= ENOUGH)


def _note(rows: Sequence[Row], best: str | None, by: By) -> str:
    if not rows:
        return "Nothing was measured yet: publish a post and its results come here."
    if best is not None:
        chosen = next(row for row in rows if row.key == best)
        chance = min(chosen.probability_best or 0.0, 0.99)  # a sample of draws proves no certainty
        sure = "over 99 %" if chance == 0.99 else f"{chance * 100:.0f} %"
        return f"{chosen.label} is the best {by} with {sure} probability."
    if all(not row.enough for row in rows):
        return f"Not enough data yet: a {by} needs {ENOUGH} posts that can be compared with others of their account."
    if sum(row.enough for row in rows) < 2:
        return f"Not enough data yet: only one {by} has {ENOUGH} posts that can be compared."
    return f"Not enough data yet to say which {by} is best."
