"""Stop strings that span pieces of text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.stop import StopFilter


@pytest.mark.parametrize(
    ("pieces", "stops", "shown"),
    [
        (["Hello ", "world"], [], "Hello world"),
        (["Hel", "lo wo", "rld"], ["o w"], "Hell"),
        (["aab"], ["ab"], "a"),
        (["a", "a", "a", "b"], ["aab"], "a"),
        (["abab", "ac"], ["abac"], "ab"),
        (["one two"], ["two", "ne"], "o"),
        (["half a st"], ["stop"], "half a st"),
    ],
)
def test_text_before_the_first_stop_is_shown(pieces: list[str], stops: list[str], shown: str):
    stop = StopFilter(stops)
    assert "".join(stop.push(piece) for piece in pieces) + stop.finish() == shown


@given(st.lists(st.text("ab", max_size=4), max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_pieces_make_no_difference(pieces: list[str], stops: list[str]):
    text = "".join(pieces)
    cuts = [text.find(stop) for stop in stops if stop in text]
    stop = StopFilter(stops)
    shown = "".join(stop.push(piece) for piece in pieces) + stop.finish()
    # a stop that ends earlier wins over one that begins earlier: text is judged as it comes
    assert stop.stopped == bool(cuts)
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
    if len(cuts) == 1 and len(stops) == 1:
        assert shown == text[: cuts[0]]
    if not cuts:
        assert shown == text


def test_nothing_that_may_begin_a_stop_is_shown_early():
    stop = StopFilter(["END."])
    assert stop.push("The EN") == "The "
    assert stop.push("D") == ""
    assert stop.push("ING") == "ENDING"
