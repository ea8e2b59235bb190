"""The base of the platform simulators: HTTP/1.1 on a real loopback socket, with faults on request.

class Pond(Simulator):
    def answer(self, request): return Answer.of({"ok": True})

with Pond() as pond:
    pond.faults.add(Route("POST", "^/posts$"), Fault(FaultKind.DROP_ANSWER))
    ...  # talk to pond.url; then look at pond.requests
"""

from __future__ import annotations

import socket
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from publishers.testing.faults import Fault, FaultBoard, FaultKind
from publishers.testing.wire import Answer, Request

MAX_BODY = 64 * 2**20  # bytes of one request a simulator takes


class Simulator(ABC):
    """A stateful loopback server. `answer` runs under one lock, so state needs no other. Port 0 takes a free one."""

    def __init__(self, port: int = 0) -> None:
        self.faults = FaultBoard()
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.simulator = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name=type(self).__name__)

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Do what the request asks and say so."""

    @property
    def url(self) -> str:
        """Its base address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> Sequence[Request]:
        """Every call so far, struck ones included, oldest first."""
        with self._lock:
            return tuple(self._requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def handle(self, request: Request, fault: Fault | None) -> Answer | None:
        """The answer after the fault has had its way; None = the connection is cut without one."""
        with self._lock:
            self._requests.append(request)
        match fault.kind if fault else None:
            case FaultKind.RESET | FaultKind.CUT_UPLOAD:
                return None
            case FaultKind.ANSWER if fault and fault.answer:
                return fault.answer
            case FaultKind.RATE:
                seconds = str(fault.seconds) if fault else "1"
                return Answer.of({"error": "RateLimitExceeded"}, 429, {"Retry-After": seconds})
            case FaultKind.DOWN:
                return Answer.of({"error": "down for maintenance"}, 503)
            case FaultKind.ECHO:
                said = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
                body = request.body[:2000].decode("utf-8", "replace")
                return Answer.of({"error": "InvalidRequest", "message": f"{said} {body}"}, 400)
        answer = self._perform(request)
        match fault.kind if fault else None:
            case FaultKind.DROP_ANSWER:
                return None
            case FaultKind.DOWN_AFTER:
                return Answer.of({"error": "InternalServerError"}, 500)
            case FaultKind.SLOW:
                self._closing.wait(fault.seconds if fault else 0)
        return answer

    def _perform(self, request: Request) -> Answer:
        with self._lock:
            return self.answer(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # a thread that outlives its test is a fault of the test
    block_on_close = True
    request_queue_size = 64
    simulator: Simulator

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: object, client_address: object) -> None:
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)  # type: ignore[arg-type]  # socketserver allows UDP pairs

    def shutdown_request(self, request: object) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]

    def server_close(self) -> None:
        """Wake the threads that wait on kept-alive connections, then wait for them."""
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it went away by itself
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        simulator = self.server.simulator
        where = urlsplit(self.path)
        fault = simulator.faults.take(self.command, where.path)
        half = fault is not None and fault.kind is FaultKind.CUT_UPLOAD
        body = self._body(half=half)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = simulator.handle(Request(self.command, where.path, where.query, headers, body), fault)
        if answer is None:
            self._cut(reset=fault is not None and fault.kind is not FaultKind.DROP_ANSWER)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _body(self, *, half: bool) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY)
        return self.rfile.read(length // 2 if half else length)

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline(100).split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline(2)
            if len(body) > MAX_BODY:
                break
        self.rfile.readline(100)
        return bytes(body)

    def _cut(self, *, reset: bool) -> None:
        if reset:  # SO_LINGER of zero seconds makes the close a TCP RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests look at `requests`."""
