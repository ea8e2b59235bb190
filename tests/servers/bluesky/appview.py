"""A small AppView on loopback: what a PDS forwards public reads to. It knows only what a test tells it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DID = "did:example:appview"
COUNTS = ("likeCount", "replyCount", "repostCount", "quoteCount", "bookmarkCount")


@dataclass(slots=True)
class AppView:
    """Counts by at:// URI, as `app.bsky.feed.getPosts` gives them. `up = False` answers nothing at all."""

    url: str = ""
    posts: dict[str, Mapping[str, int]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)  # left out of answers
    asked: list[list[str]] = field(default_factory=list)  # the uris of each getPosts call
    exists: Callable[[str], bool] = lambda _uri: (
        False
    )  # whether a post no test spoke of is on the PDS: all counts are 0
    up: bool = True

    def answer(self, path: str, query: str, token: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON. The PDS signs each forwarded call for this AppView and this method alone."""
        if path == "/xrpc/com.atproto.identity.resolveHandle":
            return 400, {"error": "InvalidRequest", "message": "Unable to resolve handle"}
        if path != "/xrpc/app.bsky.feed.getPosts":
            return 501, {"error": "MethodNotImplemented", "message": path}
        claims = _claims(token)
        if claims.get("aud", "").split("#")[0] != DID or claims.get("lxm") != "app.bsky.feed.getPosts":
            return 401, {"error": "AuthenticationRequired", "message": f"not for me: {claims}"}
        uris = parse_qs(query).get("uris", [])
        self.asked.append(uris)
        if not 0 < len(uris) <= 25:
            return 400, {"error": "InvalidRequest", "message": "uris must not have more than 25 elements"}
        return 200, {"posts": [self._view(uri) for uri in uris if self._shows(uri)]}

    def _shows(self, uri: str) -> bool:
        return uri not in self.hidden and (uri in self.posts or self.exists(uri))

    def _view(self, uri: str) -> dict[str, Any]:
        author = {"did": uri.split("/")[2], "handle": "someone.test"}
        record = {"$type": "app.bsky.feed.post", "text": "…", "createdAt": "2026-01-01T00:00:00Z"}
        cid = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
        indexed = {"uri": uri, "cid": cid, "author": author, "record": record, "indexedAt": "2026-01-01T00:00:00Z"}
        return {**indexed, **self.posts.get(uri, dict.fromkeys(COUNTS, 0))}


def _claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1] if token.count(".") == 2 else ""
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)) or b"{}")
    return claims


@contextmanager
def serve_appview() -> Iterator[AppView]:
    """A running AppView."""
    view = AppView()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not view.up:
                self.close_connection = True
                return
            where = urlsplit(self.path)
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, body = view.answer(where.path, where.query, token)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    view.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="AppView")
    thread.start()
    try:
        yield view
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
