"""One attempt, driven through its plan: arm, write, run, write (publishing.md, States).

Nothing irreversible is sent before the armed row is on disk, and nothing armed is sent again before the platform
or the creator has said that it did not go out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from app.core.errors import KnownError
from app.core.words import Attempt, AttemptState, PostState
from app.publishing.backoff import MOST_FAILURES, counts_as_failure, next_try
from app.publishing.ledger import LET_GO, Ledger, Subject, Tools
from app.publishing.progress import Progress
from app.store.content import fingerprint
from app.store.unit import Unit
from publishers import registry
from publishers.api import (
    Adapter,
    CannotTell,
    Context,
    Done,
    Failed,
    Found,
    NeedsUser,
    NotFound,
    Outcome,
    Plan,
    State,
    Step,
    StepKind,
    Wait,
)
from publishers.errors import ErrorKind, Executed, PublishError

T = TypeVar("T")


async def drive(tools: Tools, attempt: Attempt) -> Attempt:
    """Run a claimed attempt until it ends or has to wait. Raises LeaseLost when another worker took over."""
    ledger = Ledger(tools, attempt)
    subject = await ledger.subject()
    try:
        adapter = registry.get(subject.post.channel.platform)
        for part in subject.post.content.parts:
            for media in part.media:
                await asyncio.to_thread(tools.media.check, media.facts)
    except (registry.UnknownPlatform, KnownError) as error:
        await ledger.need_user(str(error))
        return ledger.attempt
    plan = adapter.plan(subject.post.content, subject.post.channel.format)
    await _AttemptRun(tools, ledger, subject, adapter, plan).to_its_end()
    return ledger.attempt


class _AttemptRun:
    def __init__(self, tools: Tools, ledger: Ledger, subject: Subject, adapter: Adapter, plan: Plan) -> None:
        self._tools = tools
        self._ledger = ledger
        self._post, self._account = subject.post, subject.account
        self._settle = adapter.capabilities.settle if subject.settle is None else subject.settle
        self._adapter = adapter
        self._plan = plan

    async def to_its_end(self) -> None:
        heartbeat = asyncio.create_task(self._ledger.hold())
        try:
            await self._check_version()
            while self._ledger.holding:
                await self._advance()
        finally:
            heartbeat.cancel()
            with suppress(asyncio.CancelledError):
                await heartbeat

    async def _check_version(self) -> None:
        """A plan of another version is never mixed with stored state: start over where nothing is live or armed."""
        ledger, version = self._ledger, self._plan.version
        if ledger.attempt.plan_version in {0, version}:
            ledger.attempt = replace(ledger.attempt, plan_version=version)
        elif not ledger.progress.commits and ledger.progress.clear_to_send:
            ledger.progress = Progress()
            ledger.attempt = replace(ledger.attempt, plan_version=version, armed_at=None)
            await ledger.save(None, "started over", message="This version of Quarry publishes it differently.")
        else:
            await ledger.need_user(
                "Quarry was updated while this post was on its way: look at the platform; "
                "if it is there, paste its link, else send it again."
            )

    # ---- one step ----------------------------------------------------------------------------

    async def _advance(self) -> None:
        ledger = self._ledger
        if ledger.progress.index >= len(self._plan.steps):
            await self._publish()
            return
        step = self._plan.steps[ledger.progress.index]
        if step.kind is StepKind.COMMIT and not ledger.progress.clear_to_send:
            await self._reconcile(step)
            return
        started = time.monotonic()
        try:
            if step.kind is StepKind.COMMIT:
                await self._arm(step)
            elif ledger.attempt.state is not AttemptState.UPLOADING or ledger.attempt.step != step.name:
                await ledger.save(step, "started", state=AttemptState.UPLOADING)
            state, outcome = await self._signed_in(lambda context: step.run(context, ledger.progress.state))
        except PublishError as error:  # the sign-in failed, so the step was not sent
            error.executed = Executed.NO
            state, outcome = ledger.progress.state, Failed(error)
        await self._take(step, state, outcome, time.monotonic() - started)

    async def _arm(self, step: Step) -> None:
        """Choose the keys of the irreversible call and put them on disk. Keys once chosen are kept when the call
        is sent again, so that the platform can see that it is the same."""
        ledger = self._ledger
        state, armed_at = ledger.progress.state, ledger.attempt.armed_at
        if armed_at is None:
            async with self._context() as context:
                state = step.arm(context, state)
            armed_at = self._tools.clock()
        ledger.progress = replace(ledger.progress, state=state, clear_to_send=False)
        promise = ledger.attempt.fingerprint or fingerprint(self._post.content)
        await ledger.save(step, "armed", state=AttemptState.ARMED, armed_at=armed_at, fingerprint=promise)

    async def _take(self, step: Step, state: State, outcome: Outcome, seconds: float) -> None:
        ledger = self._ledger
        match outcome:
            case Done() if step.kind is StepKind.COMMIT:
                await self._commit(step, state, outcome, "done", seconds)
            case Done(permalink=permalink):
                ledger.progress = ledger.progress.next(state)
                await ledger.save(step, "done", seconds=seconds, failures=0, also=self._add_permalink(permalink))
            case Wait(until=until, reason=reason):
                ledger.progress = replace(ledger.progress, state=state, clear_to_send=True)
                rest: dict[str, Any] = (
                    {} if until is None else {"state": AttemptState.WAITING, "next_at": until, **LET_GO}
                )
                await ledger.save(step, "wait", message=reason, seconds=seconds, failures=0, **rest)
            case NeedsUser(action=action):
                ledger.progress = replace(ledger.progress, state=state, clear_to_send=True)
                await ledger.need_user(action, step)
            case Failed(error=error):
                ledger.progress = replace(ledger.progress, state=state)
                await self._fail(step, error, seconds)

    async def _commit(self, step: Step, state: State, live: Done | Found, event: str, seconds: float = 0.0) -> None:
        pulls = self._adapter.capabilities.metric_pulls
        await self._ledger.commit(step, state, (live.remote_id, live.permalink), pulls, event=event, seconds=seconds)

    def _add_permalink(self, permalink: str) -> Callable[[Unit], None]:
        """An address looked up after the commit belongs to the publication that has none yet."""
        attempt_id = self._ledger.attempt.id
        return lambda unit: unit.publications.add_permalink(attempt_id, permalink)

    async def _publish(self) -> None:
        await self._ledger.save(
            None,
            "published",
            also=lambda unit: unit.posts.set_state(self._post.id, PostState.PUBLISHED),
            state=AttemptState.PUBLISHED,
        )

    # ---- failures ----------------------------------------------------------------------------

    async def _fail(self, step: Step, error: PublishError, seconds: float) -> None:
        ledger = self._ledger
        if step.kind is StepKind.AFTER_COMMIT:  # the post is live whatever happens here
            ledger.progress = ledger.progress.next(ledger.progress.state)
            await ledger.save(step, "skipped", error, seconds=seconds)
        elif step.kind is StepKind.COMMIT and _may_be_live(error):
            rest: dict[str, Any] = {} if not self._settle else {"next_at": self._tools.clock() + self._settle, **LET_GO}
            await ledger.save(step, "unknown", error, seconds=seconds, state=AttemptState.UNKNOWN, **rest)
        else:
            ledger.progress = replace(ledger.progress, clear_to_send=True)
            await self._stop(step, error, seconds)

    async def _stop(self, step: Step, error: PublishError, seconds: float) -> None:
        """The step did nothing: wait where time can help, ask where the creator can, else fail."""
        ledger = self._ledger
        failures = ledger.attempt.failures + int(counts_as_failure(error))
        if error.passes_by_itself and failures < MOST_FAILURES:
            next_at = next_try(error, failures, self._tools.clock())
            changes: dict[str, Any] = {
                "state": AttemptState.WAITING,
                "next_at": next_at,
                "failures": failures,
                "armed_at": None,
            }
            await ledger.save(step, "failed", error, seconds=seconds, **changes, **LET_GO)
        elif error.kind in {ErrorKind.AUTH, ErrorKind.PERMISSION} or ledger.progress.commits:
            await ledger.need_user(error.user_message, step, error)
        else:
            await ledger.save(
                step,
                "failed",
                error,
                seconds=seconds,
                also=lambda unit: unit.posts.set_state(self._post.id, PostState.FAILED, error.user_message),
                state=AttemptState.FAILED,
                armed_at=None,
            )

    async def _reconcile(self, step: Step) -> None:
        """Ask the platform whether the armed call went through."""
        ledger = self._ledger
        now = self._tools.clock()
        since = ledger.attempt.armed_at or now
        if since <= now < since + self._settle:  # armed later than now: the clock was set back, so do not wait for it
            await ledger.save(step, "wait", state=AttemptState.UNKNOWN, next_at=since + self._settle, **LET_GO)
            return
        state = ledger.progress.state
        try:
            answer = await self._signed_in(
                lambda context: self._adapter.reconcile(context, self._post.content, step.name, state, since)
            )
        except PublishError as error:
            await self._reconcile_later(step, error)
            return
        match answer:
            case Found(state=found):
                await self._commit(step, found or state, answer, "found")
            case NotFound(authoritative=True):
                ledger.progress = replace(ledger.progress, clear_to_send=True)
                await ledger.save(step, "not found")
            case NotFound() | CannotTell():
                reason = answer.reason if isinstance(answer, CannotTell) else "It was not found there."
                name = self._adapter.capabilities.name
                await ledger.need_user(
                    f"The answer of {name} was lost, and it cannot tell whether the post went out. {reason} "
                    f"Look at {name}: if it is there, paste its link, else send it again.",
                    step,
                )

    async def _reconcile_later(self, step: Step, error: PublishError) -> None:
        if not error.passes_by_itself:
            await self._ledger.need_user(error.user_message, step, error)
            return
        failures = self._ledger.attempt.failures + 1
        next_at = next_try(error, failures, self._tools.clock())
        changes: dict[str, Any] = {"state": AttemptState.UNKNOWN, "next_at": next_at, "failures": failures}
        await self._ledger.save(step, "unknown", error, **changes, **LET_GO)

    # ---- the sign-in -------------------------------------------------------------------------

    async def _signed_in(self, call: Callable[[Context], Awaitable[T]]) -> T:
        """Call; where the platform refuses the sign-in, refresh it once and call again."""
        try:
            async with self._context() as context:
                result = await call(context)
        except PublishError as error:
            if error.kind is not ErrorKind.AUTH:
                raise
        else:
            outcome = result[1] if isinstance(result, tuple) else None
            if not (isinstance(outcome, Failed) and outcome.error.kind is ErrorKind.AUTH):
                return result
        await self._tools.accounts.refresh_now(self._account)
        async with self._context() as context:
            return await call(context)

    def _context(self) -> AbstractAsyncContextManager[Context]:
        return self._tools.accounts.context(self._account, attempt=self._ledger.attempt.id, target=self._post.target)


def _may_be_live(error: PublishError) -> bool:
    return error.executed is not Executed.NO or error.kind is ErrorKind.DUPLICATE
