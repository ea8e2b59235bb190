"""What is refused or remarked before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from publishers.api import Content, Issue, Media, MediaFacts, MediaKind, Part
from publishers.x.adapter import adapter


def media(kind: MediaKind = MediaKind.IMAGE, *, size: int = 1000, alt: str = "", **more: object) -> Media:
    mime = {MediaKind.IMAGE: "image/png", MediaKind.GIF: "image/gif", MediaKind.VIDEO: "video/mp4"}.get(kind, "a/b")
    return Media(replace(MediaFacts(Path("file"), "0", size, mime, kind), **more), alt)  # type: ignore[arg-type]


def issues(*parts: Part, format_id: str = "post") -> list[tuple[str, str, int, str]]:
    found = adapter.validate(Content(parts), format_id)
    assert all(isinstance(one, Issue) and one.message.endswith(".") for one in found)
    return [(one.severity, one.code, one.part, one.fix) for one in found]


def codes(*parts: Part, format_id: str = "post") -> set[str]:
    return {code for _, code, _, _ in issues(*parts, format_id=format_id)}


def test_a_plain_post_is_fine() -> None:
    assert issues(Part("hello")) == []


def test_pictures_alone_are_fine() -> None:
    assert issues(Part("", (media(), media(), media(), media()))) == []


@pytest.mark.parametrize("text", ["", "  \n "])
def test_nothing_at_all(text: str) -> None:
    assert issues(Part(text)) == [("error", "text.empty", 0, "")]
    assert issues()[0][:2] == ("error", "text.empty")


def test_too_long_offers_the_fix_of_the_format() -> None:
    long = Part("世" * 141)
    assert issues(long) == [("error", "text.too_long", 0, "shorten")]
    assert issues(Part("one"), long, format_id="thread") == [("error", "text.too_long", 1, "split")]


def test_too_long_says_by_how_much_and_where() -> None:
    (issue,) = adapter.validate(Content.plain("a" * 275 + "bcdefgh"))
    assert "2 weighted characters too long" in issue.message
    assert "aaabcdef”" in issue.message


def test_invisible_characters() -> None:
    assert codes(Part("a\ufeffb")) == {"text.invalid"}


def test_a_link_costs_more() -> None:
    (issue,) = adapter.validate(Content.plain("read example.com"))
    assert (issue.severity, issue.code) == ("warning", "cost.link")
    assert "$0.20" in issue.message
    assert "$0.015" in issue.message


def test_cashtags_and_hashtags_of_digits() -> None:
    assert codes(Part("$ABC only")) == set()
    assert issues(Part("$ABC and $DEF #2026")) == [
        ("warning", "text.cashtags", 0, ""),
        ("warning", "text.dead_hashtag", 0, ""),
    ]


def test_parts() -> None:
    assert codes(Part("a"), Part("b")) == {"parts.too_many"}
    assert codes(*(Part(str(n)) for n in range(25)), format_id="thread") == set()
    assert codes(*(Part(str(n)) for n in range(26)), format_id="thread") == {"parts.too_many"}
    assert issues(Part("a"), Part("a "), format_id="thread") == [("error", "parts.repeated", 1, "")]


@pytest.mark.parametrize(
    ("attached", "code"),
    [
        ([media()] * 5, "media.too_many"),
        ([media(MediaKind.GIF)] * 2, "media.too_many"),
        ([media(MediaKind.VIDEO)] * 2, "media.too_many"),
        ([media(), media(MediaKind.VIDEO)], "media.mixed"),
        ([media(MediaKind.DOCUMENT)], "media.kind"),
        ([media(mime="image/tiff")], "media.type"),
        ([media(size=5 * 2**20 + 1)], "media.too_large"),
        ([media(MediaKind.GIF, size=15 * 2**20 + 1)], "media.too_large"),
        ([media(MediaKind.VIDEO, size=512 * 2**20 + 1)], "media.too_large"),
        ([media(size=0)], "media.empty"),
        ([media(MediaKind.VIDEO, duration=140.5)], "media.duration"),
        ([media(MediaKind.VIDEO, duration=0.4)], "media.duration"),
        ([media(alt="a" * 1001)], "alt.too_long"),
        ([media(MediaKind.GIF, width=1300, height=100)], "media.pixels"),
        ([media(MediaKind.VIDEO, width=1920, height=1080)], "media.pixels"),
    ],
)
def test_media(attached: list[Media], code: str) -> None:
    assert code in codes(Part("look", tuple(attached)))


def test_media_at_the_limits() -> None:
    video = media(MediaKind.VIDEO, size=512 * 2**20, duration=140.0, width=720, height=1280, alt="a" * 1000)
    assert codes(Part("look", (video,))) == set()
    assert codes(Part("look", (media(size=5 * 2**20),))) == set()
