"""A chat completion request as it comes over HTTP, checked field by field.

Unknown fields are ignored, as OpenAI's clients expect. A known field that this engine does not support is refused by
name rather than ignored, unless it says what the engine does anyway.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from engine.protocol import ChatRequest, Message, Role, Sampling

T = TypeVar("T")

USUAL_MAX_TOKENS: Final = 512
MAX_MESSAGES: Final = 1000
MAX_STOPS: Final = 16
MAX_STOP_CHARS: Final = 200

# field -> values that mean "as usual"; None (absent) always does
_UNSUPPORTED: Final[Mapping[str, tuple[Any, ...]]] = {
    "n": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "modalities": (["text"],),
    "audio": (),
    "chat_template": (),
}


class RequestError(Exception):
    """The request cannot be served: an HTTP status, one sentence, and the field at fault."""

    def __init__(self, status: int, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.code = code


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A chat request and how its answer is to be sent."""

    chat: ChatRequest
    stream: bool
    include_usage: bool


def parse_completion_request(body: bytes) -> CompletionRequest:
    """Check a request body; raises RequestError (400)."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"The request is not valid JSON ({error}).") from error
    if not isinstance(fields, dict):
        raise RequestError(400, "The request is not a JSON object.")
    for name, usual in _UNSUPPORTED.items():
        if fields.get(name) is not None and fields[name] not in usual:
            raise RequestError(400, f"{name} is not supported by this engine.", field=name, code="unsupported_value")
    options = _typed(fields, "stream_options", dict, {})
    name = "max_completion_tokens" if fields.get("max_completion_tokens") is not None else "max_tokens"
    chat = ChatRequest(
        model=_typed(fields, "model", str, ""),
        messages=_messages(fields.get("messages")),
        max_tokens=_integer(fields, name, 1, 1 << 20, USUAL_MAX_TOKENS),
        sampling=_sampling(fields),
    )
    return CompletionRequest(
        chat=chat,
        stream=_typed(fields, "stream", bool, False),
        include_usage=_typed(options, "include_usage", bool, False),
    )


def _sampling(fields: Mapping[str, Any]) -> Sampling:
    usual = Sampling()
    return Sampling(
        temperature=_number(fields, "temperature", 0, 2, usual.temperature),
        top_p=_number(fields, "top_p", 0, 1, usual.top_p),
        top_k=_integer(fields, "top_k", 0, 1 << 20, usual.top_k),
        min_p=_number(fields, "min_p", 0, 1, usual.min_p),
        repetition_penalty=_number(fields, "repetition_penalty", 0.1, 10, usual.repetition_penalty),
        seed=_integer(fields, "seed", 0, (1 << 63) - 1, None),
        stop=_stops(fields.get("stop")),
    )


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MESSAGES:
        raise RequestError(400, f"messages must be a list of 1 to {MAX_MESSAGES} messages.", field="messages")
    return tuple(_message(entry, f"messages[{index}]") for index, entry in enumerate(value))


def _message(entry: object, where: str) -> Message:
    if not isinstance(entry, dict):
        raise RequestError(400, f"{where} is not an object.", field=where)
    role = _role(entry.get("role"), f"{where}.role")
    if entry.get("tool_calls"):
        raise RequestError(400, f"{where}.tool_calls is not supported by this engine.", field=f"{where}.tool_calls")
    content = entry.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not parts:
        raise RequestError(400, f"{where}.content must be a text or a list of text parts.", field=f"{where}.content")
    return Message(role=role, parts=tuple(_part(part, f"{where}.content[{i}]") for i, part in enumerate(parts)))


def _role(value: object, where: str) -> Role:
    match value:
        case "system" | "user" | "assistant":
            return value
        case "developer":  # OpenAI's newer name
            return "system"
    raise RequestError(400, f"{where} must be system, user or assistant.", field=where)


def _part(part: object, where: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise RequestError(400, f"{where} must be a part of type text with a text.", field=where)
    text: str = part["text"]
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise RequestError(400, f"{where} holds half a surrogate pair, which is not text.", field=where)
    return text


def _stops(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(stop, str) and 1 <= len(stop) <= MAX_STOP_CHARS for stop in stops)
    ):
        message = f"stop must be a text or a list of up to {MAX_STOPS} texts of 1 to {MAX_STOP_CHARS} characters."
        raise RequestError(400, message, field="stop")
    return tuple(stops)


def _typed(fields: Mapping[str, Any], name: str, kind: type[T], usual: T) -> T:
    value = fields.get(name)
    if value is None:
        return usual
    if not isinstance(value, kind):
        raise RequestError(400, f"{name} must be of type {kind.__name__}.", field=name)
    return value


def _number(fields: Mapping[str, Any], name: str, low: float, high: float, usual: float) -> float:
    value = fields.get(name)
    if value is None:
        return usual
    # bool is an int to Python; JSON as Python reads it may hold NaN
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high or math.isnan(value):
        raise RequestError(400, f"{name} must be a number from {low} to {high}.", field=name)
    return float(value)


def _integer(fields: Mapping[str, Any], name: str, low: int, high: int, usual: T) -> int | T:
    value = fields.get(name)
    if value is None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RequestError(400, f"{name} must be a whole number from {low} to {high}.", field=name)
    return value
