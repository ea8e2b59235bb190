"""The simulators' base and the proxy play each fault, seen by a plain HTTP client of the standard library."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from publishers.testing.conformance import Answer, Fault, FaultKind, FaultProxy, Request, Route, Simulator

POSTS = Route("POST", "^/posts$")


class Counter(Simulator):
    """Counts what it carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    def answer(self, request: Request) -> Answer:
        if request.method == "POST":
            self.done += 1
        return Answer.of({"done": self.done, "size": len(request.body), "query": request.params})


@pytest.fixture
def counter() -> Iterator[Counter]:
    with Counter() as running:
        yield running


@pytest.fixture(params=["simulator", "proxy"])
def front(request: pytest.FixtureRequest, counter: Counter) -> Iterator[Simulator]:
    """The simulator itself, or the proxy before it."""
    if request.param == "simulator":
        yield counter
        return
    with FaultProxy(counter.url) as proxy:
        yield proxy


def send(front: Simulator, body: bytes = b"", path: str = "/posts", method: str = "POST") -> tuple[int, dict, dict]:
    connection = http.client.HTTPConnection(urlsplit(front.url).netloc, timeout=5)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}"), dict(answer.getheaders())
    finally:
        connection.close()


def test_answers_and_remembers(front: Simulator) -> None:
    status, said, _ = send(front, b"abc", "/posts?a=1&b=%20")
    assert (status, said) == (200, {"done": 1, "size": 3, "query": {"a": "1", "b": " "}})
    assert [(one.method, one.path, one.body) for one in front.requests] == [("POST", "/posts", b"abc")]


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.CUT_UPLOAD])
def test_reset_does_nothing(front: Simulator, counter: Counter, kind: FaultKind) -> None:
    front.faults.add(POSTS, Fault(kind))
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        send(front, b"x" * 100_000)
    assert counter.done == 0
    assert len(front.requests[0].body) == (100_000 if kind is FaultKind.RESET else 50_000)


def test_dropped_answer_is_carried_out(front: Simulator, counter: Counter) -> None:
    front.faults.add(POSTS, Fault(FaultKind.DROP_ANSWER))
    with pytest.raises(http.client.RemoteDisconnected):
        send(front)
    assert counter.done == 1


@pytest.mark.parametrize(
    ("fault", "status", "done"),
    [
        (Fault(FaultKind.RATE, seconds=7), 429, 0),
        (Fault(FaultKind.DOWN), 503, 0),
        (Fault(FaultKind.DOWN_AFTER), 500, 1),
        (Fault(FaultKind.ANSWER, answer=Answer.of({"error": "x"}, 418)), 418, 0),
        (Fault(FaultKind.ECHO), 400, 0),
    ],
)
def test_answers_of_faults(front: Simulator, counter: Counter, fault: Fault, status: int, done: int) -> None:
    front.faults.add(POSTS, fault)
    got, said, headers = send(front, b"the body")
    assert (got, counter.done) == (status, done)
    if fault.kind is FaultKind.RATE:
        assert headers["Retry-After"] == "7"
    if fault.kind is FaultKind.ECHO:
        assert "the body" in said["message"]
    assert send(front)[0] == 200


def test_slow_answer_comes(front: Simulator, counter: Counter) -> None:
    front.faults.add(POSTS, Fault(FaultKind.SLOW, seconds=1))
    connection = http.client.HTTPConnection(urlsplit(front.url).netloc, timeout=0.1)
    connection.request("POST", "/posts")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert send(front)[1]["done"] == 2


def test_fault_strikes_its_calls_only(front: Simulator) -> None:
    front.faults.add(POSTS, Fault(FaultKind.DOWN, skip=1, times=2))
    seen = [send(front)[0], send(front, path="/other")[0], send(front, method="GET")[0]]
    seen += [send(front)[0] for _ in range(3)]
    assert seen == [200, 200, 200, 503, 503, 200]
    assert front.faults.struck == 2


def test_chunked_bodies_and_kept_connections(front: Simulator) -> None:
    connection = http.client.HTTPConnection(urlsplit(front.url).netloc, timeout=5)
    for _ in range(2):
        connection.request("POST", "/posts", body=iter([b"ab", b"cde"]), encode_chunked=True)
        assert json.loads(connection.getresponse().read())["size"] == 5
    connection.close()


def test_stopping_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with Counter() as counter:
        connection = http.client.HTTPConnection(urlsplit(counter.url).netloc, timeout=5)
        connection.request("GET", "/")
        connection.getresponse().read()  # and the connection stays open
    assert set(threading.enumerate()) <= before
    connection.close()
