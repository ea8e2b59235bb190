from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.analytics.schedule import DEFAULT_AGES, LONGEST_WAIT, SHORTEST_WAIT, next_pull, retry_pull
from tests.app.samples import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
X_AGES = (HOUR, DAY, 7 * DAY)

moments = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)).map(lambda naive: naive.replace(tzinfo=NOON.tzinfo))
series = st.one_of(st.just(()), st.just(X_AGES), st.lists(st.timedeltas(timedelta(0), 60 * DAY), max_size=6).map(tuple))


def test_the_default_series_thins_out_and_ends_after_eight_weeks() -> None:
    ages, at = [], NOON
    while (following := next_pull(NOON, at)) is not None:
        ages.append(following - NOON)
        at = following
    assert ages[:6] == [timedelta(minutes=10), HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY]
    assert ages[-1] == timedelta(weeks=8)
    gaps = [later - earlier for earlier, later in pairwise(ages)]
    assert gaps == sorted(gaps)


def test_a_platforms_own_ages_are_used_exactly() -> None:
    assert next_pull(NOON, NOON, X_AGES) == NOON + HOUR
    assert next_pull(NOON, NOON + HOUR, X_AGES) == NOON + DAY
    assert next_pull(NOON, NOON + 2 * DAY, X_AGES) == NOON + 7 * DAY
    assert next_pull(NOON, NOON + 7 * DAY, X_AGES) is None


@given(moments, moments, series)
def test_the_next_pull_lies_in_the_future_at_an_age_of_the_series(published, now, ages) -> None:
    following = next_pull(published, now, ages)
    if following is not None:
        assert following > now
        assert following - published in (ages or DEFAULT_AGES)


@given(moments, moments, st.timedeltas(timedelta(0), 100 * DAY), series)
def test_the_later_the_clock_the_later_the_pull(published, now, later, ages) -> None:
    first, second = next_pull(published, now, ages), next_pull(published, now + later, ages)
    assert second is None or (first is not None and first <= second)


@given(st.lists(moments, max_size=60), series)
def test_no_clock_makes_a_burst(readings, ages) -> None:
    """Whatever the clock shows at each look, no age is pulled twice and none is made up for."""
    due, pulls = next_pull(NOON, NOON, ages), []
    for now in readings:
        if due is not None and due <= now:
            pulls.append(due)
            due = next_pull(NOON, now, ages)
    assert pulls == sorted(set(pulls))
    assert len(pulls) <= len(ages or DEFAULT_AGES)


@given(moments, moments, series, st.none() | moments)
def test_a_retry_lies_in_the_future_and_no_platform_stalls_it(published, now, ages, not_before) -> None:
    again = retry_pull(published, now, ages, not_before)
    assert again >= now + SHORTEST_WAIT
    if not_before is not None:
        assert again <= now + LONGEST_WAIT


def test_waits_grow_with_age_but_not_past_the_series() -> None:
    assert retry_pull(NOON, NOON + timedelta(minutes=10)) == NOON + timedelta(minutes=15)
    assert retry_pull(NOON, NOON + 2 * HOUR) == NOON + timedelta(hours=2, minutes=30)
    assert retry_pull(NOON, NOON + 40 * DAY) == NOON + timedelta(weeks=6)  # a quarter of 40 days would be day 50
    over = NOON + 100 * DAY
    assert retry_pull(NOON, over) == over + 25 * DAY


def test_the_platforms_own_wait_is_kept() -> None:
    assert retry_pull(NOON, NOON + HOUR, X_AGES, NOON + 5 * HOUR) == NOON + 5 * HOUR
    assert retry_pull(NOON, NOON + HOUR, X_AGES, NOON - DAY) == NOON + HOUR + SHORTEST_WAIT
