"""Posts: approved content, its account and its time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import col, func, select

from app.core.clock import WallTime
from app.core.errors import KnownError, Stale
from app.core.ids import Id, short
from app.core.words import Channel, LatePolicy, Post, PostState
from app.store.content import content_from_json, content_to_json, files_named
from app.store.repositories.base import Repository
from app.store.tables import AttemptRow, PostRow
from publishers.api import Content

_MOVABLE = {
    PostState.APPROVED,
    PostState.SCHEDULED,
    PostState.NEEDS_USER,
    PostState.FAILED,
    PostState.CANCELED,
}


class Posts(Repository):
    def add(self, post: Post) -> Post:
        self._add(
            PostRow(
                id=post.id,
                draft_id=post.draft_id,
                account_id=post.account_id,
                platform=post.channel.platform,
                format=post.channel.format,
                target=post.target,
                content=content_to_json(post.content),
                text=post.content.text,
                state=post.state,
                wall_time=post.wall_time.local.isoformat() if post.wall_time else "",
                zone=post.wall_time.zone if post.wall_time else "",
                due_at=post.wall_time.to_utc() if post.wall_time else None,
                late_policy=post.late_policy,
                late_minutes=post.late_minutes,
                message=post.message,
                version=post.version,
                created_at=self._now,
            )
        )
        self._unit.changed("post", post.id)
        return self.get(post.id)

    def get(self, identifier: Id) -> Post:
        return self._words([self._row(PostRow, identifier, "post")])[0]

    def listed(
        self,
        *,
        states: Collection[PostState] = (),
        account_id: Id | None = None,
        draft_id: Id | None = None,
        due_from: datetime | None = None,
        due_to: datetime | None = None,
        search: str = "",
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[Post]:
        """By time, the newest first; posts without a time come first of all."""
        query = _searched(select(PostRow), states, search)
        if account_id:
            query = query.where(PostRow.account_id == account_id)
        if draft_id:
            query = query.where(PostRow.draft_id == draft_id)
        if due_from is not None:
            query = query.where(col(PostRow.due_at) >= due_from)
        if due_to is not None:
            query = query.where(col(PostRow.due_at) < due_to)
        order = (col(PostRow.due_at).is_not(None), col(PostRow.due_at).desc(), col(PostRow.id).desc())
        return self._words(self._session.exec(query.order_by(*order).limit(limit).offset(offset)).all())

    def count(self, *, states: Collection[PostState] = (), search: str = "") -> int:
        """How many posts `listed` with the same filters has in all."""
        query = _searched(select(func.count()).select_from(PostRow), states, search)
        return int(self._session.exec(query).one())

    def counts(self) -> dict[PostState, int]:
        rows = self._session.exec(select(PostRow.state, func.count()).group_by(PostRow.state))
        return {PostState(state): count for state, count in rows}

    def next_due(self) -> datetime | None:
        """When the next scheduled post is due, past times included."""
        return self._session.exec(select(func.min(PostRow.due_at)).where(PostRow.state == PostState.SCHEDULED)).one()

    def schedule(self, identifier: Id, when: WallTime, version: int | None = None) -> Post:
        """Give a post its time. Raises Stale for an old version, KnownError once publishing has begun."""
        row = self._movable(identifier, version, "scheduled")
        row.wall_time, row.zone, row.due_at = when.local.isoformat(), when.zone, when.to_utc()
        row.state, row.message = PostState.SCHEDULED, ""
        return self._changed(row)

    def unschedule(self, identifier: Id, version: int | None = None) -> Post:
        """Take a post's time away; it waits, approved, for another."""
        row = self._movable(identifier, version, "taken off the calendar")
        row.wall_time, row.zone, row.due_at = "", "", None
        row.state, row.message = PostState.APPROVED, ""
        return self._changed(row)

    def cancel(self, identifier: Id, version: int | None = None) -> Post:
        """Take a post off the schedule; its content stays."""
        row = self._movable(identifier, version, "canceled")
        row.state, row.message = PostState.CANCELED, ""
        return self._changed(row)

    def edit(self, identifier: Id, content: Content, version: int) -> Post:
        row = self._movable(identifier, version, "edited")
        row.content, row.text = content_to_json(content), content.text
        return self._changed(row)

    def set_state(self, identifier: Id, state: PostState, message: str = "") -> None:
        """For the worker: what became of the post."""
        row = self._row(PostRow, identifier, "post")
        row.state, row.message = state, message
        row.version += 1
        self._unit.changed("post", row.id)

    def rederive_due(self) -> int:
        """Derive the UTC times of waiting posts again from their wall times, after zone rules changed."""
        rows = self._session.exec(select(PostRow).where(PostRow.state == PostState.SCHEDULED, PostRow.wall_time != ""))
        moved = 0
        for row in rows:
            due = _wall_time(row).to_utc()
            if due != row.due_at:
                row.due_at = due
                self._changed(row)
                moved += 1
        return moved

    def _movable(self, identifier: Id, version: int | None, action: str) -> PostRow:
        row = self._row(PostRow, identifier, "post")
        if version is not None and row.version != version:
            raise Stale(
                f"Post {short(row.id)} changed meanwhile: nothing was overwritten; look at it again and repeat."
            )
        live = self._session.exec(
            select(AttemptRow.id).where(AttemptRow.post_id == row.id, col(AttemptRow.ended_at).is_(None))
        ).first()
        if live or row.state not in _MOVABLE:
            raise KnownError(
                f"Post {short(row.id)} is {row.state.replace('_', ' ')} and cannot be {action} now: "
                "nothing was changed; wait until the attempt ends or cancel it first."
                if live
                else f"Post {short(row.id)} is {row.state.replace('_', ' ')} and cannot be {action}: "
                "nothing was changed."
            )
        return row

    def _changed(self, row: PostRow) -> Post:
        row.version += 1
        self._unit.changed("post", row.id)
        self._session.flush()
        return self._words([row])[0]

    def _words(self, rows: Sequence[PostRow]) -> list[Post]:
        facts = self._unit.media.facts({sha for row in rows for sha in files_named(row.content)})
        return [
            replace(
                Post(row.id, row.account_id, Channel(row.platform, row.format), content_from_json(row.content, facts)),
                state=PostState(row.state),
                draft_id=row.draft_id,
                target=row.target,
                wall_time=_wall_time(row) if row.wall_time else None,
                due_at=row.due_at,
                late_policy=LatePolicy(row.late_policy),
                late_minutes=row.late_minutes,
                message=row.message,
                version=row.version,
                created_at=row.created_at,
            )
            for row in rows
        ]


def _searched(query: Any, states: Collection[PostState], search: str) -> Any:
    if states:
        query = query.where(col(PostRow.state).in_(states))
    if search:
        query = query.where(col(PostRow.text).icontains(search, autoescape=True))
    return query


def _wall_time(row: PostRow) -> WallTime:
    return WallTime(datetime.fromisoformat(row.wall_time), row.zone)
