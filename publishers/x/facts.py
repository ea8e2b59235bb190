"""The numbers and names X counts with, read from resources/text/twitter_text.json.

Source: twitter-text's configuration, version 3, and Unicode's emoji data; see make_twitter_text.py beside the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parents[2] / "resources" / "text" / "twitter_text.json"


@dataclass(frozen=True, slots=True)
class Weights:
    """What a code point, a link and a whole text may weigh. Weights are in 1/`scale` of a character."""

    limit: int  # of a post, in characters
    scale: int
    default: int
    link: int  # of any link, in characters
    ranges: tuple[tuple[int, int, int], ...]  # first and last code point, weight
    emoji: bool = True  # an emoji of several code points weighs `default` once

    def of(self, character: str) -> int:
        """The weight of one code point."""
        code = ord(character)
        for first, last, weight in self.ranges:
            if first <= code <= last:
                return weight
        return self.default


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything counting needs beside Unicode's own tables."""

    weights: Weights
    top_level_domains: frozenset[str]  # lower case
    regions: frozenset[str]  # "DE": the two letters of a flag
    subdivisions: frozenset[str]  # "gbsct": the tags behind a black flag
    joined: frozenset[tuple[str, ...]]  # emoji that are one sign when joined by ZWJ, without style and skin tone


@cache
def facts() -> Facts:
    """The facts, read once."""
    table = json.loads(_FILE.read_text("utf-8"))
    weights, emoji = table["weights"], table["emoji"]
    return Facts(
        weights=Weights(
            limit=weights["limit"],
            scale=weights["scale"],
            default=weights["default"],
            link=weights["link"],
            ranges=tuple((first, last, weight) for first, last, weight in weights["ranges"]),
        ),
        top_level_domains=frozenset(table["top_level_domains"]),
        regions=frozenset(emoji["regions"]),
        subdivisions=frozenset(emoji["subdivisions"]),
        joined=frozenset(tuple(chr(int(code, 16)) for code in one.split()) for one in emoji["joined"]),
    )
