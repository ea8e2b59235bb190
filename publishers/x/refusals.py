"""Reading X's refusals: problem documents by type, older errors by code (docs.x.com: response-codes-and-errors)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import Response

_PROBLEM = re.compile(r"https://api\.(?:x|twitter)\.com/2/problems/([a-z-]{1,60})")  # the old host is still met
_KIND_OF_TYPE = {  # last part of a problem's `type`
    "invalid-request": ErrorKind.CONTENT,
    "resource-not-found": ErrorKind.NOT_FOUND,
    "not-authorized-for-resource": ErrorKind.PERMISSION,
    "not-authorized-for-field": ErrorKind.PERMISSION,
    "client-forbidden": ErrorKind.PERMISSION,
    "disallowed-resource": ErrorKind.PERMISSION,
    "usage-capped": ErrorKind.QUOTA,
    "rate-limit-exceeded": ErrorKind.RATE,
    "internal-error": ErrorKind.PLATFORM_DOWN,
    "resource-unavailable": ErrorKind.PLATFORM_DOWN,
}
_KIND_OF_CODE = {  # errors[].code, from API v1.1 and still sent
    32: ErrorKind.AUTH,  # could not authenticate
    89: ErrorKind.AUTH,  # invalid or expired token
    64: ErrorKind.PERMISSION,  # account suspended
    326: ErrorKind.PERMISSION,  # account locked
    453: ErrorKind.PERMISSION,  # access level too low
    88: ErrorKind.RATE,
    185: ErrorKind.QUOTA,  # daily limit of posts
    186: ErrorKind.CONTENT,  # too long
    187: ErrorKind.DUPLICATE,
    130: ErrorKind.PLATFORM_DOWN,  # over capacity
    131: ErrorKind.PLATFORM_DOWN,
}
_SENTENCE = {
    ErrorKind.AUTH: "X no longer accepts the sign-in: connect the account again.",
    ErrorKind.PERMISSION: "X does not let this account or app do that",
    ErrorKind.QUOTA: "The app's allowance at X is used up; raise it at developer.x.com or wait until it starts anew",
    ErrorKind.RATE: "X asks to slow down; Quarry tries again by itself.",
    ErrorKind.CONTENT: "X refuses the post as it is; change it and try again",
    ErrorKind.MEDIA: "X refuses the file; replace it and try again",
    ErrorKind.DUPLICATE: "X says that it already has a post with this text; Quarry looks for it before anything else.",
    ErrorKind.NOT_FOUND: "X does not have what was asked for; it may have been deleted",
    ErrorKind.PLATFORM_DOWN: "X has a problem of its own; Quarry checks before it tries again.",
}


def explain(response: Response) -> PublishError | None:
    """What a refusal of the posts and users routes means; None leaves it to the general rules."""
    return _explain(response, ErrorKind.CONTENT)


def explain_media(response: Response) -> PublishError | None:
    """The same for the media routes, where an invalid request is about the file."""
    return _explain(response, ErrorKind.MEDIA)


def _explain(response: Response, invalid: ErrorKind) -> PublishError | None:
    try:
        problem = response.json()
    except PublishError:
        return None
    if not isinstance(problem, Mapping):
        return None
    kind, code = _classify(response.status, problem)
    if kind is None:
        return None
    if kind is ErrorKind.CONTENT:
        kind = invalid
    return PublishError(
        kind,
        sentence(kind, reason(problem)),
        executed=_executed(kind, response.status),
        platform_code=code,
    )


def _classify(status: int, problem: Mapping[str, Any]) -> tuple[ErrorKind | None, str]:
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], Mapping) else {}
    for one in (problem, first):
        if name := problem_name(one):
            return _KIND_OF_TYPE.get(name), name
        code = one.get("code")
        if isinstance(code, int) and code in _KIND_OF_CODE:
            return _KIND_OF_CODE[code], str(code)
    detail = problem.get("detail")
    # The one refusal without a code or a type of its own: only its sentence tells a duplicate from other 403s.
    if status == 403 and isinstance(detail, str) and "duplicate content" in detail.lower():
        return ErrorKind.DUPLICATE, "duplicate"
    if status == 400:
        return ErrorKind.CONTENT, "400"
    if status == 403:
        return ErrorKind.PERMISSION, "403"
    return None, ""


def problem_name(problem: Mapping[str, Any]) -> str:
    """The last part of a problem's type, e.g. "resource-not-found"; empty where it has none."""
    address = problem.get("type")
    match = _PROBLEM.fullmatch(address) if isinstance(address, str) else None
    return match.group(1) if match else ""


def _executed(kind: ErrorKind, status: int) -> Executed:
    """A duplicate may be our own call whose answer was lost; a 5xx may have been carried out."""
    return Executed.UNKNOWN if kind is ErrorKind.DUPLICATE or status >= 500 else Executed.NO


def sentence(kind: ErrorKind, why: str) -> str:
    """One sentence for the creator, with X's own reason where the kind leaves room for it."""
    said = _SENTENCE[kind]
    if said.endswith("."):
        return said
    return f"{said}: {why}" if why else f"{said}."


def reason(problem: Mapping[str, Any]) -> str:
    """X's own words, one line of at most 200 characters."""
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], Mapping) else {}
    for said in (first.get("detail"), first.get("message"), problem.get("detail"), problem.get("title")):
        if isinstance(said, str) and said.strip():
            visible = "".join(" " if unicodedata.category(mark).startswith("C") else mark for mark in said)
            return " ".join(visible.split())[:200]
    return ""
