"""Answers that must follow a grammar: which tokens may come next, by llguidance.

A grammar is text in llguidance's Lark dialect, in which `%json {…}` stands for the JSON that a schema describes.
Grammars come from outside. Their size and depth are bounded here, before anything recursive sees them; the work of
compiling and following them is bounded by llguidance's own limits, which are left as they are.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.fields import depth
from engine.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

MAX_SCHEMA_CHARS: Final = 1 << 17
MAX_SCHEMA_DEPTH: Final = 64
# As json.dumps writes. One spelling only: where white space is free, small models write nothing else.
_SPELLING: Final = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class StructureError(Exception):
    """The schema cannot be followed; the message is one sentence."""


def json_rule(schema: Mapping[str, Any], *, lenient: bool = False) -> str:
    """The grammar expression for the JSON that `schema` describes. Raises StructureError.

    lenient: keywords that llguidance does not know are ignored instead of refused.
    """
    if depth(schema) > MAX_SCHEMA_DEPTH:
        raise StructureError(f"The schema is nested more than {MAX_SCHEMA_DEPTH} levels deep.")
    text = json.dumps({**schema, "x-guidance": {**_SPELLING, "lenient": lenient}}, ensure_ascii=False)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise StructureError("The schema holds half a surrogate pair, which is not text.")
    if len(text) > MAX_SCHEMA_CHARS:
        raise StructureError(f"The schema is longer than {MAX_SCHEMA_CHARS >> 10} Ki characters.")
    return f"%json {text}"


class Structures:
    """Compiles grammars for one vocabulary. Its own table of the vocabulary is made at the first one.

    Safe to use from several threads.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._table: LLTokenizer | None = None
        self._lock = threading.Lock()

    def compile(self, grammar: str) -> Structure:
        """Raises StructureError where the grammar is wrong, too large, or allows no answer at all."""
        from llguidance import LLMatcher, LLParserLimits  # loads in milliseconds, and few requests need it

        matcher = LLMatcher(self._vocabulary(), grammar, log_level=0, limits=LLParserLimits(verbose_errors=False))
        if not matcher.is_error():
            matcher.compute_bitmask()
        if matcher.is_error():
            raise StructureError(f"The schema cannot be followed ({_sentence(matcher.get_error())}).")
        return Structure(matcher)

    def _vocabulary(self) -> LLTokenizer:
        from llguidance import LLTokenizer, TokenizerWrapper

        with self._lock:
            if self._table is None:
                ends = sorted(self._tokenizer.vocabulary.end_ids)
                wrapped = TokenizerWrapper(_Vocabulary(self._tokenizer))
                self._table = LLTokenizer(wrapped, eos_token=ends, slices=LLTokenizer.json_slices())
            return self._table


class Structure:
    """How far one answer has followed its grammar. An end token is allowed only where the grammar may end."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def fork(self) -> Structure:
        """The same state for another answer."""
        return Structure(self._matcher.deep_copy())

    def allowed(self, size: int) -> NDArray[np.uint8]:
        """(size,) 1 where a token may come next, else 0. Raises StructureError where the grammar became too complex."""
        packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        bits = np.unpackbits(packed, count=min(size, 8 * len(packed)), bitorder="little")
        return bits if len(bits) == size else np.pad(bits, (0, size - len(bits)))

    def accept(self, token: int) -> bool:
        """Go on by a token that was allowed; True when nothing but an end may follow."""
        self._matcher.consume_token(token)
        self._check()
        return self._matcher.is_stopped()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise StructureError(f"The schema became too complex to follow ({_sentence(self._matcher.get_error())}).")


class _Vocabulary:
    """A vocabulary as llguidance asks for it."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        vocabulary = tokenizer.vocabulary
        pieces = [tokenizer.piece(token) for token in range(len(vocabulary.tokens))]
        self.special_token_ids = [token for token, piece in enumerate(pieces) if not piece]
        self.tokens = [piece or vocabulary.tokens[token].encode() for token, piece in enumerate(pieces)]
        self.eos_token_id = min(vocabulary.end_ids)
        self.bos_token_id = vocabulary.bos
        self._encode = tokenizer.encode

    def __call__(self, text: bytes) -> list[int]:
        return self._encode(text.decode(), control=False)


def _sentence(error: str) -> str:
    """What llguidance says is wrong, without the excerpt of the grammar that follows it."""
    said = re.split(r"\n *\d+ \| |\n<non-verbose/>", error)[0].rsplit("failed to compile JSON schema: ")[-1]
    if said.startswith("NoExtension"):
        return "no answer of finite length fits it"
    return " ".join(said.rsplit("error: ")[-1].split())[:300].rstrip(".")
