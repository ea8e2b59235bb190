"""The whole official conformance file of twitter-text, and what its extraction file says of links and tags."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from publishers.text import count_utf16
from publishers.x.entities import cashtags, hashtags, parse_mention
from publishers.x.facts import Weights, facts
from publishers.x.length import measure
from publishers.x.links import find_links, is_link
from tests.publishers.x.conformance_cases import cases, needed, section_cases, sections
from tests.requirements import require_specs

pytestmark = pytest.mark.specs

Case = dict[str, Any]


def weights(version: int) -> Weights:
    """An older official configuration."""
    config = json.loads((require_specs("x/twitter-text") / f"v{version}.json").read_text("utf-8"))
    return Weights(
        limit=config["maxWeightedTweetLength"],
        scale=config["scale"],
        default=config["defaultWeight"],
        link=config["transformedURLLength"],
        ranges=tuple((one["start"], one["end"], one["weight"]) for one in config["ranges"]),
        emoji=config.get("emojiParsingEnabled", False),
    )


def parsed(text: str, rules: Weights) -> dict[str, int | bool]:
    """The length as the conformance file puts it: ranges are inclusive UTF-16 offsets into the text as given."""
    length = measure(text, rules)
    normal = unicodedata.normalize("NFC", text)
    longer = count_utf16(text) - count_utf16(normal)
    return {
        "weightedLength": length.used,
        "valid": length.valid,
        "permillage": length.permillage,
        "displayRangeStart": 0,
        "displayRangeEnd": count_utf16(text) - 1,
        "validRangeStart": 0,
        "validRangeEnd": count_utf16(normal[: length.fits]) + longer - 1,
    }


def links(text: str) -> list[str]:
    return [text[link.start : link.end] for link in find_links(text)]


def test_no_section_is_left_out() -> None:
    assert sections("validate.yml") == {
        "tweets",
        "usernames",
        "lists",
        "hashtags",
        "urls",
        "urls_without_protocol",
        "WeightedTweetsCounterTest",
        "WeightedTweetsWithDiscountedEmojiCounterTest",
        "UnicodeDirectionalMarkerCounterTest",
    }


def test_our_weights_are_the_official_ones() -> None:
    assert facts().weights == weights(3)


@cases("validate.yml", "tweets")
def test_tweets_of_the_first_version(case: Case) -> None:
    assert measure(needed(case)["text"], weights(1)).valid is case["expected"]


@cases("validate.yml", "WeightedTweetsCounterTest")
def test_weights_of_the_second_version(case: Case) -> None:
    assert parsed(needed(case)["text"], weights(2)) == case["expected"]


@cases("validate.yml", "WeightedTweetsWithDiscountedEmojiCounterTest", "UnicodeDirectionalMarkerCounterTest")
def test_weights_of_today(case: Case) -> None:
    assert parsed(needed(case)["text"], weights(3)) == case["expected"]


@cases("validate.yml", "usernames")
def test_usernames(case: Case) -> None:
    mention = parse_mention(needed(case)["text"])
    assert (mention is not None and not mention.list) is case["expected"]


@cases("validate.yml", "lists")
def test_lists(case: Case) -> None:
    mention = parse_mention(needed(case)["text"])
    assert (mention is not None and bool(mention.list)) is case["expected"]


@cases("validate.yml", "hashtags")
def test_hashtags(case: Case) -> None:
    text = needed(case)["text"]
    assert (hashtags(text) == [text[1:]]) is case["expected"]


@cases("validate.yml", "urls", "urls_without_protocol")
def test_urls(case: Case) -> None:
    assert is_link(needed(case)["text"]) is case["expected"]


@cases("extract.yml", "urls", "tco_urls_with_params")
def test_links_are_found(case: Case) -> None:
    assert links(needed(case)["text"]) == case["expected"]


@cases("extract.yml", "urls_with_indices", "urls_with_directional_markers")
def test_links_are_found_where_they_stand(case: Case) -> None:
    text = needed(case)["text"]
    found = [{"url": text[one.start : one.end], "indices": [one.start, one.end]} for one in find_links(text)]
    assert found == case["expected"]


@cases("extract.yml", "hashtags", "hashtags_from_astral")
def test_hashtags_are_found(case: Case) -> None:
    assert hashtags(needed(case)["text"]) == (case["expected"] or [])


@cases("extract.yml", "cashtags")
def test_cashtags_are_found(case: Case) -> None:
    assert cashtags(needed(case)["text"]) == case["expected"]


@pytest.mark.parametrize("section", ["country", "generic"])
def test_every_top_level_domain(section: str) -> None:
    listed = section_cases("tlds.yml", section)
    assert len(listed) > 300
    assert [case["description"] for case in listed if links(case["text"]) != case["expected"]] == []
