"""What a model writes around a post, taken off: wrappers, labels, loops."""

from __future__ import annotations

import re

_FENCE = re.compile(r"\A```[a-z]*\n(.*?)\n?```\Z", re.DOTALL)
_PREFACE = re.compile(r"\A(?:sure|of course|certainly|here(?:'s| is| are))\b[^\n]{0,120}:\s*\n+", re.IGNORECASE)
_LABEL = re.compile(r"\A(?:post|tweet|draft|caption|text)\s*:\s*", re.IGNORECASE)
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"), ("«", "»"), ("「", "」"))
_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?。！？]+|\n+|\Z)")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»）)]*\s*\Z|#\w+\s*\Z|https?://\S+\s*\Z|[\U0001F300-\U0001FAFF]\s*\Z")
_LOOP = 3  # the same sentence so often is a loop, not a style


def polish(text: str) -> str:
    """The post alone."""
    text = text.strip()
    if fenced := _FENCE.match(text):
        text = fenced.group(1).strip()
    text = _LABEL.sub("", _PREFACE.sub("", text)).strip()
    for opening, closing in _QUOTES:
        inner = text[1:-1]
        if len(text) > 1 and text.startswith(opening) and text.endswith(closing) and opening not in inner:
            text = inner.strip()
        if opening != "'" and text.startswith(opening) and text.count(opening) == 1 and closing not in text[1:]:
            text = text[1:].lstrip()  # opened and never closed
    return cut_loop(text)


def cut_loop(text: str) -> str:
    """End before a sentence comes the second time, where it comes at least three times."""
    seen: dict[str, list[int]] = {}
    for match in _SENTENCE.finditer(text):
        sentence = " ".join(match.group().split()).lower()
        if len(sentence) < 8:
            continue
        starts = seen.setdefault(sentence, [])
        starts.append(match.start())
        if len(starts) == _LOOP:
            return text[: starts[1]].rstrip()
    return text


def ends_whole(text: str) -> bool:
    """Whether a text ends like one that was meant to end there."""
    return bool(_SENTENCE_END.search(text))
