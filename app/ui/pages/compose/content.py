"""An editor's text and a channel's content: a thread's parts stand between blank lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from app.core.words import Channel
from app.drafting import fit
from publishers import registry
from publishers.api import Content, Count, Part

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


def is_thread(channel: Channel) -> bool:
    return registry.get(channel.platform).capabilities.format(channel.format).parts > 1


def to_content(text: str, channel: Channel, before: Content) -> Content:
    """`before` with this text; files stay with the part of the same number."""
    texts = [part for part in _BLANK_LINE.split(text.strip()) if part] or [""] if is_thread(channel) else [text]
    old = before.parts
    parts = tuple(
        replace(old[place], text=said) if place < len(old) else Part(said) for place, said in enumerate(texts)
    )
    return replace(before, parts=parts)


@dataclass(frozen=True, slots=True)
class Measured:
    """A text in its channel's unit: the longest part, and the stretch of the whole text that is too much."""

    count: Count
    part: int
    parts: int
    over: tuple[tuple[int, int], ...]  # begin and end in the text, Python characters


def measure(text: str, channel: Channel) -> Measured:
    adapter = registry.get(channel.platform)
    spans = _spans(text) if is_thread(channel) else [(0, len(text))]
    counts = [adapter.count(text[begin:end], channel.format) for begin, end in spans]
    worst = max(range(len(counts)), key=lambda place: counts[place].used)
    over = tuple(
        (begin + _fitting(text[begin:end], channel), end)
        for (begin, end), count in zip(spans, counts, strict=True)
        if not count.fits
    )
    return Measured(counts[worst], worst, len(spans), over)


def shortened(text: str, channel: Channel) -> str:
    """Each part cut at the end of a sentence where it is too long; the text as it is where nothing would be left."""
    parts = _BLANK_LINE.split(text) if is_thread(channel) else [text]
    return "\n\n".join(fit.cut(part, channel) or part for part in parts)


def _spans(text: str) -> list[tuple[int, int]]:
    begin, spans = 0, []
    for gap in _BLANK_LINE.finditer(text):
        spans.append((begin, gap.start()))
        begin = gap.end()
    return [*spans, (begin, len(text))]


def _fitting(text: str, channel: Channel) -> int:
    """The length of the longest beginning that fits, by bisection."""
    adapter = registry.get(channel.platform)
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if adapter.count(text[:middle], channel.format).fits:
            low = middle
        else:
            high = middle - 1
    return low
