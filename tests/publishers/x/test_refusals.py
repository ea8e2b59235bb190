"""What X's refusals mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from publishers.errors import ErrorKind, Executed
from publishers.http import Response
from publishers.x.refusals import explain, explain_media

OLD = "https://api.twitter.com/2/problems/"
PROBLEMS = "https://api.x.com/2/problems/"


def response(status: int, body: Any) -> Response:
    return Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "body", "kind", "executed", "code"),
    [
        (400, {"type": PROBLEMS + "invalid-request", "title": "a", "detail": "b"}, "content", "no", "invalid-request"),
        (403, {"type": PROBLEMS + "client-forbidden", "title": "a"}, "permission", "no", "client-forbidden"),
        (429, {"type": PROBLEMS + "usage-capped", "title": "a"}, "quota", "no", "usage-capped"),
        (404, {"type": OLD + "resource-not-found"}, "not_found", "no", "resource-not-found"),
        (503, {"type": PROBLEMS + "internal-error"}, "platform_down", "unknown", "internal-error"),
        (429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, "rate", "no", "88"),
        (403, {"errors": [{"code": 187, "message": "Status is a duplicate."}]}, "duplicate", "unknown", "187"),
        (401, {"errors": [{"code": 89, "message": "Invalid or expired token."}]}, "auth", "no", "89"),
        (403, {"errors": [{"code": 326}]}, "permission", "no", "326"),
        (
            403,
            {"detail": "You are not allowed to create a Tweet with duplicate content.", "type": "about:blank"},
            "duplicate",
            "unknown",
            "duplicate",
        ),
        (403, {"detail": "You are not permitted to do this.", "type": "about:blank"}, "permission", "no", "403"),
        (400, {"errors": [{"message": "text is missing"}]}, "content", "no", "400"),
    ],
)  # fmt: skip
def test_kinds(status: int, body: dict, kind: str, executed: str, code: str) -> None:
    error = explain(response(status, body))
    assert error is not None
    assert (error.kind, error.executed, error.platform_code) == (ErrorKind(kind), Executed(executed), code)


def test_an_invalid_media_request_is_about_the_file() -> None:
    error = explain_media(response(400, {"type": PROBLEMS + "invalid-request", "detail": "File size exceeds 5 bytes."}))
    assert error is not None
    assert error.kind is ErrorKind.MEDIA
    assert "File size exceeds 5 bytes." in error.user_message


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", {"type": 7}, {"errors": "no"}, {"errors": [3]}, {"errors": []}, {"detail": {}}],
)
def test_what_cannot_be_read_is_left_to_the_general_rules(body: Any) -> None:
    assert explain(response(404, body)) is None


def test_the_reason_is_one_short_line() -> None:
    error = explain(response(400, {"detail": "a\r\nb\u202e\x1b[31m" + "c" * 500}))
    assert error is not None
    assert "a b [31mc" in error.user_message
    assert len(error.user_message) < 300


def test_a_sentence_that_only_quotes_duplicate_content_elsewhere_is_none() -> None:
    error = explain(response(400, {"detail": "duplicate content", "type": PROBLEMS + "invalid-request"}))
    assert error is not None
    assert error.kind is ErrorKind.CONTENT
