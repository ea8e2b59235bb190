"""Pond: a made-up platform with everything a platform can have, for testing the suite itself."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from publishers.testing.conformance import Answer, Request, Simulator

REFUSED = b"REFUSED"
REASON = "frogs cannot look at this file"


@dataclass
class PondPost:
    text: str
    media: list[str]
    key: str
    reply_to: str


@dataclass
class PondServer(Simulator):
    """Tokens that rotate, uploads by byte offset, posts with an idempotency key."""

    access: str = "pond-access-0"
    renewal: str = "pond-refresh-0"
    posts: dict[str, PondPost] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    finished: dict[str, bytes] = field(default_factory=dict)
    received: int = 0
    takes_keys: bool = True

    def __post_init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)

    def answer(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._token(request)
        if request.bearer != self.access:
            return Answer.of({"error": "expired"}, 401)
        match request.method, *request.path.strip("/").split("/"):
            case "POST", "uploads":
                return self._new_upload()
            case _, "uploads", name, *rest:
                return self._upload(request, name, rest)
            case "POST", "posts":
                return self._post(request)
            case "GET", "posts":
                found = [name for name, post in self.posts.items() if post.key == request.params["key"]]
                return Answer.of({"posts": found})
            case _, "posts", name:
                return self._one_post(request, name)
        return Answer.of({"error": "no such call"}, 404)

    def _token(self, request: Request) -> Answer:
        if request.form.get("refresh_token") != self.renewal:
            return Answer.of({"error": "invalid_grant"}, 400)
        number = next(self._numbers)
        self.access, self.renewal = f"pond-access-{number}", f"pond-refresh-{number}"
        return Answer.of({"access_token": self.access, "refresh_token": self.renewal})

    def _new_upload(self) -> Answer:
        name = f"u{next(self._numbers)}"
        self.uploads[name] = bytearray()
        return Answer.of({"id": name})

    def _upload(self, request: Request, name: str, rest: list[str]) -> Answer:
        if name not in self.uploads:
            return Answer.of({"error": "no such upload"}, 404)
        data = self.uploads[name]
        if request.method == "PUT":
            if int(request.params["offset"]) != len(data):
                return Answer.of({"error": "wrong_offset"}, 409)
            data += request.body
            self.received += len(request.body)
        if rest == ["finish"]:
            if data.startswith(REFUSED):
                return Answer.of({"error": "bad_media", "message": REASON}, 422)
            self.finished[name] = bytes(data)
        return Answer.of({"received": len(data)})

    def _post(self, request: Request) -> Answer:
        body = request.json()
        if self.takes_keys:
            for name, post in self.posts.items():
                if post.key == body["key"]:
                    return Answer.of({"id": name})
        if not set(body["media"]) <= set(self.finished):
            return Answer.of({"error": "bad_media", "message": "unfinished"}, 422)
        name = f"p{next(self._numbers)}"
        self.posts[name] = PondPost(body["text"], body["media"], body["key"], body["reply_to"])
        return Answer.of({"id": name}, 201)

    def _one_post(self, request: Request, name: str) -> Answer:
        if not re.fullmatch(r"p\d+", name) or name not in self.posts:
            return Answer.of({"error": "gone"}, 404)
        if request.method == "DELETE":
            del self.posts[name]
            return Answer.of({})
        return Answer.of({"url": f"{self.url}/at/{name}", "views": 3})
