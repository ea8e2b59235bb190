"""The one HTTP door: kinds of error, whether the call was carried out, retries, redaction. On real sockets."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import MAX_DETAIL, Http, Response, open_http, retry_time
from publishers.testing.conformance import Answer, Fault, FaultKind, Request, Route, Simulator

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ANY = Route(".*", ".*")
SECRET = "s3cret/token+value=="


class Echo(Simulator):
    def answer(self, request: Request) -> Answer:
        return Answer.of({"method": request.method, "body": request.body.decode()})


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


def ask(url: str, method: str = "POST", bound: Callable[[Http], Http] = lambda http: http, **rest: Any) -> Response:
    async def call() -> Response:
        async with open_http(secrets=(SECRET,), now=lambda: NOW) as http:
            return await bound(http).request(method, url, **rest)

    return asyncio.run(call())


def refused(url: str, method: str = "POST", **rest: Any) -> PublishError:
    with pytest.raises(PublishError) as caught:
        ask(url, method, **rest)
    return caught.value


def answered(echo: Echo, status: int, body: bytes = b"", method: str = "POST", **headers: str) -> PublishError:
    times = 3 if method == "GET" else 1
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    echo.faults.add(ANY, Fault(FaultKind.ANSWER, answer=Answer(status, body, named), times=times))
    return refused(echo.url, method)


class TestAnswers:
    def test_answer_is_read_whole(self, echo: Echo) -> None:
        answer = ask(f"{echo.url}/somewhere", json_body={"text": "世界"})
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("application/json")
        assert "世界" in answer.json()["body"]

    def test_no_json_is_an_error_that_shows_nothing_of_the_body(self) -> None:
        with pytest.raises(PublishError) as caught:
            Response(200, {}, f"<html>{SECRET}".encode()).json()
        assert caught.value.kind is ErrorKind.PLATFORM_DOWN
        assert caught.value.executed is Executed.UNKNOWN
        assert SECRET not in caught.value.detail

    @pytest.mark.parametrize(
        ("status", "kind", "executed"),
        [
            (302, ErrorKind.NOT_FOUND, Executed.NO),
            (400, ErrorKind.CONTENT, Executed.NO),
            (401, ErrorKind.AUTH, Executed.NO),
            (403, ErrorKind.PERMISSION, Executed.NO),
            (404, ErrorKind.NOT_FOUND, Executed.NO),
            (408, ErrorKind.PLATFORM_DOWN, Executed.NO),
            (410, ErrorKind.NOT_FOUND, Executed.NO),
            (413, ErrorKind.MEDIA, Executed.NO),
            (415, ErrorKind.MEDIA, Executed.NO),
            (429, ErrorKind.RATE, Executed.NO),
            (500, ErrorKind.PLATFORM_DOWN, Executed.UNKNOWN),
            (503, ErrorKind.PLATFORM_DOWN, Executed.UNKNOWN),
        ],
    )
    def test_statuses(self, echo: Echo, status: int, kind: ErrorKind, executed: Executed) -> None:
        error = answered(echo, status)
        assert (error.kind, error.executed, error.platform_code) == (kind, executed, str(status))
        assert error.user_message.endswith(".")

    def test_reading_that_fails_was_surely_not_carried_out(self, echo: Echo) -> None:
        assert answered(echo, 503, method="GET").executed is Executed.NO

    def test_platform_reads_its_own_codes(self, echo: Echo) -> None:
        def explain(response: Response) -> PublishError | None:
            return PublishError(ErrorKind.DUPLICATE, "Pond has this already.") if response.status == 409 else None

        echo.faults.add(ANY, Fault(FaultKind.ANSWER, answer=Answer(409)))
        error = refused(echo.url, bound=lambda http: http.bound(explain=explain))
        assert error.kind is ErrorKind.DUPLICATE
        assert answered(echo, 400).kind is ErrorKind.CONTENT

    def test_explanation_of_a_server_error_never_says_not_carried_out(self, echo: Echo) -> None:
        echo.faults.add(ANY, Fault(FaultKind.ANSWER, answer=Answer(500)))
        known = PublishError(ErrorKind.CONTENT, "Refused.")
        error = refused(echo.url, bound=lambda http: http.bound(explain=lambda _: known))
        assert error.executed is Executed.UNKNOWN

    def test_explanation_that_finds_no_json_leaves_it_to_the_status(self, echo: Echo) -> None:
        def explain(response: Response) -> PublishError | None:
            return PublishError(ErrorKind.CONTENT, response.json()["message"])

        echo.faults.add(ANY, Fault(FaultKind.ANSWER, answer=Answer(401, b"<html>")))
        assert refused(echo.url, bound=lambda http: http.bound(explain=explain)).kind is ErrorKind.AUTH


class TestNetwork:
    def test_nothing_listens(self) -> None:
        error = refused("http://127.0.0.1:9/")
        assert (error.kind, error.executed) == (ErrorKind.NETWORK, Executed.NO)

    @pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.DROP_ANSWER])
    def test_lost_answer_is_unknown(self, echo: Echo, kind: FaultKind) -> None:
        echo.faults.add(ANY, Fault(kind))
        error = refused(echo.url, json_body={})
        assert (error.kind, error.executed) == (ErrorKind.NETWORK, Executed.UNKNOWN)
        assert len(echo.requests) == 1

    def test_slow_answer_is_unknown(self, echo: Echo) -> None:
        echo.faults.add(ANY, Fault(FaultKind.SLOW, seconds=30))
        error = refused(echo.url, timeout=0.1)
        assert (error.kind, error.executed) == (ErrorKind.NETWORK, Executed.UNKNOWN)

    @pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.DROP_ANSWER, FaultKind.DOWN])
    def test_reading_is_tried_again(self, echo: Echo, kind: FaultKind) -> None:
        echo.faults.add(ANY, Fault(kind))
        assert ask(echo.url, "GET").status == 200
        assert len(echo.requests) == 2

    def test_streams_are_not_sent_twice(self, echo: Echo) -> None:
        async def stream() -> AsyncIterator[bytes]:
            yield b"once"

        echo.faults.add(ANY, Fault(FaultKind.DOWN))
        assert refused(echo.url, "PUT", content=stream(), safe=True).kind is ErrorKind.PLATFORM_DOWN
        assert [request.body for request in echo.requests] == [b"once"]

    @pytest.mark.parametrize("url", ["", "pds.example", "ftp://127.0.0.1/", "http://[::1", "http://"])
    def test_unusable_address(self, url: str) -> None:
        error = refused(url)
        assert (error.kind, error.executed) == (ErrorKind.CONTENT, Executed.NO)

    @pytest.mark.parametrize("token", [f"{SECRET}\n", "tökên-that-is-secret"])
    def test_header_that_cannot_be_sent(self, echo: Echo, token: str) -> None:
        error = refused(echo.url, headers={"Authorization": f"Bearer {token}"})
        assert (error.kind, error.executed) == (ErrorKind.BUG, Executed.NO)
        assert token.strip() not in "".join(traceback.format_exception(error))
        assert error.__cause__ is None
        assert echo.requests == ()


class TestRedaction:
    @pytest.mark.parametrize(
        "said",
        [
            SECRET,
            '{"access_token":"other-token-1","x":1}',
            r'{"message":"{\"refreshJwt\":\"other-token-1\"}"}',
            "refresh_token=other-token-1&x=1",
            "Authorization: Bearer other-token-1",
            "password = other-token-1",
            r'{"access_token":"abc\/other-token-1"}',
            "x" * (MAX_DETAIL - 22) + SECRET,  # cut in its middle
        ],
    )
    def test_no_secret_in_an_error(self, echo: Echo, said: str) -> None:
        error = answered(echo, 400, said.encode())
        shown = f"{error!s} {error!r} {error.detail} {error.user_message}"
        assert "other-token-1" not in shown
        assert SECRET[:8] not in shown
        assert len(error.detail) <= MAX_DETAIL

    def test_no_secret_in_the_platforms_own_sentence(self, echo: Echo) -> None:
        def explain(response: Response) -> PublishError | None:
            return PublishError(ErrorKind.CONTENT, f"Pond says: {response.text}.")

        echo.faults.add(ANY, Fault(FaultKind.ANSWER, answer=Answer(400, SECRET.encode())))
        error = refused(echo.url, bound=lambda http: http.bound(explain=explain))
        assert SECRET not in f"{error!s} {error!r} {error.user_message}"

    def test_further_secrets(self, echo: Echo) -> None:
        echo.faults.add(ANY, Fault(FaultKind.ANSWER, answer=Answer(400, b"a fresher-token")))
        error = refused(echo.url, bound=lambda http: http.bound(secrets=("fresher-token",)))
        assert "fresher" not in error.detail


class TestRetryTime:
    def test_reaches_the_error(self, echo: Echo) -> None:
        assert answered(echo, 429, Retry_After="30").retry_at == NOW + timedelta(seconds=30)
        assert answered(echo, 503, Retry_After="40").retry_at == NOW + timedelta(seconds=40)
        assert answered(echo, 503).retry_at is None

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, 60),
            ({"retry-after": "120"}, 120),
            ({"retry-after": "1.5"}, 1.5),
            ({"retry-after": "Tue, 24 Nov 2026 12:05:00 GMT"}, 300),
            ({"retry-after": "Tue, 24 Nov 2026 12:05:00 -0000"}, 300),
            ({"retry-after": "Tue, 24 Nov 2026 11:00:00 GMT"}, 0),
            ({"retry-after": "9999999999"}, 86_400),
            ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359"}, 60),
            ({"retry-after": "²"}, 60),
            ({"retry-after": "soon", "x-rate-limit-reset": str(int(NOW.timestamp()) + 90)}, 90),
            ({"ratelimit-reset": "45"}, 45),
        ],
    )
    def test_headers(self, headers: dict[str, str], seconds: float) -> None:
        assert retry_time(headers, NOW) == NOW + timedelta(seconds=seconds)

    @given(st.dictionaries(st.sampled_from(["retry-after", "x-rate-limit-reset", "ratelimit-reset"]), st.text()))
    def test_any_headers_give_a_time_within_a_day(self, headers: dict[str, str]) -> None:
        assert NOW <= retry_time(headers, NOW) <= NOW + timedelta(days=1)
