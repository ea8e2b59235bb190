"""Where an emoji ends: X weighs a whole emoji sequence as one sign (UTS #51, the sequences Unicode recommends)."""

from __future__ import annotations

import regex

from publishers.x.facts import facts

_ZWJ = "\N{ZERO WIDTH JOINER}"
_EMOJI_STYLE, _TEXT_STYLE = "\N{VARIATION SELECTOR-16}", "\N{VARIATION SELECTOR-15}"
_TONE = r"[\U0001F3FB-\U0001F3FF]"
_KEYCAP = regex.compile(rf"[0-9#*]{_EMOJI_STYLE}?\N{{COMBINING ENCLOSING KEYCAP}}")
_FLAG = regex.compile(r"[\U0001F1E6-\U0001F1FF]{2}")
_TAGGED = regex.compile(r"\U0001F3F4([\U000E0020-\U000E007E]+)\U000E007F")
_SIGN = rf"(?:\p{{Emoji_Modifier_Base}}{_TONE}|(?![0-9#*])\p{{Emoji}}{_EMOJI_STYLE}?)"
_CHAIN = regex.compile(rf"{_SIGN}(?:{_ZWJ}{_SIGN}){{0,7}}")  # no recommended sequence joins more
_STANDS_ALONE = regex.compile(
    rf"\p{{Emoji_Modifier_Base}}{_TONE}|(?![0-9#*])\p{{Emoji}}{_EMOJI_STYLE}|\p{{Emoji_Presentation}}(?!{_TEXT_STYLE})"
)
_STYLE = regex.compile(rf"{_TONE}|{_EMOJI_STYLE}")


def emoji_end(text: str, start: int) -> int:
    """Where the emoji that begins at `start` ends, or `start` where none begins.

    A sequence Unicode does not recommend ends after the part that stands alone, as X's own reader has it.
    """
    if keycap := _KEYCAP.match(text, start):
        return int(keycap.end())
    if flag := _FLAG.match(text, start):
        region = "".join(chr(ord(letter) - 0x1F1E6 + ord("A")) for letter in flag.group())
        return int(flag.end()) if region in facts().regions else start + 1
    tagged = _TAGGED.match(text, start)
    if tagged and "".join(chr(ord(tag) - 0xE0000) for tag in tagged.group(1)) in facts().subdivisions:
        return int(tagged.end())
    if chain := _CHAIN.match(text, start):
        signs = chain.group().split(_ZWJ)
        for count in range(len(signs), 1, -1):
            bare = tuple(_STYLE.sub("", sign) for sign in signs[:count])
            if bare in facts().joined:
                return start + len(_ZWJ.join(signs[:count]))
    alone = _STANDS_ALONE.match(text, start)
    return int(alone.end()) if alone else start
