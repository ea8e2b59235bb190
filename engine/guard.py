"""Who may talk to the engine: an ASGI wrapper that checks the Host header and the bearer token.

The Host check stops a web page that points its own name at 127.0.0.1 (DNS rebinding); the token stops everybody
else on the machine.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS: Final = frozenset(("/health",))


def error_body(message: str, *, kind: str, field: str | None = None, code: str | None = None) -> dict[str, object]:
    """An error object as OpenAI's API sends it."""
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}


class Guard:
    """Lets requests through whose Host is one of `hosts` (None: any) and whose token is `token`."""

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str] | None) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (refusal := self._refusal(scope)) is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if self._hosts is not None and headers.get("host", "").lower() not in self._hosts:
            message = "This engine answers only requests addressed to this machine by its loopback name."
            return JSONResponse(error_body(message, kind="permission_error", code="wrong_host"), 421)
        if scope["path"] in OPEN_PATHS:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
            return None
        message = "The token is missing or wrong; send it as Authorization: Bearer."
        body = error_body(message, kind="authentication_error", code="invalid_api_key")
        return JSONResponse(body, 401, headers={"WWW-Authenticate": "Bearer"})
