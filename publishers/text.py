"""Counting texts in the units platforms count in, and cutting them where a reader would.

Graphemes are extended grapheme clusters (UAX #29), found by `regex`'s \\X. The weights of twitter-text are the X
adapter's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import regex

from publishers.api import Unit

_GRAPHEME = regex.compile(r"\X")
_URL = regex.compile(r"(?:https?://|www\.)[!#-&(-;=?-~]+", regex.IGNORECASE)  # ASCII: Chinese follows without a space
_CLOSERS = "\"'”’»)\\]」』）】》"
_SENTENCE_END = regex.compile(
    rf"(?:[.!?…]+[{_CLOSERS}]*(?=\s|$)|[。！？｡]+[{_CLOSERS}]*|\n)"  # Latin ends need a space after, CJK ones none
)
_WORD_END = regex.compile(r"(?<=\S)(?=\s)|(?<=[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}])")


def count_graphemes(text: str) -> int:
    """What a person would call characters: a family emoji is one."""
    return sum(1 for _ in _GRAPHEME.finditer(text))


def count_characters(text: str) -> int:
    """Unicode code points."""
    return len(text)


def count_utf16(text: str) -> int:
    """UTF-16 code units: what JavaScript and Java call length."""
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)


def count_bytes(text: str) -> int:
    """Bytes of UTF-8. A lone surrogate counts as the three bytes of its replacement."""
    return len(text.encode("utf-8", "surrogatepass"))


_COUNTERS: dict[Unit, Callable[[str], int]] = {
    Unit.GRAPHEMES: count_graphemes,
    Unit.CHARACTERS: count_characters,
    Unit.UTF16: count_utf16,
    Unit.BYTES: count_bytes,
}


def count_in(unit: Unit, text: str) -> int:
    """The length of a text in a unit. Raises ValueError for WEIGHTED, whose weights are a platform's own."""
    if unit not in _COUNTERS:
        raise ValueError(f"{unit} are counted by the platform's adapter")
    return _COUNTERS[unit](text)


def cut_to_fit(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning of `text` that fits and ends well: at a sentence, else at a word, else at a grapheme.

    A sentence end is taken where it keeps at least a third of what would fit; another end gets "…". Never inside a
    grapheme or a URL. `fits` must hold for every beginning of a text that fits. Returns "" where nothing fits.
    """
    if fits(text):
        return text
    ends = [match.end() for match in _GRAPHEME.finditer(text)]
    longest = _last_that_fits(text, ends, fits)
    if longest == 0:
        return ""
    links = [match.span() for match in _URL.finditer(text)]
    whole = {end for end in ends if end <= longest}
    sentences = [match.end() for match in _SENTENCE_END.finditer(text) if match.end() in whole]
    if sentences and sentences[-1] * 3 >= longest:
        return text[: sentences[-1]].rstrip()
    words = [match.end() for match in _WORD_END.finditer(text) if match.end() in whole]
    if (cut := _marked(text, words, links, fits)) or not sentences:
        return cut or _marked(text, [end for end in ends if end in whole], links, fits)
    return text[: sentences[-1]].rstrip()


def _marked(text: str, ends: Sequence[int], links: Sequence[tuple[int, int]], fits: Callable[[str], bool]) -> str:
    """The longest beginning up to one of `ends`, outside links, that fits with the mark of a cut; else ""."""
    for end in reversed(ends):
        if any(start < end < stop for start, stop in links):
            continue
        beginning = text[:end].rstrip().rstrip(",;:–—-")
        mark = " …" if any(stop == len(beginning) for _, stop in links) else "…"  # it must not join the link
        if beginning and fits(beginning + mark):
            return beginning + mark
    return ""


def _last_that_fits(text: str, ends: list[int], fits: Callable[[str], bool]) -> int:
    """By bisection, the last of `ends` up to which the text fits; 0 where none does."""
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(text[: ends[middle - 1]]):
            low = middle
        else:
            high = middle - 1
    return ends[low - 1] if low else 0
