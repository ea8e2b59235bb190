"""Knowing our own post again in what X shows."""

from __future__ import annotations

from typing import Any

import pytest

from publishers.x.match import original_text, same_text


def url(short: str, long: str, **more: Any) -> dict[str, Any]:
    return {"start": 0, "end": 1, "url": short, "expanded_url": long, **more}


@pytest.mark.parametrize(
    ("sent", "shown", "urls"),
    [
        ("hello", "hello", []),
        ("  hello\n\nworld ", "hello\n\nworld", []),
        ("R&D <3 &amp;", "R&amp;D &lt;3 &amp;amp;", []),
        ("R&D", "R&D", []),
        ("e\u0301", "é", []),
        ("see https://Example.com/Path?a=1&b=2.", "see https://t.co/a.", [url("https://t.co/a", "https://example.com/Path?a=1&b=2")]),
        ("see example.com now", "see https://t.co/a now", [url("https://t.co/a", "http://example.com")]),
        ("see example.com now", "see https://t.co/a now", [url("https://t.co/a", "http://example.com/")]),
        ("look", "look https://t.co/m", [url("https://t.co/m", "https://x.com/me/status/12/photo/1", media_key="3_1")]),
        ("look", "look https://t.co/m", [url("https://t.co/m", "https://twitter.com/me/status/12/video/1")]),
        ("", "https://t.co/m", [url("https://t.co/m", "https://x.com/me/status/12/photo/1")]),
        ("second", "@me second", []),
    ],
)  # fmt: skip
def test_the_same(sent: str, shown: str, urls: list) -> None:
    assert same_text(sent, {"text": shown, "entities": {"urls": urls}}, "me")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("hello", "hello!"),
        ("hello", ""),
        ("Hello", "hello"),
        ("see example.com/a", "see example.com/A"),
        ("second", "@other second"),
    ],
)
def test_not_the_same(sent: str, shown: str) -> None:
    assert not same_text(sent, {"text": shown}, "me")


@pytest.mark.parametrize(
    "post",
    [
        {},
        {"text": None},
        {"text": ["a"]},
    ],
)
def test_a_post_without_text(post: dict) -> None:
    assert original_text(post) == ""


@pytest.mark.parametrize("entities", [None, [], {"urls": 3}, {"urls": [None, {"url": 1}, {"url": ""}]}])
def test_odd_entities_leave_the_text_alone(entities: Any) -> None:
    assert original_text({"text": "a https://t.co/x", "entities": entities}) == "a https://t.co/x"


def test_an_address_that_is_none_is_not_put_back() -> None:
    post = {"text": "a https://t.co/x", "entities": {"urls": [url("https://t.co/x", "javascript:alert(1)")]}}
    assert original_text(post) == "a https://t.co/x"
