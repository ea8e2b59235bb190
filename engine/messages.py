"""The conversation and the documents of a chat request, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from engine.fields import RequestError, depth, text
from engine.protocol import Message, Role, ToolCall

MAX_MESSAGES: Final = 1000
MAX_TOOL_CALLS: Final = 128  # in one message
MAX_DOCUMENTS: Final = 1000
MAX_DEPTH: Final = 64  # of a call's arguments


def parse_messages(value: object) -> tuple[Message, ...]:
    """Raises RequestError (400)."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MESSAGES:
        raise RequestError(400, f"messages must be a list of 1 to {MAX_MESSAGES} messages.", field="messages")
    return tuple(_message(entry, f"messages[{index}]") for index, entry in enumerate(value))


def parse_documents(value: object) -> tuple[Mapping[str, str], ...]:
    """The texts that the answer is to stay with: objects of texts, such as doc_id, title, text. Raises RequestError."""
    documents = [] if value is None else value
    if (
        not isinstance(documents, list)
        or len(documents) > MAX_DOCUMENTS
        or not all(isinstance(document, dict) and document for document in documents)
    ):
        message = f"documents must be a list of up to {MAX_DOCUMENTS} objects, such as {{title, text}}."
        raise RequestError(400, message, field="documents")
    return tuple(
        {text(name, f"documents[{i}]"): text(value, f"documents[{i}].{name[:40]}") for name, value in document.items()}
        for i, document in enumerate(documents)
    )


def _message(entry: object, where: str) -> Message:
    if not isinstance(entry, dict):
        raise RequestError(400, f"{where} is not an object.", field=where)
    role = _role(entry.get("role"), f"{where}.role")
    calls = _tool_calls(entry.get("tool_calls"), f"{where}.tool_calls")
    if calls and role != "assistant":
        raise RequestError(400, f"{where}.tool_calls belongs to an assistant's message.", field=f"{where}.tool_calls")
    answered = entry.get("tool_call_id")
    if role == "tool" and not isinstance(answered, str):
        raise RequestError(400, f"{where}.tool_call_id must name the call it answers.", field=f"{where}.tool_call_id")
    content = entry.get("content")
    if calls and content in (None, "", []):
        return Message(role=role, parts=(), tool_calls=calls)
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not parts:
        raise RequestError(400, f"{where}.content must be a text or a list of text parts.", field=f"{where}.content")
    return Message(
        role=role,
        parts=tuple(_part(part, f"{where}.content[{i}]") for i, part in enumerate(parts)),
        tool_calls=calls,
        tool_call_id=text(answered, f"{where}.tool_call_id") if role == "tool" else "",
    )


def _role(value: object, where: str) -> Role:
    match value:
        case "system" | "user" | "assistant" | "tool":
            return value
        case "developer":  # OpenAI's newer name
            return "system"
    raise RequestError(400, f"{where} must be system, user, assistant or tool.", field=where)


def _part(part: object, where: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise RequestError(400, f"{where} must be a part of type text with a text.", field=where)
    return text(part["text"], where)


def _tool_calls(value: object, where: str) -> tuple[ToolCall, ...]:
    calls = [] if value is None else value
    if not isinstance(calls, list) or len(calls) > MAX_TOOL_CALLS:
        raise RequestError(400, f"{where} must be a list of up to {MAX_TOOL_CALLS} calls.", field=where)
    return tuple(_tool_call(call, f"{where}[{i}]") for i, call in enumerate(calls))


def _tool_call(call: object, where: str) -> ToolCall:
    function: Any = (
        call.get("function") if isinstance(call, dict) and call.get("type", "function") == "function" else None
    )
    if not isinstance(function, dict):
        raise RequestError(400, f"{where} must be a call of type function.", field=where)
    arguments = text(function.get("arguments"), f"{where}.function.arguments") or "{}"
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict) or depth(parsed) > MAX_DEPTH:
        message = f"{where}.function.arguments must be the text of a JSON object."
        raise RequestError(400, message, field=f"{where}.function.arguments")
    identity = call.get("id") if isinstance(call, dict) else None
    name = text(function.get("name"), f"{where}.function.name")
    return ToolCall(text(identity or "", f"{where}.id"), name, arguments)
