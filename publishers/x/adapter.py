"""The X adapter: plan, reconcile, sign-in, delete, metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from publishers.api import (
    AuthRequest,
    CannotTell,
    Capabilities,
    Connected,
    Content,
    Context,
    Count,
    Done,
    Found,
    Gone,
    Identity,
    Issue,
    Metrics,
    NotFound,
    Outcome,
    Part,
    Plan,
    Reconciled,
    RunStep,
    State,
    Step,
    StepKind,
    TokenSet,
)
from publishers.errors import ErrorKind, PublishError
from publishers.http import Http
from publishers.oauth import OAuthClient
from publishers.x.check import check
from publishers.x.client import XClient
from publishers.x.length import measure
from publishers.x.match import same_text
from publishers.x.spec import AUTHORIZE_URL, PERMALINK, SERVER, capabilities
from publishers.x.upload import media_entry, upload

PLAN_VERSION = 1
_STEP = re.compile(r"post-([0-9]+)")
_CLOCK_SKEW = timedelta(minutes=2)  # between this machine and X
_NON_PUBLIC_DAYS = timedelta(days=29)  # X gives the owner's numbers for 30 days and errors after that
_SNOWFLAKE_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class XAdapter:
    """Posts and threads on X. `now` dates token sets."""

    def __init__(self, now: Callable[[], datetime] = _utc_now) -> None:
        self.capabilities: Capabilities = capabilities
        self._now = now

    # ---- before sending --------------------------------------------------------------------------

    def count(self, text: str, format_id: str = "") -> Count:
        """Weighted characters (twitter-text 3)."""
        spec = capabilities.format(format_id)
        return Count(measure(text).used, spec.text.value, spec.unit)

    def validate(self, content: Content, format_id: str = "") -> Sequence[Issue]:
        """Everything X would refuse, and what a post costs more than usual."""
        return check(content, capabilities.format(format_id))

    def plan(self, content: Content, format_id: str = "") -> Plan:
        """All uploads first, then each part as a post of its own that replies to the one before."""
        capabilities.format(format_id)
        uploads = [
            Step(name, StepKind.PREPARE_MEDIA, upload(name, media))
            for index, part in enumerate(content.parts)
            for name, media in zip(_media_names(index, part), part.media, strict=True)
        ]
        commits = [
            Step(f"post-{index + 1}", StepKind.COMMIT, _commit(index, part)) for index, part in enumerate(content.parts)
        ]
        return Plan(PLAN_VERSION, (*uploads, *commits))

    # ---- after a lost answer ---------------------------------------------------------------------

    async def reconcile(
        self, context: Context, content: Content, step: str, state: State, since: datetime
    ) -> Reconciled:
        """Look for the part's text among the account's own posts since it was armed.

        Never authoritative: X may show a post late, and the text is all that ties it to us. Posts made by earlier
        parts are left out, and a part of a thread must stand in the thread's conversation.
        """
        match = _STEP.fullmatch(step)
        index = int(match.group(1)) - 1 if match else -1
        if not 0 <= index < len(content.parts):
            return CannotTell(f"the plan has no step {step}")
        part, known = content.parts[index], _posts(state)
        recent = await _client(context).own_posts(context.identity.remote_id, since - _CLOCK_SKEW)
        found = [
            post["id"]
            for post in recent
            if post["id"] not in known
            and _in_conversation(post, known)
            and _as_many_files(post, part)
            and same_text(part.text, post, context.identity.handle)
        ]
        if found:
            post_id = min(found, key=int)
            return Found(post_id, PERMALINK.format(id=post_id), {**state, "posts": [*known, post_id]})
        if context.now() < since + _settle(context):
            return CannotTell("X may not show a new post for a minute")
        return NotFound(authoritative=False)

    # ---- sign-in ---------------------------------------------------------------------------------

    def begin(self, server: str, answers: Mapping[str, str], redirect_uri: str) -> AuthRequest:
        """The address to open in the browser."""
        return _oauth(server, answers).begin(redirect_uri, capabilities.scopes)

    async def complete(
        self, http: Http, server: str, answers: Mapping[str, str], redirect_uri: str, request: AuthRequest, code: str
    ) -> Connected:
        """Exchange the code (X keeps it for 30 s) and ask whose account it is."""
        server = server.rstrip("/") or SERVER
        tokens = await _oauth(server, answers).exchange(http, redirect_uri, request, code, self._now())
        app = {name: answers[name].strip() for name in ("client_id", "client_secret") if answers.get(name, "").strip()}
        tokens = replace(tokens, extra=app)
        http = http.bound(secrets=(tokens.access_token, tokens.refresh_token))
        me = await XClient(http, server, tokens.access_token).me()
        return Connected(Identity(me.id, me.handle, server, me.name), tokens)

    async def refresh(self, http: Http, identity: Identity, tokens: TokenSet) -> TokenSet:
        """A new token set; X gives a new refresh token each time and forgets the old one."""
        return await _oauth(identity.server, tokens.extra).refresh(http, tokens, self._now())

    # ---- afterwards ------------------------------------------------------------------------------

    async def delete(self, context: Context, remote_id: str) -> None:
        """Remove one post; the other parts of a thread stay."""
        try:
            await _client(context).delete_post(remote_id)
        except PublishError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise

    async def post_metrics(self, context: Context, remote_ids: Sequence[str]) -> Mapping[str, Metrics | Gone]:
        """Public numbers; clicks too while the post is younger than 30 days."""
        young = [one for one in remote_ids if context.now() - _posted_at(one) < _NON_PUBLIC_DAYS]
        old = [one for one in remote_ids if one not in set(young)]
        client = _client(context)
        measured: dict[str, Metrics | Gone] = {}
        for ids, fields in ((young, "public_metrics,non_public_metrics"), (old, "public_metrics")):
            rows, missing = await client.posts(ids, fields)
            measured |= {one: Gone() for one in missing if one in set(ids)}
            measured |= {row["id"]: _metrics(row) for row in rows if row["id"] in set(ids)}
        return measured


# ---- steps ---------------------------------------------------------------------------------------


def _media_names(index: int, part: Part) -> list[str]:
    return [f"media-{index + 1}.{number + 1}" for number in range(len(part.media))]


def _commit(index: int, part: Part) -> RunStep:
    async def run(context: Context, state: State) -> tuple[State, Outcome]:
        posts = _posts(state)
        media_ids = [media_entry(state, name).get("id") for name in _media_names(index, part)]
        if len(posts) != index or not all(isinstance(one, str) for one in media_ids):
            raise PublishError(
                ErrorKind.BUG, "Quarry lost track of this post's progress; nothing was sent: publish it again."
            )
        reply_to = posts[-1] if posts else ""
        post_id = await _client(context).create_post(part.text, [str(one) for one in media_ids], reply_to)
        return {**state, "posts": [*posts, post_id]}, Done(post_id, PERMALINK.format(id=post_id))

    return run


def _posts(state: State) -> list[str]:
    """The ids of the parts that are live, in order."""
    posts = state.get("posts")
    return [one for one in posts if isinstance(one, str)] if isinstance(posts, list) else []


def _client(context: Context) -> XClient:
    return XClient(context.http, context.identity.server, context.tokens.access_token)


def _oauth(server: str, app: Mapping[str, str]) -> OAuthClient:
    server = server.rstrip("/") or SERVER
    authorize = AUTHORIZE_URL if server == SERVER else f"{server}/i/oauth2/authorize"
    client_id, secret = app.get("client_id", "").strip(), app.get("client_secret", "").strip()
    if not client_id or not f"{client_id}{secret}".isascii():
        raise PublishError(ErrorKind.AUTH, "The client id or secret is missing or mistyped: connect the account again.")
    return OAuthClient(authorize, f"{server}/2/oauth2/token", client_id, secret)


# ---- reading -------------------------------------------------------------------------------------


def _settle(context: Context) -> timedelta:
    seconds = context.settings.get("settle_seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= 3600:
        return timedelta(seconds=seconds)
    return capabilities.settle


def _in_conversation(post: Mapping[str, Any], known: Sequence[str]) -> bool:
    """A first part begins a conversation, a later one stands in that of the first; unknown counts as yes."""
    conversation = post.get("conversation_id")
    return conversation is None or conversation == (known[0] if known else post["id"])


def _as_many_files(post: Mapping[str, Any], part: Part) -> bool:
    attachments = post.get("attachments")
    keys = attachments.get("media_keys") if isinstance(attachments, Mapping) else None
    return len(keys) == len(part.media) if isinstance(keys, list) else True


def _posted_at(post_id: str) -> datetime:
    """When a post was made: its id holds the milliseconds since X's own epoch."""
    milliseconds = int(post_id) >> 22 if post_id.isdecimal() and len(post_id) <= 19 else 0
    return _SNOWFLAKE_EPOCH + timedelta(milliseconds=milliseconds)


def _metrics(row: Mapping[str, Any]) -> Metrics:
    public = row.get("public_metrics")
    own = row.get("non_public_metrics")
    numbers = {
        name: value
        for table in (public, own)
        if isinstance(table, Mapping)
        for name, value in table.items()
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0
    }
    reposts = numbers.get("repost_count", numbers.get("retweet_count"))  # renamed; both are met
    quotes = numbers.get("quote_count")
    return Metrics(
        views=numbers.get("impression_count"),
        reactions=numbers.get("like_count"),
        comments=numbers.get("reply_count"),
        shares=None if reposts is None and quotes is None else (reposts or 0) + (quotes or 0),
        saves=numbers.get("bookmark_count"),
        clicks=numbers.get("url_link_clicks"),
        raw=numbers,
    )


adapter = XAdapter()
