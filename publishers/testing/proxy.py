"""Faults in front of a real server: a reverse proxy on loopback that plays them and passes the rest on."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from publishers.testing.server import Simulator
from publishers.testing.wire import Answer, Request

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})


class FaultProxy(Simulator):
    """Stands between an adapter and a real server at `upstream` (http only), e.g. a Bluesky PDS.

    The Host header is passed on as the client sent it, so servers that build links from it give the proxy's.
    """

    def __init__(self, upstream: str, *, timeout: float = 30.0) -> None:
        super().__init__()
        self._upstream = urlsplit(upstream).netloc
        self._timeout = timeout

    def answer(self, request: Request) -> Answer:
        """What the real server says."""
        connection = http.client.HTTPConnection(self._upstream, timeout=self._timeout)
        try:
            target = f"{request.path}?{request.query}" if request.query else request.path
            headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
            connection.request(request.method, target, body=request.body or None, headers=headers)
            response = connection.getresponse()
            body = response.read()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
            return Answer(response.status, body, kept)
        finally:
            connection.close()

    def _perform(self, request: Request) -> Answer:
        return self.answer(request)  # the real server does its own locking
