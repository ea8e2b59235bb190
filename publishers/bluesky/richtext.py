"""Links, mentions and hashtags in a post's text, as facets with UTF-8 byte offsets.

Follows the detection of Bluesky's own client (@atproto/api, RichText.detectFacets), with three differences on
purpose: CJK punctuation ends a link or a hashtag, a link or mention may follow a CJK character without a space, and
an e-mail address is no link. Facets never overlap. Source of the format: lexicon app.bsky.richtext.facet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import regex

from publishers.api import Json
from publishers.bluesky.spec import TAG_BYTES, TAG_GRAPHEMES
from publishers.text import count_bytes, count_graphemes

_FACTS = Path(__file__).parents[2] / "resources" / "text" / "twitter_text.json"  # holds the names of the DNS root

_SPACE = r"\t-\r \u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF"  # \s of ECMAScript
_MARKS = r"、。，．！？：；｡､（）［］｛｝「」『』【】《》〈〉〔〕"  # end a link or a tag, stand before the next
_LETTERS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"  # scripts written without spaces, or with words joined to names
_END = rf"{_SPACE}\x00-\x1F\x7F{_MARKS}"
_INVISIBLE = r"\u00AD\u2060\u200A\u200B\u200C\u200D\u20E2"
_AFTER_ANY = rf"(?:^|(?<=[{_SPACE}({_MARKS}“‘{_LETTERS}]))"
_AFTER_SPACE = rf"(?:^|(?<=[{_SPACE}{_MARKS}]))"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LINK = regex.compile(
    rf"{_AFTER_ANY}(?:(?P<full>(?i:https?)://[^{_END}/?#][^{_END}]*)"
    rf"|(?P<domain>(?>[A-Za-z][A-Za-z0-9-]{{0,62}}(?:\.{_LABEL})+))(?![A-Za-z0-9_@-])(?::\d{{1,5}})?(?:[/?#][^{_END}]*)?)"
)
_MENTION = regex.compile(rf"{_AFTER_ANY}@(?P<handle>(?>{_LABEL}(?:\.{_LABEL})+))(?![A-Za-z0-9_@])")
_TAG = regex.compile(rf"{_AFTER_SPACE}[#＃](?!\uFE0F)(?P<tag>[^{_END}{_INVISIBLE}]+)")
_CASHTAG = regex.compile(
    rf"{_AFTER_SPACE}\(?\K\$(?P<tag>[A-Za-z][A-Za-z0-9]{{0,4}})(?=[{_SPACE}.,;:!?)\"'’{_MARKS}]|$)"
)
_TRAILING_MARKS = regex.compile(r"\p{P}+$")
_WORDY = regex.compile(r"[^0-9\p{P}]")  # a hashtag needs one such character
_MAX_HANDLE = 253


class Kind(StrEnum):
    LINK = "app.bsky.richtext.facet#link"
    MENTION = "app.bsky.richtext.facet#mention"
    TAG = "app.bsky.richtext.facet#tag"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text: code points from `start` up to, not including, `end`.

    `value` is the address of a link, the lower-case handle of a mention, or a tag without its sign.
    """

    start: int
    end: int
    kind: Kind
    value: str


def find_spans(text: str) -> list[Span]:
    """Everything in the text that can be a facet, in order, none overlapping."""
    kept: list[Span] = []
    found = (*_links(text), *_mentions(text), *_tags(text))
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def mentioned_handles(text: str) -> list[str]:
    """The handles to resolve, each once, in order."""
    return list(dict.fromkeys(span.value for span in find_spans(text) if span.kind is Kind.MENTION))


def facets(text: str, dids: Mapping[str, str]) -> list[Json]:
    """The facets of a text. A mention whose handle is not in `dids` stays plain text."""
    return [
        _facet(text, span, dids) for span in find_spans(text) if span.kind is not Kind.MENTION or span.value in dids
    ]


def _facet(text: str, span: Span, dids: Mapping[str, str]) -> Json:
    start = count_bytes(text[: span.start])
    feature: dict[str, Json] = {"$type": span.kind.value}
    match span.kind:
        case Kind.LINK:
            feature["uri"] = span.value
        case Kind.MENTION:
            feature["did"] = dids[span.value]
        case Kind.TAG:
            feature["tag"] = span.value
    index: dict[str, Json] = {"byteStart": start, "byteEnd": start + count_bytes(text[span.start : span.end])}
    return {"$type": "app.bsky.richtext.facet", "index": index, "features": [feature]}


def _links(text: str) -> Iterator[Span]:
    for match in _LINK.finditer(text):
        link = _without_sentence_end(match.group())
        domain = match.group("domain")
        if domain:
            if domain.rpartition(".")[2] not in _top_level_domains():
                continue
            address = f"https://{link}"
        else:
            address = link
        if _has_host(address):
            yield Span(match.start(), match.start() + len(link), Kind.LINK, address)


def _without_sentence_end(link: str) -> str:
    """Punctuation after a link belongs to the sentence, and so does a bracket that was not opened in it."""
    while link and (link[-1] in ".,;:!?'\"”’…" or (link[-1] == ")" and link.count(")") > link.count("("))):
        link = link[:-1]
    return link


def _has_host(address: str) -> bool:
    try:
        return bool(urlsplit(address).hostname)
    except ValueError:  # e.g. an unclosed [ of an IPv6 address
        return False


def _mentions(text: str) -> Iterator[Span]:
    for match in _MENTION.finditer(text):
        handle = match.group("handle").lower()
        top = handle.rpartition(".")[2]
        if len(handle) <= _MAX_HANDLE and (top in _top_level_domains() or top == "test"):  # .test: servers of one's own
            yield Span(match.start(), match.end(), Kind.MENTION, handle)


def _tags(text: str) -> Iterator[Span]:
    for match in _TAG.finditer(text):
        tag = _TRAILING_MARKS.sub("", match.group("tag"))
        if _WORDY.search(tag) and count_graphemes(tag) <= TAG_GRAPHEMES and count_bytes(tag) <= TAG_BYTES:
            yield Span(match.start(), match.start() + 1 + len(tag), Kind.TAG, tag)
    for match in _CASHTAG.finditer(text):
        yield Span(match.start(), match.end(), Kind.TAG, "$" + match.group("tag").upper())


@cache
def _top_level_domains() -> frozenset[str]:
    """Lower-case names of the DNS root, as the official client has them: Example.COM at a sentence end is no link."""
    return frozenset(json.loads(_FACTS.read_text("utf-8"))["top_level_domains"])
