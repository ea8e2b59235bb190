"""X's refusals as it words them."""

from __future__ import annotations

from typing import Any

from publishers.testing.wire import Answer

_TYPES = "https://api.x.com/2/problems/"
_JSON = {"Content-Type": "application/problem+json; charset=utf-8"}


class Refused(Exception):
    """Ends a call with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def plain(status: int, title: str, detail: str) -> Refused:
    """A refusal without a type of its own."""
    return _problem(status, {"title": title, "detail": detail, "type": "about:blank", "status": status})


def invalid(detail: str, **more: Any) -> Refused:
    """400: a parameter or field is wrong."""
    return _problem(400, {"title": "Invalid Request", "detail": detail, "type": f"{_TYPES}invalid-request", **more})


def not_found(resource: str, parameter: str, value: str) -> dict[str, str]:
    """The problem of one missing thing, alone or among the errors of a 200."""
    return {
        "title": "Not Found Error",
        "detail": f"Could not find {resource} with {parameter}: [{value}].",
        "type": f"{_TYPES}resource-not-found",
        "resource_type": resource,
        "resource_id": value,
        "parameter": parameter,
        "value": value,
    }


def missing(resource: str, parameter: str, value: str) -> Refused:
    """404."""
    return _problem(404, {**not_found(resource, parameter, value), "status": 404})


def unauthorized() -> Refused:
    """401: no valid token."""
    return plain(401, "Unauthorized", "Unauthorized")


def forbidden(scope: str) -> Refused:
    """403: the token lacks a scope."""
    return plain(403, "Forbidden", f"You are not permitted to use this endpoint without the scope {scope}.")


def duplicate() -> Refused:
    """403 without a code: only the sentence tells."""
    return plain(403, "Forbidden", "You are not allowed to create a Tweet with duplicate content.")


def _problem(status: int, body: dict[str, Any]) -> Refused:
    return Refused(Answer.of(body, status, _JSON))
