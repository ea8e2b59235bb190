"""The one-shot listener against everything that may knock, and token answers that are not as they should be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from publishers.api import TokenSet
from publishers.errors import ErrorKind, PublishError
from publishers.http import Response, open_http
from publishers.oauth import CodeListener, OAuthClient, explain_token_refusal, read_token_set

T = TypeVar("T")
NOW = datetime(2026, 8, 22, 12, tzinfo=UTC)
STATE = "the-state"


def listening(talk: Callable[[CodeListener], Awaitable[T]], *, port: int = 0) -> T:
    """Open a listener, talk to it, close it."""

    async def run() -> T:
        async with CodeListener(port) as listener:
            return await talk(listener)

    return asyncio.run(run())


async def knock(listener: CodeListener, target: str, *, host: str = "", method: str = "GET", more: str = "") -> str:
    """Send one raw request and read the whole answer."""
    port = int(listener.redirect_uri.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port}'}\r\n{more}\r\n"
    writer.write(head.encode("utf-8"))
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def code_after(listener: CodeListener, *knocks: Callable[[], Awaitable[str]]) -> tuple[str, list[str]]:
    """The code that the listener gives in the end, and the answers to everybody who knocked."""
    waiting = asyncio.create_task(listener.wait_for_code(STATE, timeout=10))
    await asyncio.sleep(0)
    answers = [await one() for one in knocks]
    return await waiting, answers


def test_the_code_comes_back() -> None:
    async def talk(listener: CodeListener) -> tuple[str, list[str]]:
        return await code_after(listener, lambda: knock(listener, f"/callback?code=abc-123&state={STATE}"))

    code, (page,) = listening(talk)
    assert code == "abc-123"
    assert page.startswith("HTTP/1.1 200 OK\r\n")
    assert "abc-123" not in page
    for header in ("Cache-Control: no-store", "Content-Security-Policy: default-src 'none'", "Connection: close"):
        assert header in page


@pytest.mark.parametrize(
    ("knocked", "status"),
    [
        ({"target": f"/callback?code=evil&state={STATE}", "host": "evil.example"}, 421),
        ({"target": f"/callback?code=evil&state={STATE}", "host": "localhost:1"}, 421),
        ({"target": f"/callback?code=evil&state={STATE}", "more": "Host: evil.example\r\n"}, 421),
        ({"target": f"/callback?code=evil&state={STATE}", "method": "POST"}, 404),
        ({"target": f"/else?code=evil&state={STATE}"}, 404),
        ({"target": "/favicon.ico"}, 404),
        ({"target": "/callback?code=evil&state=wrong"}, 400),
        ({"target": "/callback?code=evil&state="}, 400),
        ({"target": "/callback?code=evil"}, 400),
        ({"target": f"/callback?code=evil&state={STATE}&state={STATE}"}, 400),
        ({"target": "/callback?code=evil&state=" + quote("ü\udcff", errors="surrogatepass")}, 400),
        ({"target": "/callback?" + "&".join("a=1" for _ in range(50))}, 400),
        ({"target": "http://[/callback"}, 400),
        ({"target": "/callback?error=access_denied&state=wrong"}, 400),
    ],
)
def test_strangers_do_not_end_the_waiting(knocked: dict[str, str], status: int) -> None:
    async def talk(listener: CodeListener) -> tuple[str, list[str]]:
        return await code_after(
            listener,
            lambda: knock(listener, **knocked),
            lambda: knock(listener, f"/callback?state={STATE}&code=good"),
        )

    code, (first, _) = listening(talk)
    assert code == "good"
    assert first.startswith(f"HTTP/1.1 {status} ")
    assert "evil" not in first


@pytest.mark.parametrize(
    "raw", [b"", b"GET", b"\r\n\r\n", b"\x16\x03\x01" * 100, b"A" * 40_000, b"GET / HTTP/1.1\r\n\r\n"]
)
def test_noise_does_not_end_the_waiting(raw: bytes) -> None:
    async def talk(listener: CodeListener) -> tuple[str, list[str]]:
        async def noise() -> str:
            port = int(listener.redirect_uri.split(":")[2].split("/")[0])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            writer.close()
            return ""

        return await code_after(listener, noise, lambda: knock(listener, f"/callback?state={STATE}&code=good"))

    assert listening(talk)[0] == "good"


def test_it_answers_once() -> None:
    async def talk(listener: CodeListener) -> tuple[str, list[str]]:
        return await code_after(
            listener,
            lambda: knock(listener, f"/callback?state={STATE}&code=first"),
            lambda: knock(listener, f"/callback?state={STATE}&code=second"),
        )

    code, (_, second) = listening(talk)
    assert code == "first"
    assert second.startswith("HTTP/1.1 410 ")


@pytest.mark.parametrize("query", ["error=access_denied", "code=a%20b", "code=", "code=a&code=b", "code=a&error=x", ""])
def test_a_refusal_is_told(query: str) -> None:
    async def talk(listener: CodeListener) -> None:
        await code_after(listener, lambda: knock(listener, f"/callback?state={STATE}&{query}"))

    with pytest.raises(PublishError, match="declined") as raised:
        listening(talk)
    assert raised.value.kind is ErrorKind.AUTH


def test_nobody_comes() -> None:
    with pytest.raises(PublishError, match="in time"):
        listening(lambda listener: listener.wait_for_code(STATE, timeout=0.01))


def test_before_anybody_waits_nothing_is_taken() -> None:
    answer = listening(lambda listener: knock(listener, "/callback?code=a&state="))
    assert answer.startswith("HTTP/1.1 400 ")


def test_a_taken_port_is_said() -> None:
    async def talk(listener: CodeListener) -> None:
        port = int(listener.redirect_uri.split(":")[2].split("/")[0])
        async with CodeListener(port):
            raise AssertionError("two listeners on one port")

    with pytest.raises(PublishError, match=r"Port \d+ on this machine is taken"):
        listening(talk)


def test_states_and_verifiers_are_new_each_time() -> None:
    client = OAuthClient("https://a.example/authorize?x=1", "https://a.example/token", "me")
    one, two = client.begin("http://127.0.0.1:1/callback", ["a"]), client.begin("http://127.0.0.1:1/callback", ["a"])
    assert one.url.startswith("https://a.example/authorize?x=1&response_type=code")
    assert len({one.state, two.state, one.verifier, two.verifier}) == 4
    assert one.verifier not in one.url


def answer(body: Any, status: int = 200) -> Response:
    return Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_a_token_set_is_read_whole() -> None:
    before = TokenSet("old", "old-refresh", NOW, "old-scope", {"client_id": "me"})
    read = read_token_set(
        answer({"access_token": "a", "refresh_token": "r", "expires_in": 7200, "scope": "s"}), before, NOW
    )
    assert read == TokenSet("a", "r", NOW + timedelta(hours=2), "s", {"client_id": "me"})
    kept = read_token_set(answer({"access_token": "a"}), before, NOW)
    assert kept == TokenSet("a", "old-refresh", None, "old-scope", {"client_id": "me"})


@pytest.mark.parametrize("life", ["7200", True, -1, 0, None, [], 1.5])
def test_a_life_that_is_no_number_is_unknown(life: Any) -> None:
    assert read_token_set(answer({"access_token": "a", "expires_in": life}), TokenSet(), NOW).expires_at is None


def test_an_endless_life_is_bounded() -> None:
    read = read_token_set(answer({"access_token": "a", "expires_in": 10**300}), TokenSet(), NOW)
    assert read.expires_at == NOW + timedelta(days=366)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", [], {}, {"access_token": 5}, {"access_token": ""}, {"access_token": "a" * 9000}]
)
def test_an_answer_without_a_token(body: Any) -> None:
    with pytest.raises(PublishError) as raised:
        read_token_set(answer(body), TokenSet(), NOW)
    assert raised.value.kind is ErrorKind.PLATFORM_DOWN


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant"}, ErrorKind.AUTH),
        (400, {"error": "invalid_request"}, ErrorKind.AUTH),
        (401, {"error": "invalid_client"}, ErrorKind.AUTH),
        (400, {"error": "slow_down"}, ErrorKind.PLATFORM_DOWN),
        (400, {"error": ["invalid_grant"]}, ErrorKind.PLATFORM_DOWN),
        (403, b"<html>", ErrorKind.PLATFORM_DOWN),
        (302, b"", ErrorKind.PLATFORM_DOWN),
        (500, {"error": "invalid_grant"}, None),
        (429, {"error": "invalid_grant"}, None),
    ],
)
def test_only_the_platforms_own_refusal_disconnects(status: int, body: Any, kind: ErrorKind | None) -> None:
    error = explain_token_refusal(answer(body, status))
    assert (error.kind if error else None) is kind


def test_without_a_refresh_token_nothing_is_sent() -> None:
    async def run() -> None:
        async with open_http() as http:
            await OAuthClient("", "http://127.0.0.1:1/", "me").refresh(http, TokenSet("a"), NOW)

    with pytest.raises(PublishError, match="connect the account again") as raised:
        asyncio.run(run())
    assert raised.value.kind is ErrorKind.AUTH
