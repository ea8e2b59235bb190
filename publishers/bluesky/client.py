"""XRPC calls to a PDS, and what its refusals mean (https://atproto.com/specs/xrpc)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import Http, Response, general_refusal

_KINDS = {
    "AuthMissing": ErrorKind.AUTH,
    "AuthenticationRequired": ErrorKind.AUTH,
    "AuthFactorTokenRequired": ErrorKind.AUTH,
    "ExpiredToken": ErrorKind.AUTH,
    "InvalidToken": ErrorKind.AUTH,
    "AccountDeactivated": ErrorKind.PERMISSION,
    "AccountTakedown": ErrorKind.PERMISSION,
    "Forbidden": ErrorKind.PERMISSION,
    "RepoDeactivated": ErrorKind.PERMISSION,
    "RepoSuspended": ErrorKind.PERMISSION,
    "RepoTakendown": ErrorKind.PERMISSION,
    "RateLimitExceeded": ErrorKind.RATE,
    "BlobNotFound": ErrorKind.MEDIA,
    "BlobTooLarge": ErrorKind.MEDIA,
    "InvalidMimeType": ErrorKind.MEDIA,
    "InvalidSize": ErrorKind.MEDIA,
    "PayloadTooLarge": ErrorKind.MEDIA,
    "UnsupportedMediaType": ErrorKind.MEDIA,
    "InvalidRecord": ErrorKind.CONTENT,
    "InvalidRequest": ErrorKind.CONTENT,
    "RecordNotFound": ErrorKind.NOT_FOUND,
    "RepoNotFound": ErrorKind.NOT_FOUND,
}
_SAYS = {
    ErrorKind.AUTH: "no longer accepts the sign-in: connect the account again; the post is kept",
    ErrorKind.PERMISSION: "does not let this account post; the post is kept, look into the account on Bluesky",
    ErrorKind.RATE: "asks to slow down; Quarry tries again by itself",
    ErrorKind.MEDIA: "refuses a file: replace it and try again",
    ErrorKind.CONTENT: "refuses the post as it is: change it and try again",
    ErrorKind.NOT_FOUND: "does not have what was asked for; it may have been deleted",
}
_ERROR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]+")  # a name in ASCII, or an IPv6 address
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]+")
_MAX_REASON = 200  # characters of a platform's own words shown to the creator


class Client:
    """One PDS, with or without a session token."""

    def __init__(self, http: Http, server: str, token: str = "") -> None:
        self._http = http
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def query(self, method: str, params: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
        """A read; names may repeat. Raises PublishError."""
        return await self._call("GET", f"{method}?{urlencode(params)}", safe=True)

    async def procedure(
        self, method: str, body: Mapping[str, Any] | None = None, *, repeatable: bool = False
    ) -> Mapping[str, Any]:
        """A write, sent once unless it is `repeatable`. Raises PublishError."""
        return await self._call("POST", method, safe=repeatable, json_body=body)

    async def upload_blob(self, data: bytes, mime: str) -> Mapping[str, Any]:
        """Store a file, invisible until a record refers to it; doing it twice is harmless. Raises PublishError."""
        headers = {"Content-Type": mime}
        try:
            answer = await self._call(
                "POST", "com.atproto.repo.uploadBlob", safe=True, content=data, headers=headers, timeout=120.0
            )
        except PublishError as error:
            if error.kind is ErrorKind.CONTENT:  # the only content of this call is the file
                error.kind = ErrorKind.MEDIA
            raise
        blob = answer.get("blob")
        if not isinstance(blob, dict) or blob.get("$type") != "blob" or blob.get("size") != len(data):
            raise unreadable(self._server, answer, Executed.NO)
        return blob

    async def get_record(self, did: str, collection: str, key: str) -> Mapping[str, Any]:
        """A record as {uri, cid, value}. Raises PublishError, of code RecordNotFound where there is none."""
        params = [("repo", did), ("collection", collection), ("rkey", key)]
        return await self.query("com.atproto.repo.getRecord", params)

    async def _call(
        self, verb: str, target: str, *, safe: bool, headers: Mapping[str, str] | None = None, **sent: Any
    ) -> Mapping[str, Any]:
        host = urlsplit(self._server).hostname or self._server
        http = self._http.bound(explain=partial(_explain, http=self._http, host=host, safe=safe))
        url = f"{self._server}/xrpc/{target}"
        response = await http.request(verb, url, headers={**self._headers, **(headers or {})}, safe=safe, **sent)
        if not response.body and verb == "POST":
            return {}  # procedures without output, e.g. deleteSession
        answer = response.json()
        if not isinstance(answer, dict):
            raise unreadable(self._server, answer, Executed.NO if safe else Executed.UNKNOWN)
        return answer


def unreadable(server: str, answer: object, executed: Executed) -> PublishError:
    """An answer of 200 that lacks what the lexicon promises."""
    host = urlsplit(server).hostname or server
    return PublishError(
        ErrorKind.PLATFORM_DOWN,
        f"{host} gave an answer that cannot be read; nothing was lost, Quarry looks again later.",
        executed=executed,
        detail=f"unexpected answer of type {type(answer).__name__}",
    )


def _explain(response: Response, *, http: Http, host: str, safe: bool) -> PublishError:
    name, reason = _name_and_reason(response)
    kind = _KINDS.get(name)
    if kind is None or response.status >= 500:
        error = general_refusal(response, host, safe=safe)
    else:
        error = PublishError(kind, f"{host} {_SAYS[kind]}.")
        if kind in {ErrorKind.CONTENT, ErrorKind.MEDIA} and reason:
            said = http.redact(reason)[:_MAX_REASON]  # in this order: half a token is no longer known as one
            error.user_message = f"{host} {_SAYS[kind]} (it says: {said})."
    error.platform_code = name
    return error


def _name_and_reason(response: Response) -> tuple[str, str]:
    """The error's name and the platform's words for it; empty where the answer is not XRPC's."""
    try:
        body = response.json()
    except PublishError:
        return "", ""
    name = body.get("error") if isinstance(body, dict) else None
    if not isinstance(name, str) or not _ERROR_NAME.fullmatch(name):
        return "", ""
    reason = body.get("message")
    return name, _NOT_PRINTED.sub(" ", reason).strip() if isinstance(reason, str) else ""


def server_address(text: str) -> str:
    """The base address of the server a person typed: https, or http on this machine alone.

    Raises PublishError(NOT_FOUND) for anything else.
    """
    typed = _NOT_PRINTED.sub("", text).strip().removesuffix("/")
    address = typed if "://" in typed else f"https://{typed}"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    plain = (
        len(host) <= 253
        and bool(_HOST.fullmatch(host))
        and not (parts.username or parts.password or parts.path or parts.query or parts.fragment)
    )
    if not plain or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise PublishError(
            ErrorKind.NOT_FOUND,
            f"{typed[:100]!r} is not the address of a server: write it like https://bsky.social; nothing was sent.",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by name or number."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
