"""The Bluesky adapter: what is checked before, the steps that publish, how an uncertain one is cleared up.

Every post's record key is chosen when its step is armed, so a record can exist once at most: a second createRecord
with the same key makes no second post, and getRecord says for sure whether the first one arrived.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from publishers.api import (
    CannotTell,
    Connected,
    Content,
    Context,
    Count,
    Done,
    Found,
    Gone,
    Identity,
    Issue,
    Media,
    Metrics,
    NotFound,
    Outcome,
    Plan,
    Reconciled,
    State,
    Step,
    StepKind,
    TokenSet,
    Unit,
)
from publishers.bluesky import checks, metrics, session
from publishers.bluesky.client import Client, unreadable
from publishers.bluesky.language import guess_languages
from publishers.bluesky.progress import ArmedPost, Progress
from publishers.bluesky.record import PostUri, new_tid, permalink, post_record, tid_moment
from publishers.bluesky.richtext import mentioned_handles
from publishers.bluesky.spec import BYTES, CAPABILITIES, GRAPHEMES, IMAGE_BYTES, POST_COLLECTION
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import Http
from publishers.text import count_bytes, count_graphemes

PLAN_VERSION = 1
_POST = "post:"  # + number of the part, from 0


class Bluesky:
    """See publishers.api.Adapter; also SignsInByPassword, Refreshes, Deletes and MeasuresPosts."""

    capabilities = CAPABILITIES

    # ---- before anything is sent -----------------------------------------------------------------

    def count(self, text: str, format_id: str = "") -> Count:
        """Graphemes; bytes instead where a text of few graphemes still has too many of them."""
        self.capabilities.format(format_id)
        graphemes, size = count_graphemes(text), count_bytes(text)
        if size > BYTES.value and graphemes <= GRAPHEMES.value:
            return Count(size, BYTES.value, Unit.BYTES)
        return Count(graphemes, GRAPHEMES.value, Unit.GRAPHEMES)

    def validate(self, content: Content, format_id: str = "") -> Sequence[Issue]:
        """Everything a server would refuse."""
        return checks.find_issues(content, self.capabilities.format(format_id), self.count)

    def plan(self, content: Content, format_id: str = "") -> Plan:
        """Upload the images, resolve the mentions, then one commit a part, each a reply to the one before."""
        self.capabilities.format(format_id)
        steps = [
            Step(f"image:{number}:{place}", StepKind.PREPARE_MEDIA, partial(_upload, media))
            for number, part in enumerate(content.parts)
            for place, media in enumerate(part.media)
        ]
        handles = list(dict.fromkeys(handle for part in content.parts for handle in mentioned_handles(part.text)))
        if handles:
            steps.append(Step("mentions", StepKind.PREPARE_MEDIA, partial(_resolve, handles)))
        for number in range(len(content.parts)):
            post, arm = partial(_post, content, number), partial(_arm, content, number)
            steps.append(Step(f"{_POST}{number}", StepKind.COMMIT, post, arm))
        return Plan(PLAN_VERSION, tuple(steps))

    async def reconcile(
        self, context: Context, content: Content, step: str, state: State, since: datetime
    ) -> Reconciled:
        """Look the armed key up on the account's own server, which answers for sure."""
        progress = Progress.read(state)
        number = int(step.removeprefix(_POST))
        if number >= len(progress.posts):
            return NotFound(authoritative=True)  # no key was chosen, so nothing was sent
        post = progress.posts[number]
        try:
            cid = await _cid_of(context, post.key)
        except PublishError as error:
            if error.platform_code == "RecordNotFound":
                return NotFound(authoritative=True)
            if error.passes_by_itself or error.kind is ErrorKind.AUTH:
                raise
            return CannotTell(error.user_message)
        progress.posts[number] = replace(post, cid=cid)
        uri = PostUri(context.identity.remote_id, post.key)
        return Found(str(uri), permalink(context.identity, post.key), progress.write())

    # ---- the account -------------------------------------------------------------------------------

    async def sign_in(self, http: Http, answers: Mapping[str, str], now: datetime) -> Connected:
        """Exchange handle and app password for tokens; the password is not kept."""
        return await session.sign_in(http, answers)

    async def refresh(self, http: Http, identity: Identity, tokens: TokenSet) -> TokenSet:
        """A new token set."""
        return await session.refresh(http, identity, tokens)

    # ---- afterwards --------------------------------------------------------------------------------

    async def delete(self, context: Context, remote_id: str) -> None:
        """Delete one post; the server says yes too where it is gone already."""
        uri = _own(context.identity, remote_id)
        body = {"repo": uri.did, "collection": POST_COLLECTION, "rkey": uri.key}
        await _client(context).procedure("com.atproto.repo.deleteRecord", body, repeatable=True)

    async def post_metrics(self, context: Context, remote_ids: Sequence[str]) -> Mapping[str, Metrics | Gone]:
        """Public counts from the AppView behind the account's server."""
        return await metrics.post_metrics(_client(context), [str(_own(context.identity, uri)) for uri in remote_ids])


# ---- the steps -----------------------------------------------------------------------------------


async def _upload(media: Media, context: Context, state: State) -> tuple[State, Outcome]:
    progress = Progress.read(state)
    if media.facts.sha256 not in progress.blobs:  # one file may stand in several parts
        progress.blobs[media.facts.sha256] = await _stored(context, media)
    return progress.write(), Done()


async def _stored(context: Context, media: Media) -> dict[str, Any]:
    data = await asyncio.to_thread(_read, media)
    return dict(await _client(context).upload_blob(data, media.facts.mime))


def _read(media: Media) -> bytes:
    """The file as it was approved. Raises PublishError(MEDIA) where it is gone or another one now."""
    name = media.facts.path.name
    try:
        with media.facts.path.open("rb") as file:
            data = file.read(IMAGE_BYTES.value + 1)
    except OSError as error:
        raise PublishError(
            ErrorKind.MEDIA, f"{name} cannot be read: put it back or choose another picture; the post is kept."
        ) from error
    if hashlib.sha256(data).hexdigest() != media.facts.sha256:
        raise PublishError(
            ErrorKind.MEDIA, f"{name} has changed since the post was approved: choose it again; the post is kept."
        )
    return data


async def _resolve(handles: Sequence[str], context: Context, state: State) -> tuple[State, Outcome]:
    """Find the accounts behind the handles. One nobody has stays plain text; a cut network is no such answer."""
    progress = Progress.read(state)
    client = _client(context)
    for handle in handles:
        try:
            answer = await client.query("com.atproto.identity.resolveHandle", [("handle", handle)])
        except PublishError as error:
            if error.kind not in {ErrorKind.CONTENT, ErrorKind.NOT_FOUND}:
                raise
            continue
        did = answer.get("did")
        if isinstance(did, str) and did.startswith("did:"):
            progress.dids[handle] = did
    return progress.write(), Done()


def _arm(content: Content, number: int, context: Context, state: State) -> State:
    """Choose key, time and record of a part. What was chosen before stays, so that no second post can come of it."""
    progress = Progress.read(state)
    if len(progress.posts) > number:
        return state
    moment = context.now()
    if progress.posts:  # keys sort like the thread reads, also where the clock was set back
        moment = max(moment, tid_moment(progress.posts[-1].key) + timedelta(milliseconds=1))
    chosen = content.options.get("langs")
    langs = [str(tag) for tag in chosen] if isinstance(chosen, list) else guess_languages(content.text)
    record = post_record(content.parts[number], moment, langs, progress.blobs, progress.dids)
    progress.posts.append(ArmedPost(new_tid(moment, secrets.randbelow(1024)), record))
    return progress.write()


async def _post(content: Content, number: int, context: Context, state: State) -> tuple[State, Outcome]:
    progress = Progress.read(state)
    post = progress.posts[number]
    body = {
        "repo": context.identity.remote_id,
        "collection": POST_COLLECTION,
        "rkey": post.key,
        "record": {**post.record, **await _reply(context, progress, number)},
    }
    try:
        answer = await _client(context).procedure("com.atproto.repo.createRecord", body)
    except PublishError as error:
        if error.platform_code != "BlobNotFound":
            raise
        # Servers drop files no record refers to after some hours. The same bytes get the same address again.
        for media in content.parts[number].media:
            await _stored(context, media)
        answer = await _client(context).procedure("com.atproto.repo.createRecord", body)
    uri, cid = PostUri(context.identity.remote_id, post.key), answer.get("cid")
    if answer.get("uri") != str(uri) or not isinstance(cid, str):
        raise unreadable(context.identity.server, answer, Executed.UNKNOWN)
    progress.posts[number] = replace(post, cid=cid)
    return progress.write(), Done(str(uri), permalink(context.identity, post.key))


async def _reply(context: Context, progress: Progress, number: int) -> dict[str, Any]:
    """The `reply` of a later part: where the thread begins and what it follows."""
    if number == 0:
        return {}
    for place in (0, number - 1):
        post = progress.posts[place]
        if not post.cid:  # the creator said that it is live while the server could not be asked
            progress.posts[place] = replace(post, cid=await _cid_of(context, post.key))
    did = context.identity.remote_id
    root, parent = (
        {"uri": str(PostUri(did, post.key)), "cid": post.cid}
        for post in (progress.posts[0], progress.posts[number - 1])
    )
    return {"reply": {"root": root, "parent": parent}}


# ---- small things ----------------------------------------------------------------------------------


def _client(context: Context) -> Client:
    return Client(context.http, context.identity.server, context.tokens.access_token)


async def _cid_of(context: Context, key: str) -> str:
    """The content hash of one of the account's posts. Raises PublishError."""
    answer = await _client(context).get_record(context.identity.remote_id, POST_COLLECTION, key)
    cid = answer.get("cid")
    if not isinstance(cid, str):
        raise unreadable(context.identity.server, answer, Executed.NO)
    return cid


def _own(identity: Identity, remote_id: str) -> PostUri:
    try:
        uri = PostUri.parse(remote_id)
    except ValueError as error:
        raise PublishError(
            ErrorKind.NOT_FOUND, f"{remote_id[:100]!r} is not a Bluesky post; nothing was done."
        ) from error
    if uri.did != identity.remote_id:
        raise PublishError(ErrorKind.PERMISSION, f"That post belongs to another account than {identity.handle}.")
    return uri


adapter = Bluesky()
