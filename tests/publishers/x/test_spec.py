"""What stands in the capabilities stands in the guide too."""

from __future__ import annotations

from datetime import timedelta

import pytest

from publishers.api import MediaKind
from publishers.x.spec import (
    CHUNK,
    COST_OWNED_READ,
    COST_POST,
    COST_POST_WITH_LINK,
    MAX_ALT,
    MAX_PARTS,
    MAX_SEGMENTS,
    capabilities,
)
from tests.requirements import ROOT


@pytest.fixture
def guide() -> str:
    return (ROOT / "docs" / "platforms" / "x.md").read_text("utf-8")


def test_the_guide_names_every_question_scope_and_price(guide: str) -> None:
    for question in capabilities.questions:
        assert f"**{question.label}**" in guide
    assert " ".join(capabilities.scopes) in guide
    for price in (COST_POST, COST_POST_WITH_LINK, COST_OWNED_READ):
        assert f"${price}" in guide


def test_the_guide_names_the_limits(guide: str) -> None:
    post = capabilities.format("post")
    assert f"{post.text.value} weighted characters" in guide
    assert f"{post.media[MediaKind.IMAGE].value} pictures" in guide
    assert f"up to {MAX_PARTS.value} posts" in guide
    assert f"{MAX_ALT.value:,} characters" in guide
    assert f"{capabilities.settle.total_seconds():.0f} seconds" in guide
    for one in capabilities.formats:
        assert f"**{one.id}**" in guide


def test_unconfirmed_limits_are_listed(guide: str) -> None:
    listed = guide.partition("## Not confirmed")[2]
    assert not MAX_PARTS.confirmed
    assert f"more than {MAX_PARTS.value} posts" in listed


def test_the_largest_file_fits_into_the_segments() -> None:
    for one in capabilities.formats:
        assert all(limit.value <= CHUNK * MAX_SEGMENTS for limit in one.media_bytes.values())


def test_reads_are_few_because_they_cost() -> None:
    assert capabilities.metric_pulls == (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
