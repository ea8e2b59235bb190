"""OAuth 2.0 for apps on a person's own machine: PKCE, the code's way back over loopback, token sets.

Standards: RFC 6749 (framework), RFC 7636 (PKCE), RFC 8252 (native apps). authlib writes and reads the protocol;
the network is publishers/http.py. How a platform bends the rules stands in its own adapter.

    async with CodeListener(port) as listener:
        request = adapter.begin(server, answers, listener.redirect_uri)
        open_browser(request.url)
        code = await listener.wait_for_code(request.state)
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from publishers.api import AuthRequest, TokenSet
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import Http, Response

DEFAULT_PORT = 8721  # of platforms that want a fixed redirect address
_REFUSALS = frozenset(  # RFC 6749 §5.2
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
_MAX_TOKEN = 8192  # characters; longer ones would not fit into keychains
_MAX_LIFE = timedelta(days=366)


@dataclass(frozen=True, slots=True, repr=False)
class OAuthClient:
    """An app as a platform knows it. Without a secret it is a public client and sends its id in the body."""

    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str = ""

    def begin(self, redirect_uri: str, scopes: Sequence[str]) -> AuthRequest:
        """The address to open in the browser, with fresh state and PKCE verifier."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        url = prepare_grant_uri(
            self.authorize_url,
            self.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=" ".join(scopes),
            state=state,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return AuthRequest(str(url), state, verifier)

    async def exchange(self, http: Http, redirect_uri: str, request: AuthRequest, code: str, now: datetime) -> TokenSet:
        """Turn the code into a token set. Raises PublishError(AUTH) when refused."""
        body = prepare_token_request(
            "authorization_code", redirect_uri=redirect_uri, code=code, code_verifier=request.verifier
        )
        return await self._token(http.bound(secrets=(code, request.verifier)), body, TokenSet(), now)

    async def refresh(self, http: Http, tokens: TokenSet, now: datetime) -> TokenSet:
        """A new whole set; whatever the platform does not renew is taken over from `tokens`.

        Raises PublishError(AUTH) only where the platform itself refused; a cut network raises NETWORK.
        """
        if not tokens.refresh_token:
            raise PublishError(
                ErrorKind.AUTH, "The sign-in has run out and cannot be renewed: connect the account again."
            )
        body = prepare_token_request("refresh_token", refresh_token=tokens.refresh_token)
        return await self._token(http, body, tokens, now)

    async def _token(self, http: Http, body: str, before: TokenSet, now: datetime) -> TokenSet:
        method = "client_secret_basic" if self.client_secret else "none"
        auth = ClientAuth(self.client_id, self.client_secret, method)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url, headers, body = auth.prepare("POST", self.token_url, headers, body)
        http = http.bound(secrets=(self.client_secret,), explain=explain_token_refusal)
        answer = await http.request("POST", url, headers=headers, content=body.encode("ascii"))
        return read_token_set(answer, before, now)


def read_token_set(answer: Response, before: TokenSet, now: datetime) -> TokenSet:
    """The token set an answer holds. Raises PublishError(PLATFORM_DOWN) where it holds none."""
    data = answer.json()
    access = data.get("access_token") if isinstance(data, Mapping) else None
    if not isinstance(access, str) or not 0 < len(access) <= _MAX_TOKEN:
        raise PublishError(
            ErrorKind.PLATFORM_DOWN,
            "The platform answered the sign-in without a token; nothing was changed, try again.",
            executed=Executed.UNKNOWN,
            detail="no access_token in the answer",
        )
    refresh, scope, life = data.get("refresh_token"), data.get("scope"), data.get("expires_in")
    known = isinstance(life, int) and not isinstance(life, bool) and life > 0
    return TokenSet(
        access_token=access,
        refresh_token=refresh if isinstance(refresh, str) and 0 < len(refresh) <= _MAX_TOKEN else before.refresh_token,
        expires_at=now + min(timedelta(seconds=min(life, 2**31)), _MAX_LIFE) if known else None,
        scope=scope[:_MAX_TOKEN] if isinstance(scope, str) else before.scope,
        extra=before.extra,
    )


def explain_token_refusal(response: Response) -> PublishError | None:
    """A token endpoint's refusal. Only a code of RFC 6749 disconnects; an error page on the way there never does."""
    if response.status == 429 or response.status >= 500:
        return None
    try:
        data = response.json()
    except PublishError:
        data = None
    code = data.get("error") if isinstance(data, Mapping) else None
    if not isinstance(code, str) or code not in _REFUSALS:
        return PublishError(
            ErrorKind.PLATFORM_DOWN,
            "The sign-in could not be renewed because the platform's answer made no sense; Quarry tries again.",
        )
    if code in {"invalid_client", "unauthorized_client"}:
        sentence = "The platform does not accept the app's client id or secret: check both and connect again."
    else:
        sentence = "The platform no longer accepts the sign-in: connect the account again."
    return PublishError(ErrorKind.AUTH, sentence, platform_code=code)


# ---- the way back from the browser ---------------------------------------------------------------

_MAX_REQUEST = 16 * 1024  # bytes of a request's head
_READ_SECONDS = 5.0
_CODE = re.compile(r"[\x21-\x7E]{1,4096}")
_PAGE = (
    "<!doctype html><meta charset=utf-8><title>Quarry</title>"
    "<style>body{{font:16px/1.5 system-ui;margin:20vh auto;max-width:30em;padding:0 1em}}</style><p>{}</p>"
)


class CodeListener:
    """Takes the authorization code on 127.0.0.1, once. Port 0 takes a free one.

    Whatever else knocks (a page that guesses the port, a rebound host name, a favicon) gets an error page and
    does not end the waiting.
    """

    def __init__(self, port: int = 0, path: str = "/callback") -> None:
        self._port = port
        self._path = path
        self._state = ""
        self._server: asyncio.Server | None = None
        self._result: asyncio.Future[str] | None = None

    @property
    def redirect_uri(self) -> str:
        """What to register with the platform and to send it."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=_MAX_REQUEST)
        except OSError as error:
            raise PublishError(
                ErrorKind.NETWORK,
                f"Port {self._port} on this machine is taken by another program: close it, or choose another "
                "port in Settings and register it with the platform.",
                detail=str(error),
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]
        self._result = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._result and not self._result.cancel() and not self._result.cancelled():
            self._result.exception()  # looked at, so that asyncio does not warn of an answer nobody waited for
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def wait_for_code(self, state: str, timeout: float = 300.0) -> str:
        """The code that comes back with `state`.

        Raises PublishError(AUTH) when the person or the platform declined, or `timeout` seconds have passed.
        """
        if not self._result:
            raise RuntimeError("the listener is not open")
        self._state = state
        try:
            return await asyncio.wait_for(asyncio.shield(self._result), timeout)
        except TimeoutError as error:
            raise PublishError(
                ErrorKind.AUTH, "No answer came back from the browser in time: start connecting again."
            ) from error

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _READ_SECONDS)
            status, sentence = self._answer(head)
            writer.write(_page(status, sentence))
            await asyncio.wait_for(writer.drain(), _READ_SECONDS)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # too slow, too long or gone: not the browser we wait for
        finally:
            writer.close()

    def _answer(self, head: bytes) -> tuple[str, str]:
        """Status and sentence for one request; a good one ends the waiting."""
        lines = head.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        target = rest.partition(" ")[0]
        hosts = [line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("host:")]
        if hosts != [f"127.0.0.1:{self._port}"]:
            return "421 Misdirected Request", "This address belongs to Quarry on this machine."
        try:
            where = urlsplit(target)
            given = parse_qs(where.query, max_num_fields=20)
        except ValueError:
            return "400 Bad Request", "This address makes no sense."
        if method != "GET" or where.path != self._path:
            return "404 Not Found", "There is nothing here."
        if not self._result or self._result.done():
            return "410 Gone", "This sign-in is over. Go back to Quarry."
        states, codes, errors = (given.get(name, []) for name in ("state", "code", "error"))
        expected = self._state.encode()
        if len(states) != 1 or not expected or not hmac.compare_digest(states[0].encode(), expected):
            return "400 Bad Request", "This answer does not belong to the sign-in Quarry started. Start it again there."
        if len(codes) == 1 and not errors and _CODE.fullmatch(codes[0]):
            self._result.set_result(codes[0])
            return "200 OK", "Quarry has the answer. You can close this page."
        self._result.set_exception(
            PublishError(
                ErrorKind.AUTH,
                "The account was not connected because access was declined in the browser: start again to allow it.",
                platform_code=errors[0][:100] if errors else "",
            )
        )
        return "200 OK", "Access was declined. You can close this page and go back to Quarry."


def _page(status: str, sentence: str) -> bytes:
    """A whole answer; nothing of the request is repeated in it."""
    body = _PAGE.format(sentence).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
