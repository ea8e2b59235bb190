"""What the conformance file leaves open: our own emoji, links and limits, and properties that always hold."""

from __future__ import annotations

import itertools
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishers.x.emoji import emoji_end
from publishers.x.length import measure
from publishers.x.links import find_links, is_link

MARKS = list("a é世.@#()/?-_\n\u202a\ufffe")
WORDS = [
    "e\u0301",
    "👨‍👩‍👧‍👦",
    "🇩🇪",
    "☺️",
    "1⃣",
    "http://",
    "https://x.com/a_(b)",
    "t.co/",
    ".com",
    "xn--",
    "日本.みんな",
]
PIECES = st.sampled_from(MARKS + WORDS)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=30).map("".join))


def links(text: str) -> list[str]:
    return [text[link.start : link.end] for link in find_links(text)]


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("", 0),
        ("👩🏽‍🚀", 2),  # joined, with a skin tone
        ("👩‍❤️‍💋‍👨", 2),
        ("👨‍🍕", 5),  # joined by nobody's recommendation: man, joiner, pizza
        ("👨‍👩‍🍕", 8),  # two that are nothing without a child
        ("🇩🇪", 2),
        ("🇦🇦", 4),  # no region: two letters
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", 2),
        ("🏳️‍🌈", 2),
        ("☺", 2),
        ("☺️", 2),
        ("☺︎", 4),  # asked for as text: the sign and the selector
        ("©", 1),
        ("©️", 2),
        ("#️⃣", 2),
        ("1", 1),
        ("🏽", 2),
        ("…", 2),
        ("“a”", 3),
        ("example.com", 23),
        ("https://example.com/" + "a" * 300, 23),
    ],
)
def test_weights(text: str, used: int) -> None:
    assert measure(text).used == used


@given(TEXTS)
def test_normal_form_changes_nothing(text: str) -> None:
    assert measure(text) == measure(unicodedata.normalize("NFC", text))


@given(TEXTS)
def test_what_fits_fits(text: str) -> None:
    length = measure(text)
    fitting = unicodedata.normalize("NFC", text)[: length.fits]
    assert length.valid == (length.fits == len(unicodedata.normalize("NFC", text)) > 0)
    assert length.used <= 2 * len(text) + 23 * text.count(".")
    assert fitting == "" or "\ufffe" not in fitting


@given(TEXTS)
def test_links_stand_in_order_and_apart(text: str) -> None:
    found = list(find_links(text))
    assert all(link.start < link.end <= len(text) for link in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))


@given(TEXTS)
def test_an_emoji_ends_within_the_text(text: str) -> None:
    assert all(position <= emoji_end(text, position) <= len(text) for position in range(len(text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see example.com:8080", ["example.com"]),  # a port without scheme and path is not part of it
        ("see example.com:8080/a", ["example.com:8080/a"]),
        ("http://example.com:8080?q=1", ["http://example.com:8080?q=1"]),
        ("https://en.wikipedia.org/wiki/A_(b_(c))!", ["https://en.wikipedia.org/wiki/A_(b_(c))"]),
        ("(see https://example.com/a)", ["https://example.com/a"]),
        ("me@example.com", []),
        ("HTTPS://EXAMPLE.COM", ["HTTPS://EXAMPLE.COM"]),
        ("https://example.com/" + "a" * 4100, []),
        ("version 1.2.3 of file.txt", []),
        ("e.g. this", []),
    ],
)
def test_links(text: str, found: list[str]) -> None:
    assert links(text) == found


@pytest.mark.parametrize("text", ["http://", "http://127.0.0.1:8080/x", "https://[::1]/", "http://a b.com"])
def test_addresses(text: str) -> None:
    assert is_link(text) is (text in {"http://127.0.0.1:8080/x", "https://[::1]/"})


@pytest.mark.parametrize(
    "hostile",
    [
        "http://" * 5_000,
        "a." * 12_000,
        "http://a.com/" + "(" * 25_000,
        "http://a.com/" + "(a" * 12_000,
        "http://a.com/" + "." * 25_000,
        "http://a.com?" + "." * 25_000,
        "日.com" * 5_000,
        "👩‍" * 12_000,
        "#" * 25_000,
        "$A" * 12_000,
    ],
    ids=lambda text: text[:14].encode("ascii", "backslashreplace").decode(),
)
def test_a_hostile_text_takes_no_longer(hostile: str) -> None:
    started = time.process_time()
    measure(hostile)
    assert time.process_time() - started < 3  # about 0.2 s each; quadratic ones took 10 s and more
