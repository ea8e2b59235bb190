"""What results teach: leaderboards of models and prompts, and how each post did against its account's usual."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from app.ranking.leaderboard import By, Leaderboard, leaderboard
from app.ranking.uplift import Uplift, uplifts
from app.store.database import Store
from app.store.unit import Unit


class Ranking:
    """Reads every live publication's newest metrics; what is gone from its platform no longer counts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def models(self) -> Future[Leaderboard]:
        return self._board("model")

    def prompts(self) -> Future[Leaderboard]:
        return self._board("prompt")

    def content_scores(self) -> Future[Sequence[Uplift]]:
        """Every post's own uplift, the best first; posts that cannot be compared yet come last, newest first."""

        def read(unit: Unit) -> Sequence[Uplift]:
            scored = uplifts(unit.snapshots.results())
            scored.sort(key=lambda one: one.result.publication.published_at, reverse=True)
            return sorted(scored, key=lambda one: (one.value is None, -(one.value or 0.0)))

        return self._store.read(read)

    def _board(self, by: By) -> Future[Leaderboard]:
        return self._store.read(lambda unit: leaderboard(unit.snapshots.results(), by))
