"""Signing in and refreshing, on the real PDS."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from publishers.api import Refreshes, SignsInByPassword
from publishers.bluesky import session
from publishers.bluesky.adapter import adapter
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.testing.server import Simulator
from publishers.testing.wire import Answer, Request
from tests.publishers.bluesky.creator import Creator, sign_in, with_http
from tests.servers.bluesky.pds import JWT_SECRET, Pds

pytestmark = pytest.mark.server


def expired(token: str) -> str:
    """The same session token with a life that is over, signed with the PDS's own key."""
    header, claims, _ = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    told.update(iat=int(time.time()) - 7200, exp=int(time.time()) - 60)
    signed = f"{header}.{_base64(json.dumps(told).encode())}"
    return f"{signed}.{_base64(hmac.digest(JWT_SECRET.encode(), signed.encode(), hashlib.sha256))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refusal(answers: Mapping[str, str]) -> PublishError:
    with pytest.raises(PublishError) as caught:
        sign_in(dict(answers))
    return caught.value


def refresh(creator: Creator) -> Any:
    return with_http(lambda http: adapter.refresh(http, creator.identity, creator.tokens))


def test_sign_in_gives_identity_and_tokens(pds: Pds, creator: Creator) -> None:
    assert isinstance(adapter, SignsInByPassword)
    identity, tokens = creator.identity, creator.tokens
    assert (identity.remote_id, identity.handle, identity.server) == (
        creator.account.did,
        creator.account.handle,
        pds.url,
    )
    assert tokens.expires_at is not None
    assert timedelta(minutes=110) < tokens.expires_at - datetime.now(UTC) < timedelta(minutes=121)
    assert tokens.scope == "com.atproto.appPass"
    assert dict(tokens.extra) == {}  # the password least of all


@pytest.mark.parametrize("shape", ["@{handle}", " {handle} ", "\u202a{handle}\u202c", "{did}", "{handle}@example.com"])
def test_identifier_as_people_paste_it(pds: Pds, creator: Creator, shape: str) -> None:
    account = creator.account
    identifier = shape.format(handle=account.handle, did=account.did)
    connected = sign_in({"server": pds.url, "identifier": identifier, "password": account.password})
    assert connected.identity.remote_id == account.did


def test_wrong_password_is_refused_without_repeating_it(pds: Pds, creator: Creator) -> None:
    error = refusal({"server": pds.url, "identifier": creator.account.handle, "password": "wrong-password-1"})
    assert (error.kind, error.executed, error.platform_code) == (ErrorKind.AUTH, Executed.NO, "AuthenticationRequired")
    assert "wrong-password-1" not in f"{error} {error.detail}"


@pytest.mark.parametrize("missing", ["identifier", "password"])
def test_missing_answers_are_refused_before_anything_is_sent(missing: str) -> None:
    answers = {"server": "https://bsky.invalid", "identifier": "a.test", "password": "x" * 10, missing: " "}
    assert "nothing was sent" in refusal(answers).user_message


def test_deactivated_account_is_refused(pds: Pds, own_creator: Creator) -> None:
    account = own_creator.account
    body = {"identifier": account.did, "password": account.password}
    token = pds.post("com.atproto.server.createSession", body)["accessJwt"]
    pds.post("com.atproto.server.deactivateAccount", {}, token)
    assert refusal({"server": pds.url, **body}).kind is ErrorKind.PERMISSION


class Odd(Simulator):
    """A server that is no PDS, or a strange one."""

    reply = Answer(200, b"<html>a blog</html>", {"Content-Type": "text/html"})

    def answer(self, request: Request) -> Answer:
        return self.reply


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (Answer(404, b"<html>"), ErrorKind.NOT_FOUND, "does not answer like a Bluesky server"),
        (Answer(405), ErrorKind.NOT_FOUND, "does not answer like a Bluesky server"),
        (Answer(301, b"", {"Location": "https://elsewhere.invalid"}), ErrorKind.NOT_FOUND, "does not answer like"),
        (Answer(200, b"<html>a blog"), ErrorKind.PLATFORM_DOWN, "cannot be read"),
        (Answer.of({}), ErrorKind.PLATFORM_DOWN, "cannot be read"),
        (Answer.of({"did": "did:plc:a", "handle": "a.test"}), ErrorKind.PLATFORM_DOWN, "cannot be read"),
        (Answer.of({"error": "AuthFactorTokenRequired"}, 401), ErrorKind.AUTH, "make an app password"),
    ],
)
def test_odd_servers(reply: Answer, kind: ErrorKind, says: str) -> None:
    with Odd() as server:
        server.reply = reply
        error = refusal({"server": server.url, "identifier": "a.test", "password": "secret-secret"})
    assert error.kind is kind
    assert says in error.user_message


@pytest.mark.parametrize(
    "token", ["", "a.b.c", "a.!!.c", "a." + _base64(b"[1]") + ".c", "a." + _base64(b'{"exp":1e99}') + ".c"]
)
def test_token_that_tells_no_expiry_is_taken_without_one(token: str) -> None:
    body = {"did": "did:plc:a", "handle": "a.test", "accessJwt": token or "opaque", "refreshJwt": "r"}
    with Odd() as server:
        server.reply = Answer.of(body)
        connected = sign_in({"server": server.url, "identifier": "a.test", "password": "secret-secret"})
    assert connected.tokens.expires_at is None


@pytest.mark.parametrize(
    ("endpoint", "home"),
    [
        ("https://shimeji.us-east.host.bsky.network", "https://shimeji.us-east.host.bsky.network"),
        ("http://localhost:2583", ""),  # never down from https, and tests stay behind their proxy
        ("https://user@evil.example/", ""),
        (7, ""),
    ],
)
def test_posts_go_to_the_server_the_did_document_names(endpoint: object, home: str) -> None:
    body = {
        "did": "did:plc:a",
        "handle": "a.test",
        "accessJwt": "access-token",
        "refreshJwt": "refresh-token",
        "didDoc": {
            "service": [
                "junk",
                {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint},
            ]
        },
    }
    with Odd() as server:
        server.reply = Answer.of(body)
        connected = sign_in({"server": server.url, "identifier": "a.test", "password": "secret-secret"})
        assert connected.identity.server == (home or server.url)
        assert dict(connected.tokens.extra) == ({session.SERVICE: server.url} if home else {})
        renewed = with_http(lambda http: adapter.refresh(http, connected.identity, connected.tokens))
        assert [request.path.rpartition(".")[2] for request in server.requests] == ["createSession", "refreshSession"]
    assert renewed.extra == connected.tokens.extra


def test_refresh_gives_a_whole_new_set_that_works(creator: Creator) -> None:
    assert isinstance(adapter, Refreshes)
    before = creator.tokens
    creator.tokens = replace(before, access_token=expired(before.access_token))
    after = refresh(creator)
    assert after.refresh_token != before.refresh_token
    assert after.expires_at is not None
    creator.tokens = after
    assert refresh(creator).refresh_token != after.refresh_token


def test_repeated_refresh_after_a_lost_answer_is_harmless(creator: Creator) -> None:
    first, second = refresh(creator), refresh(creator)
    claims = [session._claims(one.refresh_token)["jti"] for one in (first, second)]
    assert claims[0] == claims[1]


def test_dead_refresh_token_asks_to_connect_again(pds: Pds, own_creator: Creator) -> None:
    good = own_creator.tokens
    for token in (expired(good.refresh_token), "junk.junk.junk", good.access_token):
        own_creator.tokens = replace(good, refresh_token=token)
        with pytest.raises(PublishError) as caught:
            refresh(own_creator)
        assert caught.value.kind is ErrorKind.AUTH
        assert "connect the account again" in caught.value.user_message
        assert token not in f"{caught.value} {caught.value.detail}"
    pds.post("com.atproto.server.deleteSession", token=good.refresh_token)
    own_creator.tokens = good
    with pytest.raises(PublishError) as caught:
        refresh(own_creator)
    assert caught.value.kind is ErrorKind.AUTH


@pytest.mark.parametrize(
    "reply",
    [
        Answer(401, b"<html>log in to the hotel's network"),
        Answer.of({"error": "AuthMissing"}, 401),
        Answer(503),
        Answer.of({"did": "did:plc:somebody-else", "accessJwt": "a", "refreshJwt": "b"}),
        Answer(200, b"<html>"),
    ],
)
def test_only_the_servers_own_word_ends_a_session(creator: Creator, reply: Answer) -> None:
    with Odd() as server:
        server.reply = reply
        with pytest.raises(PublishError) as caught:
            refresh(creator.at(server.url))
    assert caught.value.kind is ErrorKind.PLATFORM_DOWN


def test_cut_network_does_not_end_a_session(creator: Creator) -> None:
    with pytest.raises(PublishError) as caught:
        refresh(creator.at("http://127.0.0.1:9"))
    assert (caught.value.kind, caught.value.executed) == (ErrorKind.NETWORK, Executed.NO)
