"""Uploading one file to X: initialize, append in chunks, finalize, wait, describe; resumable at every chunk.

What is known of an upload stands in the plan's state under "media", by name: {"id", "sent", "finalized", "ready"}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from publishers.api import Context, Done, Json, Media, MediaFacts, Outcome, RunStep, State, Wait
from publishers.errors import ErrorKind, PublishError
from publishers.x.client import Processing, XClient
from publishers.x.spec import CHUNK, MEDIA_CATEGORY

_MAX_RESTARTS = 2  # of an upload that X forgot while we waited


def upload(name: str, media: Media) -> RunStep:
    """The step that uploads `media` under `name`: one call a run, so that each is committed before the next."""

    async def run(context: Context, state: State) -> tuple[State, Outcome]:
        client = XClient(context.http, context.identity.server, context.tokens.access_token)
        entry = media_entry(state, name)
        try:
            entry, outcome = await _advance(client, media, entry, context)
        except PublishError as error:
            restarts = _number(entry, "restarts")
            if error.kind is not ErrorKind.NOT_FOUND or not entry.get("id") or restarts >= _MAX_RESTARTS:
                raise
            entry, outcome = {"restarts": restarts + 1}, Wait(reason="X forgot the upload; it starts again")
        return _with_entry(state, name, entry), outcome

    return run


def media_entry(state: State, name: str) -> Mapping[str, Json]:
    """What the state knows of one file; empty where nothing was done yet."""
    entries = state.get("media")
    entry = entries.get(name) if isinstance(entries, Mapping) else None
    return entry if isinstance(entry, Mapping) else {}


def _with_entry(state: State, name: str, entry: Mapping[str, Json]) -> State:
    entries = state.get("media")
    return {**state, "media": {**(entries if isinstance(entries, Mapping) else {}), name: dict(entry)}}


async def _advance(
    client: XClient, media: Media, entry: Mapping[str, Json], context: Context
) -> tuple[Mapping[str, Json], Outcome]:
    """The next call of the upload."""
    facts = media.facts
    media_id, sent = entry.get("id"), _number(entry, "sent")
    if not isinstance(media_id, str):
        await asyncio.to_thread(_check, facts)
        media_id = await client.initialize_upload(facts.mime, facts.size, MEDIA_CATEGORY[facts.kind])
        return {**entry, "id": media_id, "sent": 0}, Wait()
    if sent < facts.size:
        chunk = await asyncio.to_thread(_read, facts, sent)
        await client.append_upload(media_id, sent // CHUNK, chunk)
        return {**entry, "sent": sent + len(chunk)}, Wait(reason=f"{sent + len(chunk)} of {facts.size} bytes sent")
    if not entry.get("ready"):
        finalized = bool(entry.get("finalized"))
        progress = await (client.upload_status(media_id) if finalized else _finalize(client, media_id))
        entry = {**entry, "finalized": True, "ready": progress.ready}
        until = None if progress.ready else context.now() + progress.check_after
        return entry, Wait(until, "" if progress.ready else "X is processing the file")
    if media.alt:
        await client.describe_media(media_id, media.alt)
    return entry, Done()


async def _finalize(client: XClient, media_id: str) -> Processing:
    """Finalize; where X refuses because it did so before and the answer was lost, its status says how far it is."""
    try:
        return await client.finalize_upload(media_id)
    except PublishError as refused:
        if refused.kind is not ErrorKind.MEDIA:
            raise
        try:
            progress = await client.upload_status(media_id)
        except PublishError:
            raise refused from None
        if not progress.stated:
            raise
        return progress


def _check(facts: MediaFacts) -> None:
    """Raise PublishError(MEDIA) unless the file is there as it was attached."""
    try:
        size = facts.path.stat().st_size
    except OSError as error:
        raise _changed(facts.path) from error
    if size != facts.size:
        raise _changed(facts.path)


def _read(facts: MediaFacts, offset: int) -> bytes:
    """One chunk. Raises PublishError(MEDIA) where the file no longer has it whole."""
    wanted = min(CHUNK, facts.size - offset)
    try:
        with facts.path.open("rb") as file:
            file.seek(offset)
            chunk = file.read(wanted)
    except OSError as error:
        raise _changed(facts.path) from error
    if len(chunk) != wanted:
        raise _changed(facts.path)
    return chunk


def _changed(path: Path) -> PublishError:
    return PublishError(
        ErrorKind.MEDIA,
        f"{path.name} is not there any more as it was attached; nothing was posted: attach it again.",
    )


def _number(entry: Mapping[str, Json], name: str) -> int:
    value = entry.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
