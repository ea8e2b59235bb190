"""Connecting an account: browser, loopback, code, tokens, who it is; and renewing it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from publishers.api import AuthRequest, Connected, TokenSet
from publishers.errors import ErrorKind, PublishError
from publishers.http import open_http
from publishers.oauth import CodeListener
from publishers.testing.clock import Clock
from publishers.testing.conformance import Answer, Fault, FaultKind, Route
from publishers.testing.x import Rules, XSimulator
from publishers.testing.x.simulator import HANDLE, USER_ID
from publishers.x.adapter import XAdapter
from publishers.x.spec import AUTHORIZE_URL, capabilities

PUBLIC = {"client_id": "quarry-client", "client_secret": ""}
CONFIDENTIAL = {"client_id": "quarry-client", "client_secret": "s3cret-of-the-app"}
TOKEN = Route("POST", "^/2/oauth2/token$")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def x(clock: Clock) -> Iterator[XSimulator]:
    with XSimulator(now=clock.now) as simulator:
        yield simulator


async def browse(url: str) -> None:
    """What the browser does: the platform sends it back to the listener."""
    async with httpx.AsyncClient(follow_redirects=True) as browser:
        assert (await browser.get(url)).status_code == 200


def connect(
    x: XSimulator, clock: Clock, answers: Mapping[str, str] = PUBLIC, wait: timedelta = timedelta(0)
) -> Connected:
    adapter = XAdapter(now=clock.now)

    async def run() -> Connected:
        async with CodeListener() as listener, open_http() as http:
            request = adapter.begin(x.url, answers, listener.redirect_uri)
            code, _ = await asyncio.gather(listener.wait_for_code(request.state, timeout=10), browse(request.url))
            clock.advance(wait)
            return await adapter.complete(http, x.url, answers, listener.redirect_uri, request, code)

    return asyncio.run(run())


def refresh(x: XSimulator, clock: Clock, connected: Connected, tokens: TokenSet | None = None) -> TokenSet:
    async def run() -> TokenSet:
        async with open_http() as http:
            return await XAdapter(now=clock.now).refresh(http, connected.identity, tokens or connected.tokens)

    return asyncio.run(run())


@pytest.mark.parametrize("answers", [PUBLIC, CONFIDENTIAL], ids=["public", "confidential"])
def test_an_account_is_connected_and_renewed(x: XSimulator, clock: Clock, answers: Mapping[str, str]) -> None:
    x.rules.client_secret = answers["client_secret"]
    connected = connect(x, clock, answers)
    assert (connected.identity.remote_id, connected.identity.handle) == (USER_ID, HANDLE)
    assert connected.identity.server == x.url
    assert connected.tokens.expires_at
    assert timedelta(0) <= clock.now() + timedelta(hours=2) - connected.tokens.expires_at < timedelta(seconds=30)
    assert set(connected.tokens.scope.split()) == set(capabilities.scopes)
    renewed = refresh(x, clock, connected)
    assert renewed.access_token != connected.tokens.access_token
    assert renewed.refresh_token != connected.tokens.refresh_token
    assert renewed.extra == connected.tokens.extra == {name: value for name, value in answers.items() if value}
    again = refresh(x, clock, connected, renewed)
    assert again.access_token != renewed.access_token


def test_the_address_for_the_browser() -> None:
    request = XAdapter().begin("", PUBLIC, "http://127.0.0.1:8721/callback")
    assert request.url.startswith(f"{AUTHORIZE_URL}?")
    asked = {name: value for name, (value,) in parse_qs(urlsplit(request.url).query).items()}
    assert len(request.verifier) >= 43
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "client_id": "quarry-client",
        "redirect_uri": "http://127.0.0.1:8721/callback",
        "scope": "tweet.read tweet.write users.read media.write offline.access",
        "state": request.state,
        "code_challenge_method": "S256",
    }


def test_declining_is_said(x: XSimulator, clock: Clock) -> None:
    x.rules.decline = True
    with pytest.raises(PublishError, match="declined") as raised:
        connect(x, clock)
    assert raised.value.kind is ErrorKind.AUTH


def test_a_code_is_good_for_thirty_seconds(x: XSimulator, clock: Clock) -> None:
    with pytest.raises(PublishError) as raised:
        connect(x, clock, wait=timedelta(seconds=31))
    assert raised.value.kind is ErrorKind.AUTH


def test_a_code_is_good_once_and_only_with_its_verifier(x: XSimulator, clock: Clock) -> None:
    adapter = XAdapter(now=clock.now)
    back = "http://127.0.0.1:8721/callback"

    async def run(request: AuthRequest, code: str, *, spoil: bool) -> Connected:
        async with open_http() as http:
            good = AuthRequest(request.url, request.state, request.verifier + ("x" if spoil else ""))
            await adapter.complete(http, x.url, PUBLIC, back, good, code)
            return await adapter.complete(http, x.url, PUBLIC, back, request, code)

    for spoil in (True, False):
        request = adapter.begin(x.url, PUBLIC, back)
        code = parse_qs(urlsplit(httpx.get(request.url).headers["location"]).query)["code"][0]
        with pytest.raises(PublishError) as raised:
            asyncio.run(run(request, code, spoil=spoil))
        assert raised.value.kind is ErrorKind.AUTH
        assert len([one for one in x.requests if one.path.endswith("/token")]) == (1 if spoil else 3)


def test_a_refresh_token_is_good_once(x: XSimulator, clock: Clock) -> None:
    connected = connect(x, clock)
    refresh(x, clock, connected)
    with pytest.raises(PublishError) as raised:
        refresh(x, clock, connected)
    assert raised.value.kind is ErrorKind.AUTH


def test_a_wrong_secret_is_named(x: XSimulator, clock: Clock) -> None:
    x.rules.client_secret = "another"
    with pytest.raises(PublishError, match="client id or secret") as raised:
        connect(x, clock, CONFIDENTIAL)
    assert raised.value.kind is ErrorKind.AUTH


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(FaultKind.RESET), ErrorKind.NETWORK),
        (Fault(FaultKind.DOWN), ErrorKind.PLATFORM_DOWN),
        (Fault(FaultKind.RATE, seconds=9), ErrorKind.RATE),
        (Fault(FaultKind.ANSWER, answer=Answer(403, b"<html>captive portal")), ErrorKind.PLATFORM_DOWN),
        (Fault(FaultKind.ANSWER, answer=Answer.of({"token_type": "bearer"})), ErrorKind.PLATFORM_DOWN),
        (Fault(FaultKind.ANSWER, answer=Answer.of(["a"])), ErrorKind.PLATFORM_DOWN),
    ],
)
def test_no_trouble_on_the_way_disconnects(x: XSimulator, clock: Clock, fault: Fault, kind: ErrorKind) -> None:
    connected = connect(x, clock)
    x.faults.add(TOKEN, fault)
    with pytest.raises(PublishError) as raised:
        refresh(x, clock, connected)
    assert raised.value.kind is kind
    assert refresh(x, clock, connected).access_token


@pytest.mark.parametrize("data", [{}, {"id": "1"}, {"id": "1", "username": "no spaces"}, {"id": "x", "username": "ok"}])
def test_an_account_without_a_proper_name_is_not_taken(x: XSimulator, clock: Clock, data: dict) -> None:
    x.faults.add(Route("GET", "/users/me$"), Fault(FaultKind.ANSWER, answer=Answer.of({"data": data})))
    with pytest.raises(PublishError) as raised:
        connect(x, clock)
    assert raised.value.kind is ErrorKind.PLATFORM_DOWN


@pytest.mark.parametrize(
    "answers", [{}, {"client_id": " "}, {"client_id": "ä"}, {"client_id": "a", "client_secret": "ö"}]
)
def test_answers_that_cannot_be_a_client(answers: Mapping[str, str]) -> None:
    with pytest.raises(PublishError, match="client id or secret"):
        XAdapter().begin("", answers, "http://127.0.0.1:8721/callback")


def test_redirects_must_be_registered(clock: Clock, tmp_path: Path) -> None:
    rules = Rules(redirect_uris=frozenset({"http://127.0.0.1:8721/callback"}))
    with XSimulator(rules, now=clock.now) as x:
        for port, status in ((8721, 302), (8722, 400)):
            request = XAdapter().begin(x.url, PUBLIC, f"http://127.0.0.1:{port}/callback")
            assert httpx.get(request.url).status_code == status
