from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import WallTime
from app.core.errors import WrongUsage

BERLIN = "Europe/Berlin"


def test_wall_times_follow_the_zone() -> None:
    assert WallTime(datetime(2026, 7, 1, 9), BERLIN).to_utc() == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert WallTime(datetime(2026, 12, 1, 9), BERLIN).to_utc() == datetime(2026, 12, 1, 8, tzinfo=UTC)


def test_a_time_in_the_gap_moves_forward() -> None:
    assert WallTime(datetime(2026, 3, 29, 2, 30), BERLIN).to_utc() == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_time_in_the_overlap_means_the_first() -> None:
    assert WallTime(datetime(2026, 10, 25, 2, 30), BERLIN).to_utc() == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_day_later_keeps_its_hour_across_the_change() -> None:
    saturday = WallTime(datetime(2026, 3, 28, 9), BERLIN)
    sunday = saturday.shifted(timedelta(days=1))
    assert sunday.local.hour == 9
    assert sunday.to_utc() - saturday.to_utc() == timedelta(hours=23)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)))
def test_every_instant_comes_back_from_its_wall_time_outside_overlaps(instant: datetime) -> None:
    back = WallTime.of(instant, BERLIN).to_utc()
    assert back == instant or instant - back == timedelta(hours=1)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../../etc/passwd", "Europe/Berlin\x00"])
def test_no_zone(name: str) -> None:
    with pytest.raises(WrongUsage):
        WallTime(datetime(2026, 1, 1), name)
