"""Server addresses, and what refusals mean; the refusals come from a loopback server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishers.bluesky.client import Client, server_address
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.testing.server import Simulator
from publishers.testing.wire import Answer, Request
from tests.publishers.bluesky.creator import with_http

TOKEN = "tok-abcdefgh"


class Refuser(Simulator):
    """Answers everything alike."""

    reply = Answer()

    def answer(self, request: Request) -> Answer:
        return self.reply


@pytest.fixture
def refuser() -> Iterator[Refuser]:
    with Refuser() as server:
        yield server


def refusal(server: Refuser, status: int, body: object, headers: Mapping[str, str] | None = None) -> PublishError:
    server.reply = Answer.of(body, status, headers)
    with pytest.raises(PublishError) as caught:
        with_http(
            lambda http: Client(http, server.url, TOKEN).procedure("com.atproto.repo.createRecord", {}),
            secrets=(TOKEN,),
        )
    return caught.value


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("bsky.social", "https://bsky.social"),
        (" https://Bsky.Social/ ", "https://bsky.social"),
        ("https://pds.example.com:8443", "https://pds.example.com:8443"),
        ("http://127.0.0.1:2583", "http://127.0.0.1:2583"),
        ("http://localhost:2583", "http://localhost:2583"),
        ("http://[::1]:2583", "http://[::1]:2583"),
        ("\u200ehttps://bsky.social\u200f", "https://bsky.social"),
    ],
)
def test_server_addresses(typed: str, address: str) -> None:
    assert server_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "", "http://bsky.social", "http://10.0.0.1", "ftp://bsky.social", "https://user:secret@bsky.social",
        "https://bsky.social/xrpc", "https://bsky.social?x=1", "https://bsky.social:99999", "https://", "http://[::1",
        "http://localhost.example.com", "file:///etc/passwd",
        "https://b sky.social", "https://例え.jp", "https://-", "a" * 300,
    ],
)  # fmt: skip
def test_refused_server_addresses(typed: str) -> None:
    with pytest.raises(PublishError, match="is not the address of a server"):
        server_address(typed)


@given(st.text(max_size=40))
def test_no_typed_text_breaks_the_check(typed: str) -> None:
    try:
        address = server_address(typed)
    except PublishError:
        return
    assert httpx.URL(address).host
    assert address.startswith(("https://", "http://127.", "http://localhost", "http://[::1]"))


@pytest.mark.parametrize(
    ("status", "name", "kind", "executed"),
    [
        (400, "ExpiredToken", ErrorKind.AUTH, Executed.NO),
        (400, "InvalidToken", ErrorKind.AUTH, Executed.NO),
        (401, "AuthenticationRequired", ErrorKind.AUTH, Executed.NO),
        (401, "AccountTakedown", ErrorKind.PERMISSION, Executed.NO),
        (400, "InvalidRequest", ErrorKind.CONTENT, Executed.NO),
        (400, "BlobTooLarge", ErrorKind.MEDIA, Executed.NO),
        (413, "PayloadTooLarge", ErrorKind.MEDIA, Executed.NO),
        (400, "RecordNotFound", ErrorKind.NOT_FOUND, Executed.NO),
        (429, "RateLimitExceeded", ErrorKind.RATE, Executed.NO),
        (500, "InternalServerError", ErrorKind.PLATFORM_DOWN, Executed.UNKNOWN),
        (502, "UpstreamFailure", ErrorKind.PLATFORM_DOWN, Executed.UNKNOWN),
        (500, "InvalidRequest", ErrorKind.PLATFORM_DOWN, Executed.UNKNOWN),  # the status of a broken server wins
        (400, "SomethingNew", ErrorKind.CONTENT, Executed.NO),
    ],
)
def test_refusals_by_name(refuser: Refuser, status: int, name: str, kind: ErrorKind, executed: Executed) -> None:
    error = refusal(refuser, status, {"error": name, "message": "because"})
    assert (error.kind, error.executed, error.platform_code) == (kind, executed, name)
    assert "127.0.0.1" in error.user_message


def test_rate_limit_says_when(refuser: Refuser) -> None:
    reset = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=7)
    headers = {"ratelimit-limit": "5000", "ratelimit-remaining": "0", "ratelimit-reset": str(int(reset.timestamp()))}
    error = refusal(refuser, 429, {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}, headers)
    assert error.retry_at == reset


@pytest.mark.parametrize("body", ["<html>", [], {"error": 5}, {"error": "not a name"}, {"error": None}, {}])
def test_answers_that_are_not_xrpc_fall_back_to_the_status(refuser: Refuser, body: object) -> None:
    error = refusal(refuser, 403, body)
    assert (error.kind, error.platform_code) == (ErrorKind.PERMISSION, "403")


@pytest.mark.parametrize("before", ["", "x" * (200 - len("text too big ") - 4)], ids=["whole", "cut"])
def test_the_platforms_words_are_shown_short_clean_and_without_secrets(refuser: Refuser, before: str) -> None:
    said = f"text\n\u202etoo big {before}{TOKEN} " + "x" * 5000
    error = refusal(refuser, 400, {"error": "InvalidRequest", "message": said})
    assert "text too big" in error.user_message
    assert TOKEN[:4] not in error.user_message + error.detail
    assert len(error.user_message) < 400


@pytest.mark.parametrize("body", [b"not json", b"[]", b'"text"', b"\xff"])
def test_unreadable_yes_is_an_unknown_outcome(refuser: Refuser, body: bytes) -> None:
    refuser.reply = Answer(200, body, {"Content-Type": "application/json"})
    with pytest.raises(PublishError) as caught:
        with_http(lambda http: Client(http, refuser.url).procedure("com.atproto.repo.createRecord", {}))
    assert (caught.value.kind, caught.value.executed) == (ErrorKind.PLATFORM_DOWN, Executed.UNKNOWN)


@pytest.mark.parametrize("blob", [None, {}, {"$type": "blob", "size": 3}, {"$type": "else", "size": 4}])
def test_upload_wants_a_blob_of_the_same_size(refuser: Refuser, blob: Any) -> None:
    refuser.reply = Answer.of({"blob": blob})
    with pytest.raises(PublishError) as caught:
        with_http(lambda http: Client(http, refuser.url).upload_blob(b"four", "image/png"))
    assert caught.value.kind is ErrorKind.PLATFORM_DOWN
