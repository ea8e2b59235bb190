"""One attempt at publishing, driven by the rules of publishing.md with a JSON file as its only memory.

The order is the worker's own: arm, write, run, write. `Killed` raised from `fuse` stands for a power cut at that
moment; a new `Attempt` over the same file is the process that starts afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from publishers.api import (
    Adapter,
    CannotTell,
    Content,
    Context,
    Done,
    Failed,
    Found,
    NeedsUser,
    NotFound,
    Outcome,
    Refreshes,
    State,
    Step,
    StepKind,
    TokenSet,
    Wait,
)
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.testing.clock import Clock
from publishers.testing.record import Committed, Phase, Record

__all__ = ["Attempt", "Killed", "Phase", "Record"]

MAX_RUNS = 500  # of one step; more means that it never ends
T = TypeVar("T")


class Killed(BaseException):
    """The power went out."""


OpenContext = Callable[[TokenSet, str], AbstractAsyncContextManager[Context]]
"""(tokens, attempt id) -> a Context that is good for a few calls."""


class Attempt:
    """Publishes `content` once. `error` is the last PublishError itself, for tests that look at it."""

    def __init__(
        self,
        adapter: Adapter,
        content: Content,
        format_id: str,
        file: Path,
        *,
        open_context: OpenContext,
        tokens: TokenSet,
        clock: Clock,
        keep_tokens: Callable[[TokenSet], None] = lambda _tokens: None,
        fuse: Callable[[str], None] = lambda _moment: None,
    ) -> None:
        self._adapter = adapter
        self._content = content
        self._file = file
        self._open = open_context
        self._tokens = tokens
        self._clock = clock
        self._keep_tokens = keep_tokens
        self._fuse = fuse
        self._steps = adapter.plan(content, format_id).steps
        self.record = Record.read(file) if file.exists() else Record(attempt=file.stem)
        self.error: PublishError | None = None

    async def run(self) -> Record:
        """Go on from where the file says until the attempt rests."""
        if self.record.phase is Phase.WAITING:
            self.record.phase = Phase.RUNNING
        for _ in range(MAX_RUNS * max(len(self._steps), 1)):
            match self.record.phase:
                case Phase.RUNNING | Phase.ARMED:
                    await self._advance()
                case Phase.UNKNOWN:
                    await self._reconcile(self._steps[self.record.step])
                case _:
                    return self.record
        raise AssertionError(f"{self._adapter.capabilities.platform} never ends: {self.record}")

    async def step_once(self) -> Record:
        """Run the next piece alone, e.g. one part of an upload."""
        await self._advance()
        return self.record

    def cancel(self) -> bool:
        """Cancel before the commit; afterwards it is refused."""
        if self.record.armed_at or self.record.commits:
            return False
        self._rest(Phase.CANCELED)
        return True

    def resolve(self, *, resend: bool) -> None:
        """The creator's answer to ASKS: send it again, or it is live. In the latter case nobody knows what the step
        would have left in the state, so no later step is run."""
        record = self.record
        if resend:
            record.clear_to_send = True
            self._rest(Phase.RUNNING)
            return
        record.commits.append(Committed(self._steps[record.step].name, "seen by the creator", ""))
        record.armed_at = ""
        later = self._steps[record.step + 1 :]
        self._rest(Phase.PARTLY if any(step.kind is StepKind.COMMIT for step in later) else Phase.PUBLISHED)

    # ---- one step ----------------------------------------------------------------------------

    async def _advance(self) -> None:
        record = self.record
        if record.step == len(self._steps):
            self._rest(Phase.PUBLISHED)
            return
        step = self._steps[record.step]
        if step.kind is StepKind.COMMIT:
            if record.armed_at and not record.clear_to_send:
                self._rest(Phase.UNKNOWN)
                return
            await self._arm(step)
        try:
            state, outcome = await self._refreshed(lambda context: step.run(context, dict(record.state)))
        except PublishError as error:  # the refresh failed, so the step itself was refused and did nothing
            self._stop(error)
        else:
            self._take(step, state, outcome)

    async def _arm(self, step: Step) -> None:
        record = self.record
        if not record.armed_at:
            async with self._open(self._tokens, record.attempt) as context:
                record.state = dict(step.arm(context, record.state))
            record.armed_at = self._clock.now().isoformat()
        record.clear_to_send = False
        record.phase = Phase.ARMED
        self._save(f"{step.name} armed")

    def _take(self, step: Step, state: State, outcome: Outcome) -> None:
        match outcome:
            case Done() if step.kind is StepKind.COMMIT:
                self._commit(step, outcome, state)
            case Done():
                self._next(step, outcome, state)
            case Wait(until=until):
                self.record.state = dict(state)
                self.record.clear_to_send = True
                self._save(f"{step.name} waits")
                if until is not None:
                    self._clock.advance_to(until)
            case NeedsUser():
                self.record.state = dict(state)
                self._rest(Phase.NEEDS_USER)
            case Failed(error=error):
                self.record.state = dict(state)
                self._fail(step, error)

    def _commit(self, step: Step, done: Done, state: State) -> None:
        self.record.commits.append(Committed(step.name, done.remote_id, done.permalink))
        self.record.armed_at = ""
        self.record.clear_to_send = True
        self._next(step, done, state)

    def _next(self, step: Step, done: Done, state: State) -> None:
        record = self.record
        record.state = dict(state)
        record.permalink = record.permalink or done.permalink
        record.error = None
        record.step += 1
        record.phase = Phase.RUNNING
        self._save(f"{step.name} done")

    def _fail(self, step: Step, error: PublishError) -> None:
        self._note(error)
        record = self.record
        if step.kind is StepKind.AFTER_COMMIT:
            record.warnings.append(error.user_message)
            self._next(step, Done(), record.state)
        elif step.kind is StepKind.COMMIT and (error.executed is not Executed.NO or error.kind is ErrorKind.DUPLICATE):
            self._rest(Phase.UNKNOWN)
        else:
            self._stop(error)

    def _stop(self, error: PublishError) -> None:
        """Nothing was sent: stand still, disarmed."""
        self._note(error)
        self.record.armed_at = ""
        self.record.clear_to_send = True
        stuck = Phase.PARTLY if self.record.commits else Phase.FAILED
        self._rest(Phase.WAITING if error.passes_by_itself else stuck)

    # ---- what happened to an armed call --------------------------------------------------------

    async def _reconcile(self, step: Step) -> None:
        record = self.record
        since = datetime.fromisoformat(record.armed_at)
        self._clock.advance_to(since + self._adapter.capabilities.settle)
        try:
            answer = await self._refreshed(
                lambda context: self._adapter.reconcile(context, self._content, step.name, record.state, since)
            )
        except PublishError as error:
            self._note(error)
            self._rest(Phase.WAITING)
            return
        record.history.append(f"reconciled: {type(answer).__name__}")
        match answer:
            case Found():
                found = Done(answer.remote_id, answer.permalink)
                self._commit(step, found, answer.state or record.state)
            case NotFound(authoritative=True):
                record.clear_to_send = True
                self._rest(Phase.ARMED)
            case NotFound() | CannotTell():
                self._rest(Phase.ASKS)

    # ---- tokens and memory ---------------------------------------------------------------------

    async def _refreshed(self, call: Callable[[Context], Awaitable[T]]) -> T:
        """Call; where the sign-in is refused, refresh it once and call again."""
        async with self._open(self._tokens, self.record.attempt) as context:
            refused: PublishError
            try:
                result = await call(context)
            except PublishError as error:
                if error.kind is not ErrorKind.AUTH or not isinstance(self._adapter, Refreshes):
                    raise
                refused = error
            else:
                outcome = result[1] if isinstance(result, tuple) else None
                if not isinstance(outcome, Failed) or outcome.error.kind is not ErrorKind.AUTH:
                    return result
                if not isinstance(self._adapter, Refreshes):
                    return result
                refused = outcome.error
            try:
                self._tokens = await self._adapter.refresh(context.http, context.identity, self._tokens)
            except PublishError as error:
                raise error from refused
        self._keep_tokens(self._tokens)
        self.record.history.append("refreshed")
        async with self._open(self._tokens, self.record.attempt) as context:
            return await call(context)

    def _note(self, error: PublishError) -> None:
        self.error = error
        self.record.error = {
            "kind": error.kind,
            "executed": error.executed,
            "message": error.user_message,
            "retry_at": error.retry_at.isoformat() if error.retry_at else "",
            "code": error.platform_code,
            "detail": error.detail,
        }

    def _rest(self, phase: Phase) -> None:
        self.record.phase = phase
        self._save(phase)

    def _save(self, moment: str) -> None:
        self._fuse(f"before {moment}")
        self.record.history.append(moment)
        self.record.write(self._file)
        self._fuse(f"after {moment}")
