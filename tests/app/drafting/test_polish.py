from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drafting.polish import cut_loop, ends_whole, polish


@pytest.mark.parametrize(
    ("written", "post"),
    [
        ("  A plain post.  ", "A plain post."),
        ('"A quoted post."', "A quoted post."),
        ("“Typographic quotes.”", "Typographic quotes."),
        ("```\nfenced\n```", "fenced"),
        ("Here's a short post for you:\n\nBake slowly.", "Bake slowly."),
        ("Sure! Here is the tweet:\nBake slowly.", "Bake slowly."),
        ("Tweet: Bake slowly.", "Bake slowly."),
        ('He said "rise" and left.', 'He said "rise" and left.'),
        ('"One" and "two"', '"One" and "two"'),
        ("Note: this colon stays.", "Note: this colon stays."),
        ('"Opened and never closed.', "Opened and never closed."),
        ("", ""),
    ],
)
def test_wrappers_go_and_the_post_stays(written: str, post: str) -> None:
    assert polish(written) == post


def test_a_loop_is_cut_before_it_repeats() -> None:
    loop = "Keep it warm. " + "Feed it every day. " * 5
    assert cut_loop(loop) == "Keep it warm. Feed it every day."


def test_a_refrain_is_no_loop() -> None:
    text = "Feed it every day. Rest it at night. Feed it every day."
    assert cut_loop(text) == text


@given(st.text())
def test_polish_invents_nothing_and_is_done_once(text: str) -> None:
    post = polish(text)
    assert post in text
    assert cut_loop(post) == post


@pytest.mark.parametrize("text", ["An end.", "Ende!", "完了。", "See https://example.com/a", "Bread #baking", "Yum 🍞"])
def test_whole_ends(text: str) -> None:
    assert ends_whole(text)


@pytest.mark.parametrize("text", ["An end without a", "then, ", ""])
def test_broken_ends(text: str) -> None:
    assert not ends_whole(text)
