"""Attempts: claimed by one worker at a time, saved between steps, with a history that only grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import case, text
from sqlmodel import col, func, select

from app.core.ids import Id, new_id
from app.core.words import Attempt, AttemptState, LatePolicy, PostState, StepRun
from app.store.columns import UtcMicros
from app.store.repositories.base import Repository
from app.store.tables import AttemptRow, PostRow, StepRunRow

# One statement, so that two workers can never hold the same attempt (the model is Oban's SQLite engine).
_RECLAIM = text(
    """
    UPDATE attempt SET lease_owner = :owner, lease_until = :until
    WHERE id = (
        SELECT id FROM attempt
        WHERE ended_at IS NULL AND state <> 'needs_user'
          AND (lease_until IS NULL OR lease_until <= :now)
          AND (next_at IS NULL OR next_at <= :now)
        ORDER BY coalesce(next_at, started_at), id LIMIT 1)
    RETURNING id
    """
)
_TAKE_DUE = text(
    """
    UPDATE post SET state = 'publishing', version = version + 1
    WHERE id = (
        SELECT id FROM post WHERE state = 'scheduled' AND due_at <= :now
        ORDER BY due_at, id LIMIT 1)
    RETURNING id
    """
)


class LeaseLost(Exception):
    """Another worker holds this attempt now; whoever gets this stops at once and writes nothing more."""


class Attempts(Repository):
    def claim(self, owner: str, lease: timedelta) -> Attempt | None:
        """The next attempt to work on: one whose time came or whose worker died, else a new one for a due post.

        Posts that are too late are put to their late policy first and not returned.
        """
        until = UtcMicros().process_bind_param(self._now + lease, None)  # type: ignore[arg-type]
        now = UtcMicros().process_bind_param(self._now, None)  # type: ignore[arg-type]
        again = self._session.execute(_RECLAIM, {"owner": owner, "until": until, "now": now}).scalar()
        if again is not None:
            self._session.expire_all()
            self._unit.changed("attempt", again)
            return self.get(again)
        while (due := self._session.execute(_TAKE_DUE, {"now": now}).scalar()) is not None:
            self._session.expire_all()
            if not self._put_to_late_policy(due):
                return self.begin(due, owner, lease)
        return None

    def begin(self, post_id: Id, owner: str = "", lease: timedelta = timedelta(0)) -> Attempt:
        """A new attempt of a post, held by `owner` for `lease`. The post becomes publishing."""
        self._unit.posts.set_state(post_id, PostState.PUBLISHING)
        number = self._session.exec(
            select(func.count()).select_from(AttemptRow).where(AttemptRow.post_id == post_id)
        ).one()
        row = AttemptRow(
            id=new_id(),
            post_id=post_id,
            number=number + 1,
            state=AttemptState.CLAIMED,
            plan_version=0,
            step="",
            resume={},
            fingerprint="",
            failures=0,
            lease_owner=owner,
            lease_until=self._now + lease if owner else None,
            error_kind="",
            message="",
            detail="",
            started_at=self._now,
        )
        self._add(row)
        self._unit.changed("attempt", row.id)
        return _attempt(row)

    def get(self, identifier: Id) -> Attempt:
        return _attempt(self._row(AttemptRow, identifier, "attempt"))

    def of_post(self, post_id: Id) -> Sequence[Attempt]:
        rows = self._session.exec(
            select(AttemptRow).where(AttemptRow.post_id == post_id).order_by(col(AttemptRow.number).desc())
        )
        return [_attempt(row) for row in rows]

    def live(self, post_id: Id) -> Attempt | None:
        """The attempt of the post that has not ended."""
        row = self._session.exec(
            select(AttemptRow).where(AttemptRow.post_id == post_id, col(AttemptRow.ended_at).is_(None))
        ).first()
        return None if row is None else _attempt(row)

    def save(self, attempt: Attempt, *, owner: str) -> Attempt:
        """Write an attempt between steps. Raises LeaseLost where `owner` no longer holds it, so that a worker
        that slept through its lease can neither arm nor record anything."""
        row = self._row(AttemptRow, attempt.id, "attempt")
        if row.lease_owner != owner or row.ended_at is not None:
            raise LeaseLost(attempt.id)
        row.state = attempt.state
        row.plan_version, row.step, row.resume = attempt.plan_version, attempt.step, dict(attempt.resume)
        row.fingerprint, row.armed_at = attempt.fingerprint, attempt.armed_at
        row.next_at, row.failures = attempt.next_at, attempt.failures
        row.lease_owner, row.lease_until = attempt.lease_owner, attempt.lease_until
        row.error_kind, row.message, row.detail = attempt.error_kind, attempt.message, attempt.detail
        if attempt.state.ended:
            row.ended_at, row.lease_owner, row.lease_until = self._now, "", None
        self._unit.changed("attempt", row.id)
        return _attempt(row)

    def extend(self, identifier: Id, owner: str, lease: timedelta) -> None:
        """The heartbeat. Raises LeaseLost where the lease went to another."""
        row = self._row(AttemptRow, identifier, "attempt")
        if row.lease_owner != owner:
            raise LeaseLost(identifier)
        row.lease_until = self._now + lease

    def lease_owners(self) -> Sequence[str]:
        """Everyone who holds a lease that still runs."""
        held = select(AttemptRow.lease_owner).where(
            col(AttemptRow.ended_at).is_(None), AttemptRow.lease_owner != "", col(AttemptRow.lease_until) > self._now
        )
        return self._session.exec(held.distinct()).all()

    def free(self, owners: Sequence[str]) -> None:
        """End the leases of workers that are known to be dead."""
        rows = self._session.exec(
            select(AttemptRow).where(col(AttemptRow.lease_owner).in_(owners), col(AttemptRow.ended_at).is_(None))
        )
        for row in rows:
            row.lease_owner, row.lease_until = "", None

    def take(self, identifier: Id, owner: str, lease: timedelta) -> Attempt | None:
        """Hold a live attempt on the creator's behalf (to cancel or resolve it); None while a worker holds it."""
        row = self._row(AttemptRow, identifier, "attempt")
        held = row.lease_until is not None and row.lease_until > self._now
        if row.ended_at is not None or held:
            return None
        row.lease_owner, row.lease_until = owner, self._now + lease
        return _attempt(row)

    def log(self, run: StepRun) -> None:
        """Append a line to an attempt's history."""
        self._add(
            StepRunRow(
                attempt_id=run.attempt_id,
                step=run.step,
                event=run.event,
                message=run.message,
                detail=run.detail,
                at=self._now,
                seconds=run.seconds,
            )
        )

    def history(self, identifier: Id) -> Sequence[StepRun]:
        rows = self._session.exec(
            select(StepRunRow).where(StepRunRow.attempt_id == identifier).order_by(col(StepRunRow.id))
        )
        return [
            StepRun(row.attempt_id, row.step, row.event, row.message, row.detail, row.at, row.seconds) for row in rows
        ]

    def next_at(self) -> datetime | None:
        """When the next live attempt wants to go on: at its own time, and not before its lease ends.

        The lease counts, or every process beside the one that publishes would wake at once, again and again."""
        own = func.coalesce(AttemptRow.next_at, AttemptRow.started_at)
        held = col(AttemptRow.lease_until)
        earliest: datetime | None = self._session.exec(
            select(func.min(case((held > own, held), else_=own))).where(
                col(AttemptRow.ended_at).is_(None), AttemptRow.state != AttemptState.NEEDS_USER
            )
        ).one()
        return earliest

    def _put_to_late_policy(self, post_id: Id) -> bool:
        """Whether the post is too late to be published without asking; if so, its policy was applied."""
        row = self._session.get_one(PostRow, post_id)
        late = self._now - (row.due_at or self._now)
        if late <= timedelta(minutes=max(row.late_minutes, 1)):
            return False
        hours = f"{late.total_seconds() / 3600:.1f} h"
        if row.late_policy == LatePolicy.SKIP:
            self._unit.posts.set_state(post_id, PostState.CANCELED, f"Skipped: its time passed {hours} ago.")
        else:
            self._unit.posts.set_state(
                post_id,
                PostState.NEEDS_USER,
                f"Its time passed {hours} ago while Quarry was not running: publish it now or give it a new time.",
            )
        return True


def _attempt(row: AttemptRow) -> Attempt:
    return replace(
        Attempt(row.id, row.post_id, row.number, AttemptState(row.state)),
        plan_version=row.plan_version,
        step=row.step,
        resume=row.resume,
        fingerprint=row.fingerprint,
        armed_at=row.armed_at,
        next_at=row.next_at,
        failures=row.failures,
        lease_owner=row.lease_owner,
        lease_until=row.lease_until,
        error_kind=row.error_kind,
        message=row.message,
        detail=row.detail,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
