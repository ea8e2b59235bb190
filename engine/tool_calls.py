"""Calls in an answer as it streams: text, and between the marks of a call its name and its arguments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from engine.stop import begun
from engine.tools import AFTER_NAME, BEFORE_NAME, CLOSING, OPENING


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The call number `index` of an answer, from 0."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsPiece:
    """More of the arguments of call number `index`."""

    index: int
    text: str


Piece = str | CallBegun | ArgumentsPiece  # str: text of the answer itself


class _Place(Enum):
    TEXT = auto()
    NAME = auto()
    ARGUMENTS = auto()


_ENDS: Final = {_Place.TEXT: OPENING, _Place.NAME: AFTER_NAME, _Place.ARGUMENTS: CLOSING}


class ToolCallReader:
    """Reads answers that follow engine.tools.answer_grammar; an answer may be cut off anywhere."""

    def __init__(self) -> None:
        self.calls = 0
        self._place = _Place.TEXT
        self._held = ""  # may turn out to begin the mark that ends this place
        self._blank = ""  # white space that is shown only if more text follows
        self._name = self._arguments = ""  # of the call that is being read

    def push(self, text: str) -> list[Piece]:
        """What the next piece of the answer brings."""
        pieces: list[Piece] = []
        self._held += text
        while True:
            mark = _ENDS[self._place]
            before, found, after = self._held.partition(mark)
            if not found:
                kept = begun(before, mark)
                pieces += self._read(before[: len(before) - kept])
                self._held = before[len(before) - kept :]
                return pieces
            pieces += self._read(before)
            pieces += self._leave()
            self._held = after

    def finish(self) -> list[Piece]:
        """What was held back and turned out to be no mark."""
        # behind whole arguments it is a mark that was cut off
        if self._place is _Place.ARGUMENTS and _is_json(self._arguments):
            return []
        pieces = self._read(self._held)
        if self._blank and not self.calls:
            pieces.append(self._blank)
        return pieces

    def _read(self, text: str) -> list[Piece]:
        match self._place:
            case _Place.TEXT:
                text = self._blank + text
                shown = text.rstrip()
                self._blank = text[len(shown) :]
                return [shown] if shown else []
            case _Place.NAME:
                self._name += text
                return []
            case _Place.ARGUMENTS:
                self._arguments += text
                return [ArgumentsPiece(self.calls - 1, text)] if text else []

    def _leave(self) -> list[Piece]:
        match self._place:
            case _Place.TEXT:
                self._place, self._blank = _Place.NAME, ""
                return []
            case _Place.NAME:
                name, self._name, self._arguments = self._name.removeprefix(BEFORE_NAME), "", ""
                self._place = _Place.ARGUMENTS
                self.calls += 1
                return [CallBegun(self.calls - 1, name)]
            case _Place.ARGUMENTS:
                self._place = _Place.TEXT
                return []


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
