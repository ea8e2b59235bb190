"""Record keys, addresses, timestamps, languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishers.api import Identity
from publishers.bluesky.language import guess_languages, is_language_tag
from publishers.bluesky.record import PostUri, new_tid, permalink, tid_moment, timestamp

moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("microseconds", "clock_id", "tid"),
    # 0 and the alphabet: https://atproto.com/specs/tid; the others: README of npm @atcute/tid
    [(0, 0, "2222222222222"), (1724171495793000, 512, "3l25zusnsfck2"), (1724171495793000, 816, "3l25zusnsfctk")],
)
def test_tid_as_others_make_it(microseconds: int, clock_id: int, tid: str) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    assert new_tid(moment, clock_id) == tid


@given(moments, moments, st.integers(0, 1023), st.integers(0, 1023))
def test_tids_sort_by_time_and_give_it_back(one: datetime, other: datetime, clock_id: int, other_id: int) -> None:
    first, second = new_tid(one, clock_id), new_tid(other, other_id)
    assert tid_moment(first) == one
    assert len(first) == 13
    assert first[0] in "234567abcdefghij"
    if one != other:
        assert (first < second) == (one < other)


def test_post_uri_round_trip() -> None:
    uri = "at://did:plc:abc/app.bsky.feed.post/3l25zusnsfctk"
    assert str(PostUri.parse(uri)) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://bsky.app/x",
        "at://alice.test/app.bsky.feed.post/3l",
        "at://did:plc:a/app.bsky.feed.like/3l",
        "at://did:plc:a/app.bsky.feed.post/",
        "at://did:plc:a/app.bsky.feed.post/a/b",
    ],
)
def test_what_is_no_post_uri(uri: str) -> None:
    with pytest.raises(ValueError, match="not the address"):
        PostUri.parse(uri)


def test_permalink_names_the_handle_or_else_the_did() -> None:
    assert permalink(Identity("did:plc:a", "alice.test", ""), "3l") == "https://bsky.app/profile/alice.test/post/3l"
    assert permalink(Identity("did:plc:a", "handle.invalid", ""), "3l") == "https://bsky.app/profile/did:plc:a/post/3l"


def test_timestamp_is_utc_with_milliseconds() -> None:
    assert timestamp(datetime(2026, 11, 24, 10, 0, 0, 999_999, tzinfo=UTC)) == "2026-11-24T10:00:00.999Z"


@pytest.mark.parametrize(
    ("text", "langs"),
    [
        ("今天我们发布了新的版本，欢迎大家试用。", ["zh"]),
        ("新しいバージョンを公開しました", ["ja"]),
        ("鲜の每日，新鲜蔬菜送到家门口啦", ["zh"]),
        ("오늘 새 버전을 발표했습니다", ["ko"]),
        ("Python 3.14 今天发布", ["zh"]),
        ("The new version is out and it is better than the last", ["en"]),
        ("Le nouveau mécanisme est disponible", []),
        ("Die neue Version ist da", []),
        ("New video", []),
        ("👩‍👩‍👧‍👦", []),
        ("", []),
        ("Привет, как дела у вас", []),
    ],
)
def test_languages_are_guessed_only_where_the_script_tells(text: str, langs: list[str]) -> None:
    assert guess_languages(text) == langs


@pytest.mark.parametrize(
    ("tag", "good"),
    [
        ("en", True),
        ("pt-BR", True),
        ("zh-Hant-TW", True),
        ("es-419", True),
        ("", False),
        ("english", False),
        ("en_US", False),
        ("en-", False),
    ],
)
def test_language_tags(tag: str, good: bool) -> None:
    assert is_language_tag(tag) is good
