"""Content goes to JSON and comes back equal; anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishers.api import Content, Media, MediaFacts, MediaKind, Part
from publishers.content_json import content_from_json, content_to_json

TEXT = st.text(max_size=20)
SIZES = st.none() | st.integers(1, 9999)
FACTS = st.builds(
    MediaFacts,
    path=st.builds(Path, st.from_regex(r"[a-z]{1,8}\.png", fullmatch=True)),
    sha256=st.just("0" * 64),
    size=st.integers(0, 2**40),
    mime=st.just("image/png"),
    kind=st.sampled_from(MediaKind),
    width=SIZES,
    height=SIZES,
    duration=st.none() | st.floats(0, 1e6),
)
PARTS = st.lists(st.builds(Part, TEXT, st.lists(st.builds(Media, FACTS, TEXT), max_size=2).map(tuple)), max_size=3)
CONTENTS = st.builds(
    Content,
    PARTS.map(tuple),
    st.dictionaries(TEXT, TEXT, max_size=2),
    st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT, max_size=2),
)


@given(CONTENTS)
def test_there_and_back(content: Content) -> None:
    assert content_from_json(json.loads(json.dumps(content_to_json(content)))) == content


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"parts": {}, "fields": [], "options": {}},
        {"parts": [{"text": 1, "media": []}], "fields": {}, "options": {}},
        {"parts": [{"text": ""}], "fields": {}, "options": {}},
        {"parts": [{"text": "", "media": [{"path": "a"}]}], "fields": {}, "options": {}},
        {"parts": [{"text": "", "media": [{"path": "a", "kind": "smell", "alt": ""}]}], "fields": {}, "options": {}},
        {"parts": [], "fields": {"title": 3}, "options": {}},
    ],
)
def test_what_is_no_content(data: object) -> None:
    with pytest.raises(ValueError, match=r"not the content|smell"):
        content_from_json(data)
