from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ranking.engagement import Engagement, engagement
from app.ranking.uplift import FEWEST_PEERS, uplifts
from publishers.api import Metrics
from tests.app.ranking.creators import result

counts = st.none() | st.integers(0, 10**9)


def test_acts_count_and_views_only_where_nothing_else_is_told() -> None:
    assert engagement(Metrics(views=900, reactions=3, shares=0)) == Engagement(3, ("reactions", "shares"))
    assert engagement(Metrics(views=900)) == Engagement(900, ("views",))
    assert engagement(Metrics(views=0)) == Engagement(0, ("views",))
    assert engagement(Metrics(reach=5, watch_seconds=70)) is None


def test_a_post_is_compared_with_the_median_of_the_others() -> None:
    results = [result(Metrics(reactions=count), days=day) for day, count in enumerate((9, 99, 19, 39, 0))]
    found = uplifts(results)
    assert [one.result for one in found] == results
    assert found[1].value == pytest.approx(math.log(100) - (math.log(10) + math.log(20)) / 2)
    assert found[4].value == pytest.approx(-(math.log(20) + math.log(40)) / 2)
    assert {one.peers for one in found} == {4}


@given(st.lists(st.integers(0, 10**6), min_size=FEWEST_PEERS + 1, max_size=12))
def test_uplift_is_the_leave_one_out_median_at_any_size(numbers: list[int]) -> None:
    for index, one in enumerate(uplifts([result(Metrics(views=number)) for number in numbers])):
        others = np.log1p(numbers[:index] + numbers[index + 1 :])
        assert one.value == pytest.approx(math.log1p(numbers[index]) - float(np.median(others)), abs=1e-9)


def test_few_others_give_no_uplift() -> None:
    for size in range(1, FEWEST_PEERS + 1):
        found = uplifts([result(Metrics(views=5)) for _ in range(size)])
        assert [one.value for one in found] == [None] * size


@pytest.mark.parametrize(
    "stranger",
    [
        {"account": "another"},
        {"channel": "bluesky/post"},
        {"channel": "x/thread"},
        {"age": timedelta(days=2)},
        {"days": 200},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_only_alike_posts_are_compared(stranger) -> None:
    own = [result(Metrics(reactions=10), days=day) for day in range(4)]
    other = result(Metrics(reactions=10**6), **stranger)
    found = uplifts([*own, other])
    assert [one.value for one in found[:4]] == [0.0] * 4
    assert (found[4].value, found[4].peers) == (None, 0)


def test_numbers_of_another_basis_are_not_compared() -> None:
    own = [result(Metrics(reactions=10)) for _ in range(4)]
    found = uplifts([*own, result(Metrics(reactions=10, clicks=500)), result(Metrics(reach=4))])
    assert [one.value for one in found] == [0.0] * 4 + [None] * 2


def test_a_post_of_minutes_says_nothing_yet() -> None:
    results = [result(Metrics(views=5), age=timedelta(minutes=59)) for _ in range(6)]
    assert {(one.value, one.peers) for one in uplifts(results)} == {(None, 0)}


@given(st.lists(st.builds(Metrics, views=counts, reactions=counts, clicks=counts), max_size=12))
def test_any_metrics_give_finite_uplifts(rows: list[Metrics]) -> None:
    for one in uplifts([result(metrics) for metrics in rows]):
        assert one.value is None or math.isfinite(one.value)
