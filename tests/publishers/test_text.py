"""Counting and cutting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from publishers.api import Unit
from publishers.text import count_graphemes, count_in, cut_to_fit

FAMILY = "👩‍👩‍👧‍👦"
PIECES = [*"ab. !?。\n,世", FAMILY, "e\u0301", "https://x.example/y "]


def within(limit: int) -> Callable[[str], bool]:
    return lambda text: count_graphemes(text) <= limit


class TestCounting:
    @pytest.mark.parametrize(
        ("text", "graphemes", "characters", "utf16", "size"),
        [
            ("", 0, 0, 0, 0),
            ("abc", 3, 3, 3, 3),
            ("e\u0301", 1, 2, 2, 3),
            (FAMILY, 1, 7, 11, 25),
            ("🇩🇪🇫🇷", 2, 4, 8, 16),
            ("世界", 2, 2, 2, 6),
            ("𝒳", 1, 1, 2, 4),
            ("\r\n", 1, 2, 2, 2),
            ("\ud800", 1, 1, 1, 3),
        ],
    )
    def test_units(self, text: str, graphemes: int, characters: int, utf16: int, size: int) -> None:
        units = (Unit.GRAPHEMES, Unit.CHARACTERS, Unit.UTF16, Unit.BYTES)
        assert [count_in(unit, text) for unit in units] == [graphemes, characters, utf16, size]

    def test_weights_belong_to_the_platform(self) -> None:
        with pytest.raises(ValueError, match="adapter"):
            count_in(Unit.WEIGHTED, "text")

    @given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
    def test_utf16_and_bytes_agree_with_the_encoders(self, text: str) -> None:
        assert count_in(Unit.UTF16, text) == len(text.encode("utf-16-le")) // 2
        assert count_in(Unit.BYTES, text) == len(text.encode())


class TestCutting:
    @pytest.mark.parametrize(
        ("text", "limit", "cut"),
        [
            ("Short.", 10, "Short."),
            ("One two. Three four. Five six.", 25, "One two. Three four."),
            ("One two! “Three four.” Five six.", 25, "One two! “Three four.”"),
            ("第一句话。第二句话！第三句话？", 11, "第一句话。第二句话！"),
            ("「第一句话。」第二句话很长很长", 10, "「第一句话。」"),
            ("A sentence that never ends within", 20, "A sentence that…"),
            ("Version 3.5 is out and it is fast. More", 36, "Version 3.5 is out and it is fast."),
            ("A title\nand a long line that is too long", 12, "A title"),
            ("Hi. " + "word " * 30, 100, "Hi. " + "word " * 18 + "word…"),
            ("没有句号的很长的一句话", 6, "没有句号的…"),
            ("Donaudampfschifffahrtsgesellschaft", 10, "Donaudamp…"),
            ("wait, what happens here", 6, "wait…"),
            (FAMILY * 5, 3, FAMILY * 2 + "…"),
            ("anything", 0, ""),
            ("https://example.org/a?b=c and more words", 30, "https://example.org/a?b=c and…"),
            ("https://example.org/a?b=c and more words", 28, "https://example.org/a?b=c …"),
            ("看https://example.org/a很好的一篇文章", 27, "看https://example.org/a很好的一…"),
            ("a,b,c,d,e,f", 5, "a,b…"),
        ],
    )
    def test_where_it_cuts(self, text: str, limit: int, cut: str) -> None:
        assert cut_to_fit(text, within(limit)) == cut

    def test_never_inside_a_link(self) -> None:
        text = "Read it at https://example.org/a.b?c=d now"
        for limit in range(len(text)):
            left = cut_to_fit(text, within(limit))
            assert "https" not in left or "https://example.org/a.b?c=d" in left

    def test_link_alone_that_does_not_fit(self) -> None:
        assert cut_to_fit("https://example.org/long", within(10)) == ""

    @given(
        st.lists(st.sampled_from([*"ab. !?。\n,世", FAMILY, "e\u0301", "https://x.example/y "]), max_size=60).map(
            "".join
        ),
        st.integers(0, 40),
        st.sampled_from([Unit.GRAPHEMES, Unit.UTF16, Unit.BYTES]),
    )
    def test_what_is_left_fits_and_is_a_beginning(self, text: str, limit: int, unit: Unit) -> None:
        left = cut_to_fit(text, lambda piece: count_in(unit, piece) <= limit)
        assert count_in(unit, left) <= limit
        beginning = left.removesuffix("…").rstrip(" ") if left.endswith("…") else left
        assert text.startswith(beginning)
        ends = {0, *(match.end() for match in regex.finditer(r"\X", text))}
        assert len(beginning) in ends
