"""The one HTTP door of the adapters: timeouts, error kinds with execution certainty, redaction.

Built on httpx. Safe calls (GET, HEAD) are retried twice when the network or the platform stumbles; calls that
change something are sent once, and a lost answer is reported as `Executed.UNKNOWN` (publishing.md).
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from publishers.errors import ErrorKind, Executed, PublishError

MAX_ANSWER = 16 * 2**20  # bytes of an answer we are willing to hold
_SAFE = frozenset({"GET", "HEAD"})
_SAFE_TRIES = 3
MAX_DETAIL = 500  # characters of a platform's own words in an error
_SECRET_WORDS = re.compile(  # also inside JSON that stands escaped in other JSON
    r"(?i)((?:access_?token|refresh_?token|access_?jwt|refresh_?jwt|password|client_secret|code_verifier)"
    r"\\*[\"']?\s*[:=]\s*\\*[\"']?)(?:[^\"'\\&\s,}]|\\/)+|(Bearer\s+|Basic\s+|DPoP\s+)[A-Za-z0-9._~+/=-]+"
)
_SECONDS = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer read whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises PublishError(PLATFORM_DOWN, executed unknown) when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise PublishError(
                ErrorKind.PLATFORM_DOWN,
                "The platform gave an answer that cannot be read; nothing was lost, Quarry looks again later.",
                executed=Executed.UNKNOWN,
                platform_code=str(self.status),
                detail=f"not JSON: {len(self.body)} bytes of {self.headers.get('content-type', 'no type')}",
            ) from error

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


Explain = Callable[[Response], PublishError | None]
"""A platform's own reading of a refusal; None leaves it to the general rules."""


class Http:
    """HTTP for one account. `secrets` are blotted out of every error; `explain` reads the platform's codes."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        secrets: Sequence[str] = (),
        explain: Explain | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 6)
        self._explain = explain
        self._now = now

    def bound(self, *, secrets: Sequence[str] = (), explain: Explain | None = None) -> Http:
        """The same connection pool with further secrets or another reading of refusals."""
        return Http(
            self._client,
            secrets=(*self._secrets, *secrets),
            explain=explain or self._explain,
            now=self._now,
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json_body: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        timeout: float = 30.0,
        safe: bool | None = None,
    ) -> Response:
        """Send and read the answer whole.

        `safe` marks a call that may be repeated (default: GET and HEAD). `timeout` is seconds per read or write.
        Raises PublishError for every answer outside 2xx and every failure of the way there.
        """
        if safe is None:
            safe = method in _SAFE
        repeatable = safe and (content is None or isinstance(content, bytes))  # a stream is read only once
        for attempt in range(1, _SAFE_TRIES + 1):
            try:
                return await self._once(method, url, headers, params, json_body, form, content, files, timeout, safe)
            except PublishError as error:
                stumbled = error.kind in {ErrorKind.NETWORK, ErrorKind.PLATFORM_DOWN}
                if not (repeatable and stumbled) or attempt == _SAFE_TRIES:
                    raise
            await asyncio.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        json_body: Any,
        form: Mapping[str, str] | None,
        content: bytes | AsyncIterator[bytes] | None,
        files: Mapping[str, tuple[str, bytes, str]] | None,
        timeout: float,
        safe: bool,
    ) -> Response:
        host = _host(url)
        try:
            async with self._client.stream(
                method,
                url,
                headers=dict(headers or {}),
                params=params,
                json=json_body,
                data=form,
                content=content,
                files=files,
                timeout=timeout,
            ) as stream:
                body = bytearray()
                async for chunk in stream.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        break
                response = Response(stream.status_code, dict(stream.headers), bytes(body[:MAX_ANSWER]))
        except (httpx.LocalProtocolError, UnicodeError) as error:  # its words may hold a header's value: no cause
            raise PublishError(
                ErrorKind.BUG,
                f"The request to {host} could not be made; nothing was sent: report this with the attempt's page.",
                detail=type(error).__name__,
            ) from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise self._network(host, Executed.NO, error) from error
        except httpx.HTTPError as error:
            raise self._network(host, Executed.NO if safe else Executed.UNKNOWN, error) from error
        if 200 <= response.status < 300:
            return response
        raise self._refusal(response, host, safe)

    def _network(self, host: str, executed: Executed, error: Exception) -> PublishError:
        lost = "the answer was lost, so Quarry checks before it tries again"
        kept = lost if executed is Executed.UNKNOWN else "nothing was sent and Quarry tries again by itself"
        return PublishError(
            ErrorKind.NETWORK,
            f"{host} could not be reached: {kept}.",
            executed=executed,
            detail=self.redact(f"{type(error).__name__}: {error}"),
        )

    def _refusal(self, response: Response, host: str, safe: bool) -> PublishError:
        error = self._explained(response) or general_refusal(response, host, safe=safe)
        if response.status >= 500 and not safe and error.executed is Executed.NO:
            error.executed = Executed.UNKNOWN  # whatever the code says, the platform may have done it
        told = "retry-after" in response.headers and error.passes_by_itself
        if error.retry_at is None and (told or error.kind is ErrorKind.RATE):
            error.retry_at = retry_time(response.headers, self._now())
        if not error.platform_code:
            error.platform_code = str(response.status)
        error.detail = self.redact(error.detail or f"HTTP {response.status}: {response.text[:20_000]}")[:MAX_DETAIL]
        error.user_message = self.redact(error.user_message)[:MAX_DETAIL]
        error.args = (error.user_message,)
        return error

    def _explained(self, response: Response) -> PublishError | None:
        try:
            return self._explain(response) if self._explain else None
        except PublishError:  # an answer that is no JSON: its status alone speaks
            return None

    def redact(self, text: str) -> str:
        """Blot out this account's secrets and anything that looks like one."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return _SECRET_WORDS.sub(lambda match: f"{match.group(1) or match.group(2)}…", text)


def _host(url: str) -> str:
    """The host for sentences. Raises PublishError(CONTENT) where the address is none."""
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname:
            httpx.URL(url)
            return parts.hostname
    except (ValueError, httpx.InvalidURL):
        pass
    raise PublishError(ErrorKind.CONTENT, "The server's address cannot be used; nothing was sent: correct it.")


def general_refusal(response: Response, host: str, *, safe: bool) -> PublishError:
    """What an HTTP status means where the platform says nothing more precise."""
    status = response.status
    if status < 400:
        return PublishError(ErrorKind.NOT_FOUND, f"{host} has moved what was asked for: check the server's address.")
    if status == 401:
        return PublishError(ErrorKind.AUTH, f"{host} no longer accepts the sign-in: connect the account again.")
    if status == 403:
        return PublishError(ErrorKind.PERMISSION, f"{host} does not allow this account to do that.")
    if status in {404, 410}:
        return PublishError(ErrorKind.NOT_FOUND, f"{host} does not have what was asked for; it may have been deleted.")
    if status == 413 or status == 415:
        return PublishError(ErrorKind.MEDIA, f"{host} refuses the file: replace it and try again.")
    if status == 408:
        return PublishError(ErrorKind.PLATFORM_DOWN, f"{host} did not get the whole request; Quarry sends it again.")
    if status == 429:
        return PublishError(ErrorKind.RATE, f"{host} asks to slow down; Quarry tries again by itself.")
    if status >= 500:
        return PublishError(
            ErrorKind.PLATFORM_DOWN,
            f"{host} has a problem of its own; Quarry checks before it tries again.",
            executed=Executed.NO if safe else Executed.UNKNOWN,
        )
    return PublishError(ErrorKind.CONTENT, f"{host} refuses the post as it is: change it and try again.")


def retry_time(headers: Mapping[str, str], now: datetime) -> datetime:
    """When a rate-limited call may be tried again: Retry-After (RFC 9110 §10.2.3, seconds or a date), else the
    x-rate-limit-reset or ratelimit-reset epoch, else a minute from now; never in the past or later than a day."""
    at = _retry_after(headers.get("retry-after", "").strip(), now)
    for name in ("x-rate-limit-reset", "ratelimit-reset"):
        seconds = headers.get(name, "").strip()
        if at is None and _SECONDS.fullmatch(seconds):
            since_1970 = float(seconds) > 1e9
            at = datetime.fromtimestamp(float(seconds), UTC) if since_1970 else now + timedelta(seconds=float(seconds))
    return min(max(at or now + timedelta(minutes=1), now), now + timedelta(days=1))


def _retry_after(value: str, now: datetime) -> datetime | None:
    if _SECONDS.fullmatch(value):
        return now + timedelta(seconds=float(value))
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Read once: loading the trusted certificates takes longer than many a request."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_http(
    *,
    secrets: Sequence[str] = (),
    explain: Explain | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Http]:
    """An `Http` over a new connection pool, closed at the end."""
    headers = {"User-Agent": "Quarry/0.1"}
    async with httpx.AsyncClient(follow_redirects=False, headers=headers, verify=_certificates()) as client:
        yield Http(client, secrets=secrets, explain=explain, now=now)
