"""One answer in the form of OpenAI's API: as chunks while it grows, and as a whole at its end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Final, Protocol

from engine.logprobs import chat_logprobs, text_logprobs
from engine.protocol import Delta, FinishReason, TokenLogprob
from engine.tokenizer import TextTokenizer
from engine.tool_calls import CallBegun, Piece, ToolCallReader

JsonObject = dict[str, Any]


class Choice(Protocol):
    """A choice of an answer. What `begin`, `take` and `end` return are the choices of chunks."""

    @property
    def answer_kind(self) -> str: ...

    @property
    def chunk_kind(self) -> str: ...

    @property
    def id_prefix(self) -> str: ...

    def begin(self) -> Iterator[JsonObject]: ...

    def take(self, delta: Delta) -> Iterator[JsonObject]: ...

    def end(self, reason: FinishReason) -> Iterator[JsonObject]: ...

    def whole(self) -> JsonObject:
        """The choice of a complete answer, after its end."""


class ChatChoice:
    """A choice of a chat completion; `calls` reads the tool calls in its text, where there may be any."""

    answer_kind: Final = "chat.completion"
    chunk_kind: Final = "chat.completion.chunk"
    id_prefix: Final = "chatcmpl"

    def __init__(self, index: int, tokenizer: TextTokenizer, *, logprobs: bool, calls: ToolCallReader | None) -> None:
        self._index = index
        self._tokenizer = tokenizer
        self._logprobs = logprobs
        self._reader = calls
        self._text = ""
        self._calls: list[JsonObject] = []
        self._tokens: list[TokenLogprob] = []
        self._reason: FinishReason | None = None

    def begin(self) -> Iterator[JsonObject]:
        yield self._chunk({"role": "assistant", "content": "", "refusal": None})

    def take(self, delta: Delta) -> Iterator[JsonObject]:
        self._tokens += delta.tokens
        pieces: list[Piece] = [delta.text] if self._reader is None else self._reader.push(delta.text)
        yield from self._chunks(pieces, delta.tokens)

    def end(self, reason: FinishReason) -> Iterator[JsonObject]:
        if self._reader is not None:
            yield from self._chunks(self._reader.finish(), ())
        called = reason is FinishReason.STOP and self._calls
        self._reason = FinishReason.TOOL_CALLS if called else reason
        yield self._chunk({}, reason=self._reason)

    def whole(self) -> JsonObject:
        message: JsonObject = {"role": "assistant", "content": self._text, "refusal": None}
        if self._calls:
            message |= {"content": self._text or None, "tool_calls": self._calls}
        told = chat_logprobs(self._tokenizer, self._tokens) if self._logprobs else None
        return {"index": self._index, "message": message, "logprobs": told, "finish_reason": self._reason}

    def _chunks(self, pieces: list[Piece], tokens: tuple[TokenLogprob, ...]) -> Iterator[JsonObject]:
        """A chunk for each piece; the first one tells the tokens."""
        deltas = [self._delta(piece) for piece in pieces if piece]
        if tokens and not deltas:
            deltas = [{}]
        for delta in deltas:
            yield self._chunk(delta, tokens=tokens)
            tokens = ()

    def _delta(self, piece: Piece) -> JsonObject:
        if isinstance(piece, str):
            self._text += piece
            return {"content": piece}
        if isinstance(piece, CallBegun):
            call = {"id": f"call_{secrets.token_hex(12)}", "type": "function"}
            self._calls.append({**call, "function": {"name": piece.name, "arguments": ""}})
            return {"tool_calls": [{"index": piece.index, **call, "function": {"name": piece.name, "arguments": ""}}]}
        self._calls[piece.index]["function"]["arguments"] += piece.text
        return {"tool_calls": [{"index": piece.index, "function": {"arguments": piece.text}}]}

    def _chunk(
        self, delta: JsonObject, *, tokens: tuple[TokenLogprob, ...] = (), reason: FinishReason | None = None
    ) -> JsonObject:
        told = chat_logprobs(self._tokenizer, tokens) if tokens else None
        return {"index": self._index, "delta": delta, "logprobs": told, "finish_reason": reason}


class TextChoice:
    """A choice of a text completion."""

    answer_kind: Final = "text_completion"
    chunk_kind: Final = "text_completion"
    id_prefix: Final = "cmpl"

    def __init__(self, index: int, tokenizer: TextTokenizer, *, logprobs: bool) -> None:
        self._index = index
        self._tokenizer = tokenizer
        self._logprobs = logprobs
        self._text = ""
        self._tokens: list[TokenLogprob] = []
        self._reason: FinishReason | None = None

    def begin(self) -> Iterator[JsonObject]:
        return iter(())

    def take(self, delta: Delta) -> Iterator[JsonObject]:
        yield self._choice(delta.text, delta.tokens, len(self._text))
        self._text += delta.text
        self._tokens += delta.tokens

    def end(self, reason: FinishReason) -> Iterator[JsonObject]:
        self._reason = reason
        yield self._choice("", (), len(self._text))

    def whole(self) -> JsonObject:
        return self._choice(self._text, tuple(self._tokens), 0)

    def _choice(self, text: str, tokens: tuple[TokenLogprob, ...], offset: int) -> JsonObject:
        told = text_logprobs(self._tokenizer, tokens, offset) if self._logprobs else None
        return {"index": self._index, "text": text, "logprobs": told, "finish_reason": self._reason}
