"""Watches for what the creator should know on every page: posts and accounts that need them, model, next post."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from app.core.words import Account, PostState
from app.ui.desk import Desk
from app.ui.notices import Problem, Remedy
from app.ui.queries import Outlook
from app.ui.status import StatusBar


class Lookout(QObject):
    def __init__(self, desk: Desk, status: StatusBar) -> None:
        super().__init__(status)
        self._desk = desk
        self._status = status
        desk.changes.changed.connect(self._changed)
        desk.notices.settings_changed.connect(self.look)

    @Slot()
    def look(self) -> None:
        run, queries = self._desk.background.run, self._desk.queries
        run(self, queries.outlook(), self._show)
        run(self, queries.default_model(self._desk.settings), self._status.show_model)

    @Slot(str, object)
    def _changed(self, kind: str, _ids: object) -> None:
        if kind in {"post", "account"}:
            self.look()

    def _show(self, outlook: Outlook) -> None:
        self._status.show_outlook(outlook)
        self._say_posts(outlook.counts.get(PostState.NEEDS_USER, 0) + outlook.counts.get(PostState.FAILED, 0))
        self._say_account(outlook.needing_attention[0] if outlook.needing_attention else None)

    def _say_posts(self, waiting: int) -> None:
        if not waiting:
            self._desk.notices.solved.emit("posts")
            return
        text = self.tr("One post needs you.") if waiting == 1 else self.tr("{n} posts need you.").format(n=waiting)
        remedy = Remedy(self.tr("Show"), lambda: self._desk.go("posts", "needs"))
        self._desk.notices.problem.emit(Problem("posts", text, remedy))

    def _say_account(self, account: Account | None) -> None:
        if account is None:
            self._desk.notices.solved.emit("account")
            return
        text = account.attention or self.tr("{name} needs you to sign in again.").format(name=account.label)
        remedy = Remedy(self.tr("Sign in"), lambda: self._desk.go("accounts", account.id))
        self._desk.notices.problem.emit(Problem("account", text, remedy))
