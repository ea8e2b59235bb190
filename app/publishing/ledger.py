"""The written side of one attempt: every change of it is one transaction, with its line of history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.accounts.service import Accounts
from app.analytics.schedule import next_pull
from app.core.clock import Clock
from app.core.ids import new_id
from app.core.words import Account, Attempt, AttemptState, Post, PostState, Publication, StepRun
from app.media.service import MediaStore
from app.publishing.progress import Progress
from app.store.database import Store
from app.store.repositories.attempts import LeaseLost
from app.store.unit import Unit
from publishers.api import State, Step
from publishers.errors import PublishError

LEASE = timedelta(seconds=60)
LET_GO: dict[str, Any] = {"lease_owner": "", "lease_until": None}
"""Changes that hand the attempt back, for when it has to wait."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every attempt works with."""

    store: Store
    accounts: Accounts
    media: MediaStore
    clock: Clock
    on_event: Callable[[Attempt, StepRun], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is published, and as whom."""

    post: Post
    account: Account
    settle: timedelta | None  # the creator's or a test's override of the platform's own


class Ledger:
    """One claimed attempt and how far it is. Each `save` raises LeaseLost once another worker holds it."""

    def __init__(self, tools: Tools, attempt: Attempt) -> None:
        self.attempt = attempt
        self.progress = Progress.of(attempt.resume)
        self._tools = tools
        self._owner = attempt.lease_owner

    @property
    def holding(self) -> bool:
        """Whether this worker may go on."""
        return self.attempt.lease_owner == self._owner and not self.attempt.state.ended

    async def subject(self) -> Subject:
        def look(unit: Unit) -> Subject:
            post = unit.posts.get(self.attempt.post_id)
            seconds = unit.settings.get(f"platform.{post.channel.platform}.settle_seconds")
            settle = None if seconds is None else timedelta(seconds=float(seconds))
            return Subject(post, unit.accounts.get(post.account_id), settle)

        return await asyncio.wrap_future(self._tools.store.read(look))

    async def save(
        self,
        step: Step | None,
        event: str,
        error: PublishError | None = None,
        *,
        message: str = "",
        seconds: float = 0.0,
        also: Callable[[Unit], Any] = lambda _unit: None,
        **changes: Any,
    ) -> None:
        """Write the attempt, its history line and `also` in one transaction, durable when this returns."""
        name = step.name if step else self.attempt.step
        message = error.user_message if error else message
        detail = error.detail if error else ""
        said = {"message": message, "detail": detail, "error_kind": error.kind if error else ""}
        attempt = replace(
            self.attempt, step=name, resume=self.progress.to_json(), **{"next_at": None, **said, **changes}
        )
        line = StepRun(attempt.id, name, event, message, detail, seconds=seconds)

        def work(unit: Unit) -> Attempt:
            saved = unit.attempts.save(attempt, owner=self._owner)
            unit.attempts.log(line)
            also(unit)
            return saved

        self.attempt = await asyncio.wrap_future(self._tools.store.write(work))
        self._tools.on_event(self.attempt, line)

    async def commit(
        self,
        step: Step,
        state: State,
        publication: tuple[str, str],
        pulls: tuple[timedelta, ...],
        *,
        event: str,
        seconds: float = 0.0,
    ) -> None:
        """Record what is live now, (remote id, permalink), in the transaction that moves the attempt on."""
        now = self._tools.clock()
        post = (await self.subject()).post
        row = Publication(
            id=new_id(),
            post_id=post.id,
            attempt_id=self.attempt.id,
            account_id=post.account_id,
            part=self.progress.commits,
            remote_id=publication[0],
            permalink=publication[1],
            published_at=now,
            next_pull_at=next_pull(now, now, pulls),
        )
        self.progress = self.progress.next(state, committed=True)
        await self.save(
            step,
            event,
            message=publication[1],
            seconds=seconds,
            also=lambda unit: unit.publications.add(row),
            state=AttemptState.COMMITTED,
            armed_at=None,
            failures=0,
        )

    async def need_user(self, message: str, step: Step | None = None, error: PublishError | None = None) -> None:
        """Stop until the creator says how to go on."""
        state = PostState.PARTLY_PUBLISHED if self.progress.commits else PostState.NEEDS_USER
        post_id = self.attempt.post_id
        await self.save(
            step,
            "needs you",
            error,
            message=message,
            also=lambda unit: unit.posts.set_state(post_id, state, message),
            state=AttemptState.NEEDS_USER,
            **LET_GO,
        )

    async def hold(self) -> None:
        """The heartbeat: extend the lease until canceled, or until it is lost, which the next save will say."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            beat = self._tools.store.write(lambda unit: unit.attempts.extend(self.attempt.id, self._owner, LEASE))
            try:
                await asyncio.wrap_future(beat)
            except LeaseLost:
                return
