"""What X would refuse of a post, and what the creator should know before it goes out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

from publishers.api import Content, Format, Issue, Media, MediaKind, Part
from publishers.x.entities import cashtags, dead_hashtags
from publishers.x.length import REFUSED, measure
from publishers.x.links import find_links
from publishers.x.spec import (
    COST_POST,
    COST_POST_WITH_LINK,
    GIF_PIXELS,
    MAX_ALT,
    MAX_CASHTAGS,
    VIDEO_PIXELS,
    VIDEO_SECONDS,
)

_TAIL = 20  # characters quoted of the place where a text becomes too long


def check(content: Content, spec: Format) -> list[Issue]:
    """Errors and warnings, part by part."""
    issues = []
    if not content.parts:
        issues.append(_error("text.empty", "There is nothing to post yet: write something or attach a file.", 0))
    if len(content.parts) > spec.parts:
        issues.append(
            _error("parts.too_many", f"This has {len(content.parts)} parts; X takes {spec.parts} here.", spec.parts)
        )
    for index, part in enumerate(content.parts):
        issues += _check_text(part, index, "split" if spec.parts > 1 else "shorten")
        issues += _check_media(part.media, index, spec)
    issues += _check_repeats(content.parts)
    return issues


def _check_text(part: Part, index: int, fix: Literal["shorten", "split"]) -> Iterator[Issue]:
    length = measure(part.text)
    if not part.text.strip() and not part.media:
        yield _error("text.empty", "There is nothing to post here yet: write something or attach a file.", index)
    if length.used > length.limit:
        fitting = unicodedata.normalize("NFC", part.text)[: length.fits][-_TAIL:]
        message = f"{length.used - length.limit} weighted characters too long: X's limit is reached after “…{fitting}”."
        yield Issue("error", "text.too_long", message, index, fix)
    if REFUSED.search(part.text):
        yield _error("text.invalid", "The text holds an invisible character that X refuses: type it anew.", index)
    if any(find_links(part.text)):
        message = f"X charges ${COST_POST_WITH_LINK} for a post with a link, ${COST_POST} for one without."
        yield _warning("cost.link", message, index)
    tags = cashtags(part.text)
    if len(tags) > MAX_CASHTAGS:
        message = f"X lets most apps post only {MAX_CASHTAGS} cashtag; this has {len(tags)}: ${', $'.join(tags)}."
        yield _warning("text.cashtags", message, index)
    for tag in dead_hashtags(part.text):
        yield _warning("text.dead_hashtag", f"#{tag} stays plain text: X makes no hashtag of digits alone.", index)


def _check_media(media: Sequence[Media], index: int, spec: Format) -> Iterator[Issue]:
    kinds = {one.facts.kind for one in media}
    if len(kinds) > 1:
        yield _error("media.mixed", "X takes pictures, or one GIF, or one video in a post, not a mix.", index)
    for kind in sorted(kinds):
        limit = spec.media.get(kind)
        count = sum(1 for one in media if one.facts.kind is kind)
        if limit is None:
            yield _error("media.kind", f"X takes no {kind} in a post.", index)
        elif count > limit.value:
            yield _error("media.too_many", f"X takes {limit.value} {kind} in a post; this has {count}.", index)
    for one in media:
        yield from _check_file(one, index, spec)


def _check_file(media: Media, index: int, spec: Format) -> Iterator[Issue]:
    facts = media.facts
    name = facts.path.name
    if facts.mime not in spec.mimes:
        yield _error("media.type", f"X does not take {name} ({facts.mime}); it takes {', '.join(spec.mimes)}.", index)
    largest = spec.media_bytes.get(facts.kind)
    if largest and facts.size > largest.value:
        message = f"{name} has {facts.size / 2**20:.1f} MB; X takes {largest.value / 2**20:.0f} MB of this kind."
        yield _error("media.too_large", message, index)
    if facts.size == 0:
        yield _error("media.empty", f"{name} is empty.", index)
    shortest, longest = VIDEO_SECONDS
    if facts.kind is MediaKind.VIDEO and facts.duration is not None and not shortest <= facts.duration <= longest:
        message = f"{name} lasts {facts.duration:.1f} s; X takes videos of {shortest} to {longest:.0f} s."
        yield _error("media.duration", message, index)
    if facts.width and facts.height and not _size_fits(facts.kind, facts.width, facts.height):
        message = f"{name} is {facts.width}x{facts.height}; that is outside what X documents, it may refuse it."
        yield _warning("media.pixels", message, index)
    if len(media.alt) > MAX_ALT.value:
        message = f"The description of {name} has {len(media.alt)} characters; X takes {MAX_ALT.value}."
        yield _error("alt.too_long", message, index)


def _size_fits(kind: MediaKind, width: int, height: int) -> bool:
    if kind is MediaKind.GIF:
        return width <= GIF_PIXELS[0] and height <= GIF_PIXELS[1]
    if kind is MediaKind.VIDEO:
        return min(width, height) >= VIDEO_PIXELS[0] and max(width, height) <= VIDEO_PIXELS[1]
    return True


def _check_repeats(parts: Sequence[Part]) -> Iterator[Issue]:
    seen: set[str] = set()
    for index, part in enumerate(parts):
        text = part.text.strip()
        if text and text in seen:
            yield _error("parts.repeated", "X refuses a post with the same text as another: change this part.", index)
        seen.add(text)


def _error(code: str, message: str, part: int) -> Issue:
    return Issue("error", code, message, part)


def _warning(code: str, message: str, part: int) -> Issue:
    return Issue("warning", code, message, part)
