"""What pages do: every change the window makes goes through here; those of the calendar can be undone."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.core.clock import WallTime
from app.core.ids import Id
from app.core.words import Brief, Draft, Post, PostState
from app.ui.background import Background
from app.ui.notices import Notices, Remedy

if TYPE_CHECKING:
    from app.bootstrap import Services


class Commands(QObject):
    def __init__(self, services: Services, background: Background, notices: Notices, undo: QUndoStack) -> None:
        super().__init__()
        self._services = services
        self._background = background
        self._notices = notices
        self._undo = undo

    def save_brief(self, brief: Brief) -> Future[Brief]:
        return self._services.store.write(lambda unit: unit.briefs.add(brief))

    def approve(self, draft_id: Id, account_id: Id, when: WallTime | None) -> Future[Post]:
        """Make a post of a draft and, with `when`, schedule it."""
        publishing, loop = self._services.publishing, self._services.loop
        if when is None:
            return publishing.approve(draft_id, account_id)

        async def both() -> Post:
            post = await asyncio.wrap_future(publishing.approve(draft_id, account_id))
            return await asyncio.wrap_future(publishing.schedule(post.id, when, post.version))

        return loop.run(both())

    def discard(self, draft: Draft, said: str) -> None:
        """Put a draft away; the toast takes it back."""
        drafting = self._services.drafting
        remedy = Remedy(self.tr("Undo"), lambda: self._background.run(self, drafting.restore(draft.id)))
        self._background.run(self, drafting.discard(draft.id), lambda _done: self._notices.say(said, remedy))

    def move(self, post: Post, when: WallTime | None, said: str) -> None:
        """Give a post a time, another time, or (None) none; undoable. `said` is the toast's sentence."""
        self._undo.push(_Timing(self, post, when, said))

    def cancel(self, post: Post, said: str) -> None:
        """Take a post off the schedule; undoable."""
        self._undo.push(_Cancel(self, post, said))

    def _time(self, post_id: Id, when: WallTime | None, version: int | None) -> Future[Post]:
        if when is None:
            return self._services.publishing.unschedule(post_id, version)
        return self._services.publishing.schedule(post_id, when, version)

    def _run(self, future: Future[Post], command: QUndoCommand, said: str) -> None:
        def done(_post: Post) -> None:
            if said:
                self._notices.say(said, Remedy(self.tr("Undo"), self._undo.undo))

        def failed(error: BaseException) -> None:
            command.setObsolete(True)  # Qt drops it at the next undo: there is nothing to take back
            self._notices.fail(error)

        self._background.run(self, future, done, failed)


class _Timing(QUndoCommand):
    """A post's time, before and after."""

    def __init__(self, commands: Commands, post: Post, when: WallTime | None, said: str) -> None:
        super().__init__(said)
        self._commands, self._post, self._when, self._said = commands, post, when, said
        self._first = True

    def redo(self) -> None:
        version = self._post.version if self._first else None
        said, self._first = (self._said, False) if self._first else ("", False)
        self._commands._run(self._commands._time(self._post.id, self._when, version), self, said)

    def undo(self) -> None:
        before = self._post.wall_time if self._post.state is not PostState.APPROVED else None
        self._commands._run(self._commands._time(self._post.id, before, None), self, "")


class _Cancel(QUndoCommand):
    """A post on the schedule, and off it."""

    def __init__(self, commands: Commands, post: Post, said: str) -> None:
        super().__init__(said)
        self._commands, self._post, self._said = commands, post, said

    def redo(self) -> None:
        future = self._commands._services.publishing.cancel(self._post.id)
        self._commands._run(future, self, self._said)
        self._said = ""

    def undo(self) -> None:
        before = self._post.wall_time if self._post.state is not PostState.APPROVED else None
        self._commands._run(self._commands._time(self._post.id, before, None), self, "")
