"""The pages: what the creator wrote is shown as text, whatever it holds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishers.api import Content, Media, Part
from publishers.local.folder import StoredPost, file_name
from publishers.local.page import INDEX_POSTS, index_page, post_page, post_title
from publishers.testing.samples import UNICODE_TEXT, film, picture

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> &amp; </style> javascript:alert(1)"


def post(text: str, *media: Media, title: str = "") -> StoredPost:
    return StoredPost("one", NOON, Content((Part(text, media),), {"title": title} if title else {}))


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text a reader sees inside the article."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown = ""
        self.title = ""
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "img"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "article" in self._open and "time" not in self._open:
            self.shown += data
        if "title" in self._open:
            self.title += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize(
    "text", [HOSTILE, UNICODE_TEXT, "a\n\nb\nc", f"{HOSTILE} https://example.org/x?a=1&b=2. {HOSTILE}"]
)
def test_text_is_shown_as_it_was_written(text: str) -> None:
    read = Reader(post_page(post(text, title=HOSTILE), HOSTILE))
    assert read.shown.split() == text.split()
    assert HOSTILE in read.title
    assert read.named("script") == []
    assert read.named("img") == []
    assert len(read.named("a")) == 1 + text.count("https:")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_text_is_shown_as_it_was_written(text: str) -> None:
    read = Reader(post_page(post(text), "Site"))
    assert read.shown.split() == text.split()
    assert {tag for tag, _ in read.tags} <= {
        *("html", "head", "meta", "title", "link", "style", "body"),
        *("header", "main", "footer", "article", "h1", "a", "p", "br", "time"),
    }


def test_links_are_links_and_nothing_else_is() -> None:
    read = Reader(post_page(post('See https://example.org/a?b=c&d="x", javascript:alert(1).'), "Site"))
    links = [link for link in read.named("a") if link.get("rel")]
    assert [link["href"] for link in links] == ["https://example.org/a?b=c&d="]
    assert links[0]["rel"] == "noopener noreferrer nofollow"


def test_chinese_after_a_link_is_no_part_of_it() -> None:
    read = Reader(post_page(post("看https://example.org/a很好"), "Site"))
    assert [link["href"] for link in read.named("a") if link.get("rel")] == ["https://example.org/a"]


def test_policy_allows_the_style_and_no_script() -> None:
    page = post_page(post("text"), "Site")
    policy = next(meta for meta in Reader(page).named("meta") if meta.get("http-equiv"))["content"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert re.search(r"style-src 'sha256-[A-Za-z0-9+/=]{44}'", policy)
    assert " style=" not in page


def test_media_with_its_words(tmp_path: Path) -> None:
    image, video = picture(tmp_path, alt='a "quoted" <square>'), film(tmp_path, alt="moves")
    read = Reader(post_page(post("text", image, video), "Site"))
    (shown,) = read.named("img")
    assert (shown["src"], shown["alt"], shown["width"]) == (file_name(image), 'a "quoted" <square>', "8")
    (player,) = read.named("video")
    assert (player["src"], player["aria-label"]) == (file_name(video), "moves")


@pytest.mark.parametrize(
    ("text", "title", "shown"),
    [
        ("First line\nsecond", "", "First line"),
        ("First line", " A  title ", "A title"),
        ("\n\n  \nLater", "", "Later"),
        ("", "", "2026-11-24"),
        ("word " * 40, "", "word " * 15 + "word…"),
    ],
)
def test_titles(text: str, title: str, shown: str) -> None:
    assert post_title(post(text, title=title)) == shown


def test_index_lists_newest_posts_with_a_picture(tmp_path: Path) -> None:
    image = picture(tmp_path)
    posts = [StoredPost(f"p{number}", NOON, Content((Part(f"Post {number}", (image,)),))) for number in range(3)]
    read = Reader(index_page(posts, "Site"))
    assert [link["href"] for link in read.named("a")] == [f"posts/p{number}/index.html" for number in range(3)]
    assert [one["src"] for one in read.named("img")] == [f"posts/p{number}/{file_name(image)}" for number in range(3)]


def test_index_is_bounded_and_may_be_empty() -> None:
    many = [StoredPost(f"p{number}", NOON, Content.plain("x")) for number in range(INDEX_POSTS + 5)]
    assert len(Reader(index_page(many, "Site")).named("article")) == INDEX_POSTS
    assert "Nothing has been published yet." in Reader(index_page([], "Site")).shown
