"""Fit a text to its channel: split a thread into its parts, measure, and cut at a sentence where all else failed."""

from __future__ import annotations

import re

from app.core.words import Channel
from publishers import registry
from publishers.api import Content, Part
from publishers.text import cut_to_fit

_BLANK_LINE = re.compile(r"\n\s*\n")
_PART_NUMBER = re.compile(r"\A(?:\d{1,2}\s*/\s*\d{0,2}|\d{1,2}[.)])\s+")


def as_content(text: str, channel: Channel) -> Content:
    """Text as the channel's content: one part, or for a thread one part for each paragraph (long ones in several)."""
    adapter = registry.get(channel.platform)
    format_ = adapter.capabilities.format(channel.format)
    if format_.parts == 1:
        return Content.plain(text)
    parts: list[Part] = []
    for paragraph in _BLANK_LINE.split(text):
        rest = _PART_NUMBER.sub("", paragraph.strip())
        while rest:
            piece = cut_to_fit(rest, lambda candidate: adapter.count(candidate, channel.format).fits)
            whole = piece.removesuffix("…") if not rest.startswith(piece) else piece
            if not whole:
                break
            parts.append(Part(whole.strip()))
            rest = rest[len(whole) :].lstrip(" ,;:\n")
    return Content(tuple(parts[: format_.parts]))


def fits(content: Content, channel: Channel) -> bool:
    """Whether every part is within the channel's limit by the channel's own count."""
    adapter = registry.get(channel.platform)
    return all(adapter.count(part.text, channel.format).fits for part in content.parts)


def cut(text: str, channel: Channel) -> str:
    """The longest beginning that fits and ends well; "" where nothing does."""
    adapter = registry.get(channel.platform)
    return cut_to_fit(text, lambda candidate: adapter.count(candidate, channel.format).fits)
