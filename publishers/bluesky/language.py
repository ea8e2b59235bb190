"""The languages a post names (`langs`): what the creator chose, else a careful guess from the script."""

from __future__ import annotations

import regex

_TAG = regex.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?")  # RFC 5646, without rare parts
_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_HANGUL = regex.compile(r"\p{Hangul}")
_OTHER_LETTER = regex.compile(r"[^\P{L}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_WORD = regex.compile(r"[a-z']+", regex.IGNORECASE)
_ENGLISH = regex.compile(
    r"\b(?:an?|and|are|as|at|be|but|by|can|do|for|from|has|have|how|i|in|is|it|my|not|of|on|or|our|so|that|the|their|"
    r"they|this|to|was|we|what|when|which|will|with|your?)\b",
    regex.IGNORECASE,
)


def is_language_tag(text: str) -> bool:
    """Whether `text` is a language tag every Bluesky server takes, e.g. "en", "pt-BR", "zh-Hant"."""
    return _TAG.fullmatch(text) is not None


def guess_languages(text: str) -> list[str]:
    """At most one of ja, zh, ko, en. Empty where the script does not tell: a wrong label hides a post from readers."""
    han, kana, hangul = (len(pattern.findall(text)) for pattern in (_HAN, _KANA, _HANGUL))
    east_asian = han + kana + hangul
    if east_asian and east_asian * 4 >= len(_OTHER_LETTER.findall(text)):
        if hangul * 2 > east_asian:
            return ["ko"]
        return ["ja"] if kana * 8 >= east_asian else ["zh"]  # a lone の is fashion in Chinese, not Japanese
    words = len(_WORD.findall(text))
    if text.isascii() and words >= 4 and len(_ENGLISH.findall(text)) * 5 >= words:
        return ["en"]
    return []
