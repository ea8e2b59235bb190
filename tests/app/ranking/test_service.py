"""The last arrows of the main flow: publications, pulls, snapshots, leaderboards, in a real store."""

from __future__ import annotations

import asyncio

from app.analytics.pulls import Pulls
from app.core.words import Provenance
from app.ranking.service import Ranking
from app.store.database import Store
from publishers.api import Gone, Metrics
from tests.app.analytics.published import Telling, accounts_of, connected, published
from tests.app.conftest import MovingClock


def test_results_change_the_leaderboards(store: Store, clock: MovingClock) -> None:
    echo = Telling()
    pulls = Pulls(store, accounts_of(store, clock, lambda _: echo), clock, lambda _: echo)
    ranking = Ranking(store)
    owner = connected(store)
    live = []
    for number in range(12):
        model, reactions = ("granite", 400) if number % 2 else ("starter", 10)
        (publication,) = published(store, owner, by=Provenance(model=model, prompt_version=f"{model}/1"))
        echo.knows[publication.remote_id] = Metrics(reactions=reactions + number)
        live.append(publication)
    assert ranking.models().result().rows == ()
    clock.move(minutes=10)
    asyncio.run(pulls.pull_due())
    early = ranking.models().result()
    assert {row.key: (row.n, row.waiting) for row in early.rows} == {"granite": (0, 6), "starter": (0, 6)}
    clock.move(hours=1)
    asyncio.run(pulls.pull_due())
    board = ranking.models().result()
    assert [(row.key, row.n, row.enough) for row in board.rows] == [("granite", 6, True), ("starter", 6, True)]
    assert board.best == "granite"
    assert [row.key for row in ranking.prompts().result().rows] == ["granite/1", "starter/1"]
    scores = ranking.content_scores().result()
    assert [score.result.provenance.model for score in scores] == ["granite"] * 6 + ["starter"] * 6
    assert scores[0].result.metrics.reactions == 411
    # What the platform no longer has leaves the ranking.
    for publication in live[1::2]:
        echo.knows[publication.remote_id] = Gone()
    clock.move(hours=3)
    asyncio.run(pulls.pull_due())
    assert [(row.key, row.n) for row in ranking.models().result().rows] == [("starter", 6)]
