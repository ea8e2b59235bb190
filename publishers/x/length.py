"""How long a text is for X: weighted characters, twitter-text version 3."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import regex

from publishers.x.emoji import emoji_end
from publishers.x.facts import Weights, facts
from publishers.x.links import find_links

REFUSED = regex.compile("[\ufffe\ufeff\uffff]")
"""Characters X refuses in any text: two noncharacters and the byte order mark."""


@dataclass(frozen=True, slots=True)
class Length:
    """A text measured after normalisation to NFC."""

    used: int  # weighted characters, a started one counts whole
    limit: int
    valid: bool  # not empty, within the limit, no refused character
    fits: int  # how many code points of the NFC text stand before the first that is too much or refused

    @property
    def permillage(self) -> int:
        """The share of the limit that is used, in thousandths."""
        return self.used * 1000 // self.limit


def measure(text: str, weights: Weights | None = None) -> Length:
    """The length of `text` for X; `weights` replaces the current rules by an older version of them."""
    weights = weights or facts().weights
    text = unicodedata.normalize("NFC", text)
    links = {link.start: link.end for link in find_links(text)}
    allowed = weights.limit * weights.scale
    weight = position = fits = 0
    clean = True
    while position < len(text):
        if position in links:
            end, own = links[position], weights.link * weights.scale
        elif weights.emoji and (end := emoji_end(text, position)) > position:
            own = weights.default
        else:
            end, own = position + 1, weights.of(text[position])
            clean = clean and not REFUSED.match(text, position)
        weight += own
        if clean and weight <= allowed:
            fits = end
        position = end
    return Length(
        used=-(-weight // weights.scale),
        limit=weights.limit,
        valid=clean and 0 < weight <= allowed,
        fits=fits,
    )
