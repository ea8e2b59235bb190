"""brief → variants → approved → scheduled → published by the scheduler → measured → ranked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.accounts.service import Accounts
from app.analytics.pulls import Pulls
from app.core.clock import Clock, WallTime, local_zone
from app.core.errors import KnownError
from app.core.ids import new_id
from app.core.words import Account, Brief, Channel, Draft, Length, Post, PostState
from app.daemon.outbox import Outbox
from app.drafting.events import DraftingEvent, OnEvent, VariantText
from app.drafting.service import Drafting
from app.models.service import Models
from app.publishing.service import PostDetails, Publishing
from app.ranking.service import Ranking
from app.tour.record import Record, Step
from publishers.http import open_http
from publishers.local.serve import serve

TOPIC = "Three ways to keep a sourdough starter alive in a cold kitchen"
_CHANNEL = Channel("local", "post")
_VARIANTS = 2
_AHEAD = timedelta(seconds=2)
_PATIENCE = 60.0  # seconds until a post that is due must be live
_READERS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Macintosh)", "Mozilla/5.0 (iPhone)")


@dataclass(frozen=True, slots=True)
class Guide:
    """The services the tour walks through; the same ones the window uses."""

    models: Models
    accounts: Accounts
    drafting: Drafting
    publishing: Publishing
    pulls: Pulls
    ranking: Ranking
    outbox: Outbox
    clock: Clock


async def tour(
    guide: Guide, folder: Path, record: Record, say: Callable[[str], None], watch: OnEvent, *, topic: str, model: str
) -> None:
    """Walk the main job in `folder`, filling `record`; `watch` sees the drafts grow.

    Raises KnownError where a step cannot be done."""
    site = folder / "site"
    site.mkdir(parents=True, exist_ok=True)
    with serve(site, folder / "access.log") as server:
        with record.step("set-up") as step:
            account = await _set_up(guide, record, step, site, server.url, server.log, model)
            say(f"Model {record.model} runs on {record.device}; posts go to {site}.")
        with record.step("draft") as step:
            drafts = await _draft(guide, step, watch, topic or TOPIC, model)
            for draft in drafts:
                say(f"  {draft.variant + 1}: {draft.text}  ({draft.provenance.tokens_per_second:.1f} tok/s)")
        with record.step("approve") as step:
            post = await asyncio.wrap_future(guide.publishing.approve(drafts[0].id, account.id))
            step.evidence |= {"draft": drafts[0].id, "post": post.id, "account": account.id}
            say(f"Approved variant 1 for {account.label}.")
        with record.step("schedule") as step:
            post = await _schedule(guide, step, post)
            say(f"Scheduled for {post.due_at:%H:%M:%S} UTC; waiting for the scheduler.")
        with record.step("publish") as step:
            details = await _publish(guide, step, post, site)
            say(f"Published: {step.evidence['permalink']} ({step.evidence['file']}).")
        with record.step("measure") as step:
            await _measure(guide, step, details)
            say(f"Visited by {len(_READERS)} readers; views read back from the log: {step.evidence['views']}.")
        with record.step("rank") as step:
            await _rank(guide, step, record.model)
            say(f"Ranking: {step.evidence['label']}, {step.evidence['posts']} post, {step.evidence['verdict']}.")


async def _set_up(guide: Guide, record: Record, step: Step, site: Path, url: str, log: Path, model: str) -> Account:
    async with guide.models.running(model) as running:
        record.model, record.device = running.info.id, running.info.device
        step.evidence |= {"file_sha256": running.info.file_sha256, "quantisation": running.info.quantisation}
    answers = {"folder": str(site), "title": "Quarry tour", "base_url": url, "access_log": str(log)}
    account = await guide.accounts.connect_password("local", answers)
    step.evidence |= {"account": account.id, "site": url}
    return account


async def _draft(guide: Guide, step: Step, watch: OnEvent, topic: str, model: str) -> list[Draft]:
    brief = Brief(new_id(), topic, audience="home bakers", length=Length.SHORT, channels=(_CHANNEL,))
    [generation] = await asyncio.wrap_future(guide.drafting.start(brief, variants=_VARIANTS, model=model))
    started = time.monotonic()

    def on_event(event: DraftingEvent) -> None:
        watch(event)
        if isinstance(event, VariantText) and event.text and "first_token_seconds" not in step.evidence:
            step.evidence["first_token_seconds"] = round(time.monotonic() - started, 2)

    drafts = list(await guide.drafting.run(generation.id, on_event))
    step.evidence |= {
        "brief": brief.id,
        "texts": [draft.text for draft in drafts],
        "fitted": [draft.fitted.value for draft in drafts],
        "tokens_per_second": [draft.provenance.tokens_per_second for draft in drafts],
    }
    return drafts


async def _schedule(guide: Guide, step: Step, post: Post) -> Post:
    when = WallTime.of(guide.clock() + _AHEAD, local_zone())
    post = await asyncio.wrap_future(guide.publishing.schedule(post.id, when, post.version))
    assert post.due_at is not None
    step.evidence |= {"due": post.due_at.isoformat(), "wall_time": when.local.isoformat(), "zone": when.zone}
    return post


async def _publish(guide: Guide, step: Step, post: Post, site: Path) -> PostDetails:
    scheduler = asyncio.create_task(guide.outbox.run_forever())
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                details = await asyncio.wrap_future(guide.publishing.details(post.id))
                if details.post.state is PostState.PUBLISHED:
                    break
                if details.post.state is not PostState.SCHEDULED and details.post.message:
                    raise KnownError(details.post.message)
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise KnownError(f"The post was not published in {_PATIENCE:.0f} s; it is kept in {site.parent}.") from error
    finally:
        scheduler.cancel()
        with suppress(asyncio.CancelledError):
            await scheduler
    publication, (attempt, history) = details.publications[0], details.attempts[0]
    step.evidence |= {
        "attempt": attempt.id,
        "state": attempt.state.value,
        "steps": [f"{run.step}: {run.event}" if run.step else run.event for run in history],
        "sent": publication.published_at.isoformat(),
        "remote_id": publication.remote_id,
        "permalink": publication.permalink,
        "file": str(site / "posts" / attempt.id / "index.html"),
    }
    return details


async def _measure(guide: Guide, step: Step, details: PostDetails) -> None:
    publication = details.publications[0]
    async with open_http() as http:
        for reader in _READERS:
            await http.request("GET", publication.permalink, headers={"User-Agent": reader})
    [pulled] = await guide.pulls.pull_now([publication.id])
    views = pulled.metrics.views if pulled.metrics else None
    step.evidence |= {"publication": publication.id, "views": views, "visits": len(_READERS)}
    if not views:
        raise KnownError(f"No view was read back from the access log. {pulled.message}")


async def _rank(guide: Guide, step: Step, model: str) -> None:
    board = await asyncio.wrap_future(guide.ranking.models())
    rows = [row for row in board.rows if row.key == model]
    if not rows:
        raise KnownError("The published post is missing from the ranking of models.")
    [row] = rows
    step.evidence |= {
        "model": row.key,
        "label": row.label,
        "posts": row.n + row.waiting,
        "uplift": row.uplift,
        "interval": [row.low, row.high],
        "verdict": row.verdict,
    }
