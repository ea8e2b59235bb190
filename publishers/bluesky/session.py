"""Signing in and staying signed in: com.atproto.server.createSession and refreshSession.

The app password is used once and not kept: only the two tokens are. The access token lives about two hours; the
refresh token about ninety days and is replaced at every use. When it is refused, the creator connects again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import regex

from publishers.api import Connected, Identity, TokenSet
from publishers.bluesky.client import Client, server_address, unreadable
from publishers.bluesky.spec import CAPABILITIES
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import Http

SERVICE = "service"  # TokenSet.extra: where sessions are kept when that is not the account's own server
_DEAD_SESSION = frozenset({"ExpiredToken", "InvalidToken"})
_COPIED_ALONG = regex.compile(r"[\p{C}\s]+")  # marks of direction and spaces that come with a copied handle


async def sign_in(http: Http, answers: Mapping[str, str]) -> Connected:
    """Exchange the app password for tokens. Raises PublishError(AUTH) when it is refused."""
    service = server_address(answers.get("server", "") or CAPABILITIES.server)
    identifier = _COPIED_ALONG.sub("", answers.get("identifier", "")).removeprefix("@")
    password = answers.get("password", "").strip()
    if not identifier or not password:
        raise PublishError(ErrorKind.AUTH, "Both the handle and an app password are needed; nothing was sent.")
    client = Client(http.bound(secrets=(password,)), service)
    try:
        body = {"identifier": identifier, "password": password}
        session = await client.procedure("com.atproto.server.createSession", body)
    except PublishError as error:
        raise _refused(error, urlsplit(service).hostname or service) from error
    did, handle = session.get("did"), session.get("handle")
    if not (isinstance(did, str) and did.startswith("did:") and isinstance(handle, str)):
        raise unreadable(service, session, Executed.NO)
    if session.get("active") is False:
        raise PublishError(
            ErrorKind.PERMISSION,
            f"{handle} is not active on Bluesky: activate the account there, then connect it; nothing was stored.",
        )
    home = _home(session.get("didDoc")) or service
    extra = {SERVICE: service} if home != service else {}
    return Connected(Identity(did, handle, home), _tokens(session, service, extra))


async def refresh(http: Http, identity: Identity, tokens: TokenSet) -> TokenSet:
    """A new token set. Repeating it is harmless: a used refresh token gives its successor again for two hours.

    Raises PublishError(AUTH) only where the server says that the session is over.
    """
    service = tokens.extra.get(SERVICE, identity.server)
    client = Client(http.bound(secrets=(tokens.refresh_token,)), service, tokens.refresh_token)
    try:
        session = await client.procedure("com.atproto.server.refreshSession", repeatable=True)
    except PublishError as error:
        if error.kind is ErrorKind.AUTH and error.platform_code not in _DEAD_SESSION:
            error.kind = ErrorKind.PLATFORM_DOWN  # something between us and the server: no reason to disconnect
        raise
    if session.get("did") != identity.remote_id:
        raise unreadable(service, session, Executed.NO)
    return _tokens(session, service, tokens.extra)


def _refused(error: PublishError, host: str) -> PublishError:
    """What a refused sign-in means for the person at the form."""
    if error.platform_code == "AuthFactorTokenRequired":
        error.user_message = (
            f"{host} asks for a code by e-mail with this password: make an app password under Settings, Privacy and "
            "security, App passwords, and connect with that; nothing was stored."
        )
    elif error.kind is ErrorKind.AUTH:
        error.user_message = f"{host} refuses this handle and app password: check both; nothing was stored."
    elif error.kind is ErrorKind.NOT_FOUND or (error.kind is ErrorKind.CONTENT and error.platform_code.isdigit()):
        error.kind = ErrorKind.NOT_FOUND
        error.user_message = f"{host} does not answer like a Bluesky server: check the address; nothing was stored."
    return error


def _tokens(session: Mapping[str, Any], service: str, extra: Mapping[str, str]) -> TokenSet:
    access, renewal = session.get("accessJwt"), session.get("refreshJwt")
    if not (isinstance(access, str) and access and isinstance(renewal, str) and renewal):
        raise unreadable(service, session, Executed.NO)
    claims = _claims(access)
    expires, scope = claims.get("exp"), claims.get("scope")
    known = isinstance(expires, int) and 0 < expires < 2**33
    return TokenSet(
        access_token=access,
        refresh_token=renewal,
        expires_at=datetime.fromtimestamp(expires, UTC) if isinstance(expires, int) and known else None,
        scope=scope if isinstance(scope, str) else "",
        extra=extra,
    )


def _claims(token: str) -> Mapping[str, Any]:
    """What a JWT says of itself, unverified: only its server can, and only we depend on it. Empty if it is none."""
    pieces = token.split(".")
    if len(pieces) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(pieces[1] + "=" * (-len(pieces[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _home(did_document: object) -> str:
    """The https address of the account's own PDS in its DID document, or "".

    bsky.social is an entrance: posts live on the server the document names, and only that one answers for sure
    whether a record exists. An http address, as test servers have, is not followed.
    """
    services = did_document.get("service") if isinstance(did_document, dict) else None
    for service in services if isinstance(services, list) else []:
        if isinstance(service, dict) and service.get("type") == "AtprotoPersonalDataServer":
            endpoint = service.get("serviceEndpoint")
            if isinstance(endpoint, str) and endpoint.startswith("https://"):
                try:
                    return server_address(endpoint)
                except PublishError:
                    return ""
    return ""
