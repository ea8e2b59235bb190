from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.core.words import Channel
from app.drafting import fit
from publishers import registry

THREAD = Channel("bluesky", "thread")
POST = Channel("bluesky", "post")


def test_a_post_is_one_part_whatever_it_holds() -> None:
    assert [part.text for part in fit.as_content("One.\n\nTwo.", POST).parts] == ["One.\n\nTwo."]


def test_paragraphs_become_the_parts_of_a_thread_without_their_numbers() -> None:
    content = fit.as_content("1/3 Feed it.\n\n2/3 Warm it.\n\n\n3) Bake.", THREAD)
    assert [part.text for part in content.parts] == ["Feed it.", "Warm it.", "Bake."]


@given(st.text(alphabet=st.sampled_from("ab .!\n\n、。🍞é"), max_size=2000))
def test_every_part_of_a_thread_fits(text: str) -> None:
    adapter = registry.get("bluesky")
    for part in fit.as_content(text, THREAD).parts:
        assert adapter.count(part.text, "thread").fits
        assert part.text


def test_long_paragraphs_are_split_without_losing_words() -> None:
    text = " ".join(f"word{number}." for number in range(120))
    content = fit.as_content(text, THREAD)
    assert len(content.parts) > 1
    assert " ".join(part.text for part in content.parts) == text


@given(st.text(min_size=301, max_size=1200))
def test_a_cut_text_fits_and_is_a_beginning(text: str) -> None:
    cut = fit.cut(text, POST)
    assert fit.fits(fit.as_content(cut, POST), POST)
    assert text.startswith(cut.removesuffix("…").rstrip())
