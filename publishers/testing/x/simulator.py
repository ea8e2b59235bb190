"""The simulated X as one server: routes, sign-in, rate limits, and a control door for other processes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from publishers.testing.faults import Fault, FaultKind, Route
from publishers.testing.server import Simulator
from publishers.testing.wire import Answer, Request
from publishers.testing.x.ids import Snowflakes
from publishers.testing.x.media import MediaStore
from publishers.testing.x.posts import PostStore
from publishers.testing.x.problems import Refused, missing
from publishers.testing.x.rules import WINDOW, Rules
from publishers.testing.x.sign_in import SignIn

USER_ID = "2244994945"
HANDLE = "quarry_creator"
NAME = "A Creator"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call that reached the platform and what it said."""

    request: Request
    answer: Answer


class XSimulator(Simulator):
    """One account, @quarry_creator. Posts, media and tokens live as long as the server."""

    def __init__(
        self, rules: Rules | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC), port: int = 0
    ) -> None:
        super().__init__(port)
        self.rules = rules or Rules()
        self._now = now
        ids = Snowflakes(now)
        self.sign_in = SignIn(self.rules, now)
        self.media = MediaStore(self.rules, now, ids)
        self.posts = PostStore(self.rules, now, ids, self.media)
        self._exchanges: list[Exchange] = []
        self._calls: dict[str, list[datetime]] = defaultdict(list)

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """Every call of X's own routes so far, with its answer, oldest first."""
        return tuple(self._exchanges)

    def answer(self, request: Request) -> Answer:
        """What X says."""
        if request.path.startswith("/_sim/"):
            return self._control(request)
        try:
            answer = self._route(request)
        except Refused as refused:
            answer = refused.answer
        self._exchanges.append(Exchange(request, answer))
        return answer

    # ---- X's routes ----------------------------------------------------------------------------

    def _route(self, request: Request) -> Answer:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["i", "oauth2", "authorize"]:
                return self.sign_in.authorize(request)
            case "POST", ["2", "oauth2", "token"]:
                return self.sign_in.token(request)
            case "POST", ["2", "oauth2", "revoke"]:
                return self.sign_in.revoke(request)
            case "GET", ["2", "users", "me"]:
                self.sign_in.check(request, "users.read", "tweet.read")
                return self._limited("GET /2/users/me", _me)
            case "GET", ["2", "users", user, "tweets"] if user == USER_ID:
                self.sign_in.check(request, "users.read", "tweet.read")
                return self._limited("GET /2/users/tweets", lambda: self.posts.timeline(request, HANDLE, USER_ID))
            case method, ["2", "tweets", *rest]:
                return self._posts(method, rest, request)
            case method, ["2", "media", *rest]:
                self.sign_in.check(request, "media.write")
                return self._limited("POST /2/media/upload", lambda: self._media(method, rest, request))
        raise missing("route", "path", request.path)

    def _posts(self, method: str, rest: list[str], request: Request) -> Answer:
        self.sign_in.check(request, "tweet.read", "users.read")
        match method, rest:
            case "POST", []:
                self.sign_in.check(request, "tweet.write")
                return self._limited("POST /2/tweets", lambda: self.posts.create(request, HANDLE))
            case "GET", []:
                ids = request.params.get("ids", "").split(",")
                return self._limited("GET /2/tweets", lambda: self.posts.look_up(request, ids, HANDLE))
            case "DELETE", [post_id]:
                self.sign_in.check(request, "tweet.write")
                return self._limited("DELETE /2/tweets", lambda: self.posts.delete(post_id))
        raise missing("route", "path", request.path)

    def _media(self, method: str, rest: list[str], request: Request) -> Answer:
        match method, rest:
            case "POST", ["upload", "initialize"]:
                return self.media.initialize(request)
            case "POST", ["upload", media_id, "append"]:
                return self.media.append(request, media_id)
            case "POST", ["upload", media_id, "finalize"]:
                return self.media.finalize(media_id)
            case "GET", ["upload"]:
                return self.media.status(request)
            case "POST", ["upload"]:
                return self.media.one_shot(request)
            case "POST", ["metadata"]:
                return self.media.describe(request)
        raise missing("route", "path", request.path)

    def _limited(self, route: str, call: Callable[[], Answer]) -> Answer:
        """The answer with X's rate headers, or 429."""
        limit = self.rules.limits.get(route, 900)
        now = self._now()
        recent = [at for at in self._calls[route] if (now - at).total_seconds() < WINDOW]
        self._calls[route] = recent
        reset = int((recent[0] if recent else now).timestamp()) + WINDOW
        headers = {"x-rate-limit-limit": str(limit), "x-rate-limit-reset": str(reset)}
        if len(recent) >= limit:
            body = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
            return Answer.of(body, 429, {**headers, "x-rate-limit-remaining": "0"})
        recent.append(now)
        headers["x-rate-limit-remaining"] = str(limit - len(recent))
        try:
            answer = call()
        except Refused as refused:
            answer = refused.answer
        return replace(answer, headers={**answer.headers, **headers})

    # ---- the control door ----------------------------------------------------------------------

    def _control(self, request: Request) -> Answer:
        """For other processes: look at the posts, get tokens, order faults, set metrics."""
        what = re.sub("^/_sim/", "", request.path)
        try:
            return self._controlled(request.method, what, request)
        except (KeyError, TypeError, ValueError) as error:
            return Answer.of({"error": f"{type(error).__name__}: {error}"}, 400)

    def _controlled(self, method: str, what: str, request: Request) -> Answer:
        match method, what:
            case "GET", "posts":
                rows = [
                    {
                        "id": post.id,
                        "text": post.text,
                        "at": post.at.isoformat(),
                        "reply_to": post.reply_to,
                        "media": [{"id": one.id, "size": one.total, "alt": one.alt} for one in post.media],
                    }
                    for post in self.posts.live
                ]
                return Answer.of({"posts": rows})
            case "POST", "grant":
                return Answer.of({**self.sign_in.grant(), "user_id": USER_ID, "handle": HANDLE})
            case "POST", "expire":
                self.sign_in.expire_access()
            case "POST", "faults":
                order = request.json()
                fault = Fault(
                    FaultKind(order["kind"]), order.get("seconds", 0), order.get("skip", 0), order.get("times", 1)
                )
                self.faults.add(Route(order["method"], order["path"]), fault)
            case "DELETE", "faults":
                self.faults.clear()
            case "POST", "metrics":
                order = request.json()
                (self.posts.grow if order.get("grow") else self.posts.set_metrics)(order["id"], order["numbers"])
            case _:
                return Answer.of({"error": "no such control"}, 404)
        return Answer.of({"ok": True})


def _me() -> Answer:
    return Answer.of({"data": {"id": USER_ID, "username": HANDLE, "name": NAME}})
