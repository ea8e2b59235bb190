"""The checks every adapter shares, on the local folder's and on made-up capabilities."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from publishers.api import Content, Count, Format, Issue, Limit, Media, MediaFacts, MediaKind, Part, Unit
from publishers.checks import common_issues
from publishers.local.spec import CAPABILITIES

TODAY = date(2026, 11, 24)
PICTURE = Media(MediaFacts(Path("cat.png"), "0" * 64, 1000, "image/png", MediaKind.IMAGE), "a cat")


def limit(value: int) -> Limit:
    return Limit(value, "here", TODAY)


SHORT = Format(
    "note",
    text=limit(10),
    unit=Unit.CHARACTERS,
    parts=2,
    media={MediaKind.IMAGE: limit(1)},
    media_bytes={MediaKind.IMAGE: limit(2000)},
    mimes=("image/png",),
)
NOTES = replace(CAPABILITIES, name="Notes", formats=(SHORT,))


def facts(**changes: Any) -> Media:
    return replace(PICTURE, facts=replace(PICTURE.facts, **changes))


def issues(*parts: Part) -> list[Issue]:
    def count(text: str, format_id: str) -> Count:
        assert format_id == "note"
        return Count(len(text), 10, Unit.CHARACTERS)

    return common_issues(NOTES, Content(parts), "", count)


def test_good_content_has_none() -> None:
    assert issues(Part("0123456789", (PICTURE,)), Part("b")) == []


@pytest.mark.parametrize(
    ("parts", "code", "part"),
    [
        ((), "parts.none", 0),
        ((Part("a"), Part("b"), Part("c")), "parts.too_many", 0),
        ((Part("a"), Part(" \n")), "text.empty", 1),
        ((Part("a"), Part("0123456789x")), "text.too_long", 1),
        ((Part("a\ud800"),), "text.not_unicode", 0),
        ((Part("a\0"),), "text.not_unicode", 0),
        ((Part("a", (facts(kind=MediaKind.VIDEO),)),), "media.kind", 0),
        ((Part("a", (facts(mime="image/tiff"),)),), "media.mime", 0),
        ((Part("a", (facts(size=2001),)),), "media.too_big", 0),
        ((Part("a", (facts(size=0),)),), "media.empty", 0),
        ((Part("a", (PICTURE, PICTURE)),), "media.too_many", 0),
        ((Part("a", (replace(PICTURE, alt=" "),)),), "media.no_alt", 0),
    ],
)
def test_each_fault_is_named_once(parts: tuple[Part, ...], code: str, part: int) -> None:
    found = issues(*parts)
    assert [(issue.code, issue.part) for issue in found] == [(code, part)]
    assert found[0].message.endswith(".")
    assert found[0].severity == ("warning" if code == "media.no_alt" else "error")


def test_fix_is_offered_where_it_exists() -> None:
    (found,) = issues(Part("0123456789x"))
    assert found.fix == "split"
    assert "1 over the 10 characters" in found.message


def test_unknown_format() -> None:
    with pytest.raises(KeyError, match="reel"):
        common_issues(NOTES, Content.plain("a"), "reel", lambda text, _: Count(0, 1, Unit.BYTES))
