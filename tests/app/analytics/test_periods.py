from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.analytics.periods import METRICS, Total, best_posts, change, compare, grouped, hour, platform, totals, weekday
from app.analytics.service import Analytics
from app.core.errors import WrongUsage
from app.core.ids import new_id
from app.core.words import Channel, Provenance, Publication, Snapshot
from app.store.database import Store
from app.store.repositories.results import Result
from publishers.api import Metrics
from tests.app.analytics.published import connected, published
from tests.app.samples import NOON

DAY = timedelta(days=1)


def result(days: float = 0, *, on: str = "x", age: timedelta = 8 * DAY, **numbers: Any) -> Result:
    at = NOON + timedelta(days=days)
    publication = Publication(new_id(), new_id(), new_id(), "account", new_id(), "", at)
    return Result(publication, Channel(on, "post"), at + age, Metrics(**numbers), Provenance(), "")


def test_n_counts_only_who_tells() -> None:
    summed = totals([result(views=4, reactions=0), result(views=6), result(shares=1, age=DAY)])
    assert (summed.posts, summed.growing) == (3, 1)
    assert summed.metrics["views"] == Total(10, 2)
    assert summed.metrics["views"].per_post == 5
    assert summed.metrics["reactions"] == Total(0, 1)
    assert summed.metrics["saves"] == Total(None, 0)
    assert summed.metrics["saves"].per_post is None


def test_change_is_real_or_none() -> None:
    assert change(Total(150, 3), Total(100, 2)) == 0.5
    assert change(Total(0, 1), Total(10, 1)) == -1
    assert change(Total(10, 1), Total(0, 4)) is None
    assert change(Total(10, 1), Total()) is None
    assert change(Total(), Total(10, 1)) is None


def test_a_period_is_compared_with_the_one_before_it() -> None:
    known = [result(-8, views=1000), result(-7, views=10), result(-0.01, views=10), result(0, views=30), result(7)]
    compared = compare(known, NOON, NOON + 7 * DAY)
    assert compared.now.metrics["views"] == Total(30, 1)
    assert compared.before.metrics["views"] == Total(20, 2)
    assert compared.changes["views"] == 0.5
    assert compared.changes["clicks"] is None
    assert set(compared.changes) == set(METRICS)


@given(st.lists(st.tuples(st.integers(-20, 20), st.none() | st.integers(0, 10**6)), max_size=30))
def test_groups_hold_every_post_once(rows) -> None:
    results = [result(days, **({} if views is None else {"views": views})) for days, views in rows]
    groups = grouped(results, weekday(ZoneInfo("UTC")))
    assert sum(group.posts for group in groups.values()) == len(results)
    told = [views for _, views in rows if views is not None]
    assert sum(group.metrics["views"].value or 0 for group in groups.values()) == sum(told)
    assert sum(group.metrics["views"].n for group in groups.values()) == len(told)


def test_weekday_and_hour_are_those_of_the_creators_wall() -> None:
    late = result(11 / 24 + 0.01)  # Monday 23:14 in London is Tuesday morning in Shanghai
    assert (weekday(ZoneInfo("Europe/London"))(late), hour(ZoneInfo("Europe/London"))(late)) == (0, 23)
    assert (weekday(ZoneInfo("Asia/Shanghai"))(late), hour(ZoneInfo("Asia/Shanghai"))(late)) == (1, 7)
    assert set(grouped([late, result(on="bluesky")], platform)) == {"x", "bluesky"}


def test_the_best_posts_are_those_that_tell() -> None:
    few, newer, many, untold = result(views=1), result(1, views=1), result(views=9), result(reactions=99)
    assert best_posts([few, newer, many, untold], "views") == [many, newer, few]
    assert best_posts([few, newer, many], "views", limit=1) == [many]


def test_an_overview_reads_the_store(store: Store) -> None:
    owner = connected(store)
    for days, views in ((-1, 50), (0, 60), (1, None)):
        (publication,) = published(store, owner, at=NOON + days * DAY)
        for hours, share in ((1, 0.5), (30, 1)):
            metrics = Metrics(views=None if views is None else int(views * share))
            snapshot = Snapshot(publication.id, publication.published_at + timedelta(hours=hours), metrics)
            store.write(lambda unit, snapshot=snapshot: unit.snapshots.add(snapshot)).result()
    analytics = Analytics(store)
    overview = analytics.overview(NOON, NOON + 2 * DAY, "Europe/Berlin").result()
    assert overview.comparison.now.metrics["views"] == Total(60, 1)
    assert overview.comparison.changes["views"] == pytest.approx(0.2)
    assert [one.publication.published_at for one in overview.results] == [NOON, NOON + DAY]
    assert {key: group.posts for key, group in overview.hours.items()} == {13: 2}
    assert set(overview.weekdays) == {0, 1}
    assert [snapshot.age for snapshot in analytics.curve(publication.id).result()] == [DAY / 24, DAY * 1.25]
    with pytest.raises(WrongUsage):
        analytics.overview(NOON, NOON + DAY, "Mars/Olympus")
