"""Counting and validation, offline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from publishers.api import Content, Json, Media, MediaKind, Part, Unit
from publishers.bluesky.adapter import adapter
from publishers.bluesky.spec import THREAD_PARTS
from publishers.testing.samples import film, picture

FAMILY = "👩‍👩‍👧‍👦"  # one grapheme, 25 bytes


def codes(content: Content, format_id: str = "post", severity: str = "error") -> list[str]:
    return [issue.code for issue in adapter.validate(content, format_id) if issue.severity == severity]


def with_media(*media: Media, text: str = "hello") -> Content:
    return Content((Part(text, media),))


def test_graphemes_are_counted_not_code_points() -> None:
    counted = adapter.count(FAMILY * 3 + "é")
    assert (counted.used, counted.limit, counted.unit) == (4, 300, Unit.GRAPHEMES)


def test_bytes_are_counted_where_they_bind() -> None:
    assert adapter.count(FAMILY * 120).fits
    counted = adapter.count(FAMILY * 121)
    assert (counted.used, counted.limit, counted.unit, counted.fits) == (3025, 3000, Unit.BYTES, False)
    assert adapter.count("a" * 3001).unit is Unit.GRAPHEMES


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a" * 301, "text.too_long"),
        (FAMILY * 121, "text.too_long"),
        (" \n", "text.empty"),
        ("half \ud83d", "text.invalid"),
    ],
)
def test_refused_texts(text: str, code: str) -> None:
    assert codes(Content.plain(text)) == [code]
    assert codes(Content.plain("x" * 300)) == []


def test_the_fix_offered_depends_on_the_format() -> None:
    long = Content.plain("a" * 301)
    assert [adapter.validate(long, one)[0].fix for one in ("post", "thread")] == ["shorten", "split"]


def test_number_of_parts() -> None:
    two = Content((Part("a"), Part("b")))
    assert codes(two, "post") == ["parts.too_many"]
    assert codes(two, "thread") == []
    assert codes(Content((Part("a"),) * (THREAD_PARTS + 1)), "thread") == ["parts.too_many"]
    assert codes(Content(())) == ["text.empty"]


def test_pictures(tmp_path: Path) -> None:
    good = picture(tmp_path)
    assert codes(with_media(*[good] * 4)) == []
    assert codes(with_media(good, text="")) == []
    assert codes(with_media(*[good] * 5)) == ["media.too_many"]
    assert codes(with_media(film(tmp_path, size=100))) == ["media.type"]
    assert codes(with_media(replace(good, facts=replace(good.facts, mime="image/gif", kind=MediaKind.GIF)))) == [
        "media.type"
    ]
    assert codes(with_media(replace(good, facts=replace(good.facts, size=2_000_000)))) == []
    assert codes(with_media(replace(good, facts=replace(good.facts, size=2_000_001)))) == ["media.too_large"]
    assert codes(with_media(replace(good, facts=replace(good.facts, size=0)))) == ["media.empty"]
    assert codes(with_media(replace(good, alt=" ")), severity="warning") == ["media.no_alt"]


@pytest.mark.parametrize(
    ("langs", "code"),
    [
        (["en_US"], "langs.invalid"),
        ("en", "langs.invalid"),
        ([1], "langs.invalid"),
        (["en", "ja", "zh", "ko"], "langs.too_many"),
    ],
)
def test_languages(langs: Json, code: str) -> None:
    assert codes(Content((Part("hello"),), options={"langs": langs})) == [code]
    assert codes(Content((Part("hello"),), options={"langs": ["en", "ja", "zh"]})) == []


def test_unknown_format_is_a_key_error() -> None:
    for call in (adapter.plan, adapter.validate):
        with pytest.raises(KeyError):
            call(Content.plain("a"), "story")
    with pytest.raises(KeyError):
        adapter.count("a", "story")


def test_plan_uploads_and_resolves_before_the_first_commit(tmp_path: Path) -> None:
    media = picture(tmp_path)
    content = Content((Part("hi @a.test", (media, media)), Part("and @b.test @a.test", (media,))))
    steps = [(step.name, step.kind.name) for step in adapter.plan(content, "thread").steps]
    assert steps == [
        ("image:0:0", "PREPARE_MEDIA"),
        ("image:0:1", "PREPARE_MEDIA"),
        ("image:1:0", "PREPARE_MEDIA"),
        ("mentions", "PREPARE_MEDIA"),
        ("post:0", "COMMIT"),
        ("post:1", "COMMIT"),
    ]
