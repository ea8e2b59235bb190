"""The signs with a meaning of their own in a post: @mentions, #hashtags, $cashtags."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from publishers.x.links import find_links

_MENTION = regex.compile(r"[@＠](?P<name>[A-Za-z0-9_]{1,20})(?P<list>/[A-Za-z][A-Za-z0-9_\-]{0,24})?")
_JOINS_TAGS = r"_\u200C\u200D\u00B7\u30FB\uFF5E\u301C\u3003\u05BE\u05F3\u05F4\u0F0B\u0F0C"  # as letters do
_HASHTAG = regex.compile(
    rf"(?<![\p{{L}}\p{{Nd}}_&]|[\p{{M}}--\uFE0E\uFE0F])[#＃](?P<tag>[\p{{L}}\p{{M}}\p{{Nd}}{_JOINS_TAGS}]++)(?!://|[#＃])",
    regex.V1,
)
_LETTER = regex.compile(r"[\p{L}\p{M}]")
_CASHTAG = regex.compile(r"(?<!\S)\$(?P<tag>[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?)(?![\p{L}\p{Nd}])")


@dataclass(frozen=True, slots=True)
class Mention:
    """An account, or one of its lists. Names without the leading sign."""

    name: str
    list: str = ""


def parse_mention(text: str) -> Mention | None:
    """The account or list that `text` as a whole names, if it is a possible one."""
    match = _MENTION.fullmatch(text)
    return Mention(match["name"], (match["list"] or "")[1:]) if match else None


def hashtags(text: str) -> list[str]:
    """The tags X would link, without their signs: digits alone make none."""
    return [tag for tag in _tags(text) if _LETTER.search(tag)]


def dead_hashtags(text: str) -> list[str]:
    """What looks like a hashtag but is digits alone, so that X leaves it plain text."""
    return [tag for tag in _tags(text) if not _LETTER.search(tag)]


def _tags(text: str) -> list[str]:
    links = list(find_links(text))
    return [
        match["tag"]
        for match in _HASHTAG.finditer(text)
        if not any(link.start <= match.start() < link.end for link in links)
    ]


def cashtags(text: str) -> list[str]:
    """The stock symbols X would link, without their signs."""
    return [match["tag"] for match in _CASHTAG.finditer(text)]
