"""Reading the fields of a request body: each has a type and a range, and what is wrong is told by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class RequestError(Exception):
    """The request cannot be served: an HTTP status, one sentence, and the field at fault."""

    def __init__(self, status: int, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.code = code


def json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; raises RequestError (400)."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"The request is not valid JSON ({error}).") from error
    if not isinstance(fields, dict):
        raise RequestError(400, "The request is not a JSON object.")
    return fields


def refuse(fields: Mapping[str, Any], unsupported: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse the first of the `unsupported` fields that says anything but one of its usual values, or null."""
    for name, usual in unsupported.items():
        if fields.get(name) is not None and fields[name] not in usual:
            raise RequestError(400, f"{name} is not supported by this engine.", field=name, code="unsupported_value")


def typed(fields: Mapping[str, Any], name: str, kind: type[T], usual: T) -> T:
    value = fields.get(name)
    if value is None:
        return usual
    if not isinstance(value, kind):
        raise RequestError(400, f"{name} must be of type {kind.__name__}.", field=name)
    return value


def number(fields: Mapping[str, Any], name: str, low: float, high: float, usual: float) -> float:
    value = fields.get(name)
    if value is None:
        return usual
    if not is_number(value) or not low <= value <= high:
        raise RequestError(400, f"{name} must be a number from {low} to {high}.", field=name)
    return float(value)


def integer(fields: Mapping[str, Any], name: str, low: int, high: int, usual: T) -> int | T:
    value = fields.get(name)
    if value is None:
        return usual
    if not is_integer(value) or not low <= value <= high:
        raise RequestError(400, f"{name} must be a whole number from {low} to {high}.", field=name)
    return int(value)


def text(value: object, where: str) -> str:
    """A text that can be encoded; raises RequestError (400)."""
    if not isinstance(value, str):
        raise RequestError(400, f"{where} must be a text.", field=where)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise RequestError(400, f"{where} holds half a surrogate pair, which is not text.", field=where)
    return value


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # a bool is an int to Python


def is_number(value: object) -> bool:
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))  # JSON as Python reads it has NaN


def depth(value: object) -> int:
    """How deep a JSON value is nested, found without recursion: it may be deeper than Python's stack."""
    deepest, left = 0, [(value, 1)]
    while left:
        inner, level = left.pop()
        deepest = max(deepest, level)
        children = inner.values() if isinstance(inner, Mapping) else inner if isinstance(inner, list) else ()
        left.extend((child, level + 1) for child in children)
    return deepest
