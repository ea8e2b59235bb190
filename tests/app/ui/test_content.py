"""Text of an editor to content and back, counted in the platform's own unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.words import Channel
from app.ui.pages.compose.content import is_thread, measure, shortened, to_content
from publishers import registry
from publishers.api import Content, Part

POST, THREAD, X = Channel("bluesky", "post"), Channel("bluesky", "thread"), Channel("x", "post")
LONG = "One sentence that is not short at all. " * 12


def test_a_post_keeps_its_blank_lines_and_a_thread_splits_at_them():
    assert to_content("one\n\ntwo", POST, Content.plain("")).parts == (Part("one\n\ntwo"),)
    assert to_content("one\n \n\ntwo\n", THREAD, Content.plain("")).parts == (Part("one"), Part("two"))
    assert is_thread(THREAD)
    assert not is_thread(POST)


def test_fields_and_options_survive_an_edit():
    before = Content((Part("old"),), {"title": "T"}, {"x": 1})
    after = to_content("new", POST, before)
    assert (after.text, after.fields, after.options) == ("new", before.fields, before.options)


def test_the_unit_is_the_platform_s_own():
    family = "👨‍👩‍👧‍👦"
    assert measure(family, POST).count.used == 1  # grapheme
    assert measure(family, X).count.used == 2  # weighted


def test_the_longest_part_of_a_thread_is_the_one_that_counts():
    measured = measure(f"short\n\n{LONG}\n\nshort", THREAD)
    assert (measured.part, measured.parts) == (1, 3)
    [(begin, end)] = measured.over
    assert LONG.startswith("One")
    assert begin == len("short\n\n") + 300
    assert end == len(f"short\n\n{LONG}".rstrip()) or end == len(f"short\n\n{LONG}")


@given(st.text(st.characters(codec="utf-8"), max_size=400), st.sampled_from([POST, X]))
def test_everything_before_the_overflow_fits_and_one_more_does_not(text: str, channel: Channel):
    adapter = registry.get(channel.platform)
    measured = measure(text, channel)
    if measured.count.fits:
        assert measured.over == ()
        return
    [(begin, end)] = measured.over
    assert end == len(text)
    assert adapter.count(text[:begin], channel.format).fits


@pytest.mark.parametrize("channel", [POST, THREAD, X])
def test_shortening_makes_every_part_fit_and_ends_at_a_sentence(channel: Channel):
    short = shortened(f"{LONG}\n\n{LONG}", channel)
    assert measure(short, channel).count.fits
    assert short.endswith(".")
    assert shortened("Fits.", channel) == "Fits."
