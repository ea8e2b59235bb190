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
_SECRET_WORDS = re.compile(
    r"(?i)(\"?(?:access_?token|refresh_?token|access_?jwt|refresh_?jwt|password|client_secret|code_verifier)\"?\s*[:=]\s*\"?)"
    r"[^\"&\s,}]+|(Bearer\s+|Basic\s+|DPoP\s+)[A-Za-z0-9._~+/=-]+"
)


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
                detail=f"not JSON: {self.body[:200]!r}",
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
        for attempt in range(1, _SAFE_TRIES + 1):
            try:
                return await self._once(method, url, headers, params, json_body, form, content, files, timeout, safe)
            except PublishError as error:
                stumbled = error.kind in {ErrorKind.NETWORK, ErrorKind.PLATFORM_DOWN}
                if not (safe and stumbled) or attempt == _SAFE_TRIES:
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
        host = urlsplit(url).hostname or url
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
        error = self._explain(response) if self._explain else None
        if error is None:
            error = general_refusal(response, host, safe=safe)
        if error.kind is ErrorKind.RATE and error.retry_at is None:
            error.retry_at = retry_time(response.headers, self._now())
        if not error.platform_code:
            error.platform_code = str(response.status)
        error.detail = self.redact(error.detail or f"HTTP {response.status}: {response.text[:500]}")
        return error

    def redact(self, text: str) -> str:
        """Blot out this account's secrets and anything that looks like one."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return _SECRET_WORDS.sub(lambda match: f"{match.group(1) or match.group(2)}…", text)


def general_refusal(response: Response, host: str, *, safe: bool) -> PublishError:
    """What an HTTP status means where the platform says nothing more precise."""
    status = response.status
    if status == 401:
        return PublishError(ErrorKind.AUTH, f"{host} no longer accepts the sign-in: connect the account again.")
    if status == 403:
        return PublishError(ErrorKind.PERMISSION, f"{host} does not allow this account to do that.")
    if status in {404, 410}:
        return PublishError(ErrorKind.NOT_FOUND, f"{host} does not have what was asked for; it may have been deleted.")
    if status == 413 or status == 415:
        return PublishError(ErrorKind.MEDIA, f"{host} refuses the file: replace it and try again.")
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
    x-rate-limit-reset or ratelimit-reset epoch, else a minute from now; never later than a day."""
    latest = now + timedelta(days=1)
    after = headers.get("retry-after", "").strip()
    if after.isdigit():
        return min(now + timedelta(seconds=min(int(after), 86_400)), latest)
    if after:
        try:
            return min(max(parsedate_to_datetime(after).astimezone(UTC), now), latest)
        except ValueError:
            pass
    for name in ("x-rate-limit-reset", "ratelimit-reset"):
        value = headers.get(name, "").strip()
        if value.isdigit():
            seconds = min(int(value), 2**33)
            at = datetime.fromtimestamp(seconds, UTC) if seconds > 1e9 else now + timedelta(seconds=seconds)
            return min(max(at, now), latest)
    return now + timedelta(minutes=1)


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
