"""The Compose page: sends the brief to drafting, lets variants stream into cards, opens one in the editor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from PySide6.QtCore import Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QMenu, QStackedWidget, QWidget

from app.core.clock import WallTime
from app.core.ids import Id
from app.core.words import Account, Brief, Channel, Draft, Generation, Post
from app.drafting.events import DraftingEvent
from app.ui import say, theme
from app.ui.actions import Action
from app.ui.autosave import Autosave
from app.ui.desk import Desk
from app.ui.notices import Problem, Remedy
from app.ui.page import Page
from app.ui.pages.compose.approve import ApprovePanel
from app.ui.pages.compose.boards import Boards
from app.ui.pages.compose.brief_form import BriefForm
from app.ui.pages.compose.editor import DraftEditor
from app.ui.pages.compose.preview import Preview
from app.ui.pages.compose.runs import DraftingRuns
from app.ui.pages.compose.variants import VariantBoard
from app.ui.queries import Session
from app.ui.widgets.basic import Button, column, row
from app.ui.widgets.empty import EmptyState
from publishers import registry

_SIDE = 320
_THREE_COLUMNS = 980  # width of the page


class ComposePage(Page):
    kinds: ClassVar[frozenset[str]] = frozenset({"account", "voice", "draft"})

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._accounts: Sequence[Account] = ()
        self._runs = DraftingRuns(desk, self)
        self._form = BriefForm(registry.platforms())
        self._autosave = Autosave(self, self._save_brief)
        self._editor = DraftEditor(desk)
        self._boards = Boards(self._editor)
        self._preview = Preview()
        self._approve = ApprovePanel(desk)
        self._recent = Button(self.tr("Recent"), "quiet", icon="clock")
        self._new = Button(self.tr("New brief"), "quiet", icon="plus")
        self._first_time = True
        self._lay_out()
        self._wire()

    def _lay_out(self) -> None:
        self._empty = EmptyState(
            "spark",
            self.tr("From one brief to a post for every channel"),
            self.tr(
                "Say what you want to tell and where. The model on this computer writes the variants; "
                "you pick one, make it yours and approve it. Nothing leaves this computer until you publish."
            ),
        )
        self._content = QStackedWidget()
        self._content.addWidget(self._empty)
        self._content.addWidget(self._boards)
        self._side = QFrame()
        self._side.setProperty("role", "side")
        self._side.setFixedWidth(_SIDE)
        side = column(self._preview, self._approve, spacing=0)
        side.setContentsMargins(1, 0, 0, 0)  # its border
        side.setStretch(0, 1)
        self._side.setLayout(side)
        self._side.hide()
        whole = row(self._form, self._content, self._side, spacing=0)
        whole.setStretch(1, 1)
        self.setLayout(whole)

    def _wire(self) -> None:
        self._form.changed.connect(self._autosave.touch)
        self._form.submitted.connect(self._draft)
        self._form.stopped.connect(self._runs.stop)
        self._runs.heard.connect(self._hear)
        self._runs.changed.connect(self._form.show_running)
        self._boards.picked.connect(self._pick)
        self._boards.chosen.connect(self._show_board)
        self._editor.left.connect(self._show_board)
        self._editor.text_changed.connect(self._preview.show_text)
        self._editor.checked.connect(self._approve.show_passes)
        self._approve.account_changed.connect(self._preview.show_account)
        self._approve.pressed.connect(self._approve_draft)
        self._approve.connect_wanted.connect(self._connect_account)
        self._new.clicked.connect(self._start_anew)
        self._recent.clicked.connect(self._offer_recent)
        theme.current().changed.connect(self._offer_accounts)

    # ---- the page --------------------------------------------------------------------------------

    def tools(self) -> Sequence[QWidget]:
        return (self._new, self._recent)

    def actions_offered(self) -> Sequence[Action]:
        return (
            Action("compose.draft", self.tr("Draft this brief"), self._form.press, "Ctrl+Enter", "spark", "write"),
            Action("compose.new", self.tr("New brief"), self._start_anew, icon="plus"),
        )

    def reload(self) -> None:
        run, queries = self.desk.background.run, self.desk.queries
        run(self, queries.accounts(), self._show_accounts)
        run(self, queries.voices(), self._form.show_voices)
        if self._first_time:
            self._first_time = False
            run(self, queries.sessions(1), self._show_latest)
            run(self, self.desk.services.drafting.unfinished(), self._offer_resume)

    def redraw(self, kind: str, ids: frozenset[Id]) -> None:
        if kind == "account":
            self.desk.background.run(self, self.desk.queries.accounts(), self._show_accounts)
        elif kind == "voice":
            self.desk.background.run(self, self.desk.queries.voices(), self._form.show_voices)
        elif (draft := self._editor.draft) is not None and draft.id in ids:
            self.desk.background.run(self, self.desk.queries.draft(draft.id), self._editor.refresh)

    def focus_first(self) -> None:
        self._form.focus_first()

    def show_item(self, what: Id) -> None:
        self.desk.background.run(self, self.desk.queries.session(what), self._show_session)

    def leave(self) -> None:
        self._autosave.flush()
        self._editor.flush()

    def _show_accounts(self, accounts: Sequence[Account]) -> None:
        self._accounts = accounts
        self._offer_accounts()

    @Slot()
    def _offer_accounts(self) -> None:
        if draft := self._editor.draft:
            self._approve.show_accounts([one for one in self._accounts if one.platform == draft.channel.platform])

    # ---- briefs ----------------------------------------------------------------------------------

    def _save_brief(self) -> None:
        if not self._form.empty:
            self.desk.background.run(self, self.desk.commands.save_brief(self._form.brief()))

    @Slot()
    def _start_anew(self) -> None:
        self._autosave.flush()
        self._editor.flush()
        self._form.start_anew()
        self._forget_boards()

    @Slot()
    def _offer_recent(self) -> None:
        self.desk.background.run(self, self.desk.queries.sessions(), self._show_recent)

    def _show_recent(self, briefs: Sequence[Brief]) -> None:
        menu = QMenu(self)
        for brief in briefs:
            entry = menu.addAction(say.first_line(brief.topic)[:60] or self.tr("Untitled"))
            entry.triggered.connect(lambda _checked=False, chosen=brief.id: self.show_item(chosen))
        if not briefs:
            menu.addAction(self.tr("No briefs yet")).setEnabled(False)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._recent.mapToGlobal(self._recent.rect().bottomLeft()))

    def _show_latest(self, briefs: Sequence[Brief]) -> None:
        if briefs and self._form.empty:
            self.show_item(briefs[0].id)

    def _show_session(self, session: Session) -> None:
        """A brief with its newest generation of each channel."""
        self._autosave.flush()
        self._form.show_brief(session.brief)
        self._forget_boards()
        newest = {generation.channel: generation for generation in session.generations}
        for generation in newest.values():
            own = {draft.variant: draft for draft in session.drafts if draft.generation_id == generation.id}
            self._board(generation.channel).expect(generation, own)
            self._runs.expect(generation)
        for draft in session.drafts:
            if draft.generation_id is None:
                self._board(draft.channel).add_draft(draft)
        self._boards.show_first()

    # ---- drafting --------------------------------------------------------------------------------

    @Slot()
    def _draft(self) -> None:
        self._autosave.flush()
        self._editor.flush()
        self._forget_boards()
        self._form.show_running(True)
        brief, variants, model = self._form.brief(), self._form.variants, self.desk.settings.model
        drafting = self.desk.services.drafting
        self.desk.background.run(
            self, lambda: drafting.start(brief, variants=variants, model=model), self._run_all, self._not_started
        )

    def _run_all(self, generations: Sequence[Generation]) -> None:
        for generation in generations:
            self._board(generation.channel).expect(generation, {})
        self._runs.run(generations)
        self._boards.show_first()

    @Slot(object, object)
    def _hear(self, channel: Channel, event: DraftingEvent) -> None:
        if board := self._boards.all.get(channel):
            board.hear(event)

    def _not_started(self, error: BaseException) -> None:
        self._form.show_running(False)
        self.desk.notices.fail(error)

    def _offer_resume(self, generations: Sequence[Generation]) -> None:
        if not generations:
            return
        text = self.tr("Drafting was interrupted. Your brief and the finished variants were kept.")
        remedy = Remedy(self.tr("Finish it"), lambda: self._resume(generations))
        self.desk.notices.problem.emit(Problem("drafting", text, remedy, "info"))

    def _resume(self, generations: Sequence[Generation]) -> None:
        def shown(session: Session) -> None:
            self._show_session(session)
            self._run_all(generations)

        self.desk.background.run(self, self.desk.queries.session(generations[-1].brief_id), shown)

    # ---- variants and the editor -----------------------------------------------------------------

    def _board(self, channel: Channel) -> VariantBoard:
        self._content.setCurrentWidget(self._boards)
        return self._boards.board(channel)

    def _forget_boards(self) -> None:
        self._boards.forget()
        self._content.setCurrentWidget(self._empty)
        self._show_board()

    @Slot()
    def _show_board(self) -> None:
        self._editor.flush()
        self._boards.show_editor(False)
        self._side.hide()
        self._fit()

    @Slot(str)
    def _pick(self, draft_id: Id) -> None:
        self.desk.background.run(self, self.desk.queries.draft(draft_id), self._open_draft)

    def _open_draft(self, draft: Draft) -> None:
        self._preview.show_channel(draft.channel)
        self._editor.open(draft)
        self._approve.show_draft(draft)
        self._offer_accounts()
        self._boards.show_editor(True)
        self._side.show()
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """A narrow window has no room for three columns: the brief comes back with the variants."""
        self._form.setVisible(not self._boards.editing or self.width() >= _THREE_COLUMNS)

    @Slot(object, object)
    def _approve_draft(self, account: Account, when: WallTime | None) -> None:
        if (draft := self._editor.draft) is not None:
            self._editor.flush()
            future = self.desk.commands.approve(draft.id, account.id, when)
            self.desk.background.run(self, future, self._say_approved, self._not_approved)

    def _not_approved(self, error: BaseException) -> None:
        if (draft := self._editor.draft) is not None:
            self._approve.show_draft(draft)
        self.desk.notices.fail(error)

    @Slot(str)
    def _connect_account(self, platform: str) -> None:
        self.desk.go("accounts", platform)

    def _say_approved(self, post: Post) -> None:
        if post.due_at is not None:
            at = say.when(post.due_at, self.desk.clock(), self.desk.zone)
            text = self.tr("Approved and scheduled for {at}").format(at=at)
        else:
            text = self.tr("Approved: drag it into the calendar to give it a time")
        self.desk.notices.say(text, Remedy(self.tr("Open calendar"), lambda: self.desk.go("calendar", post.id)))
        if (draft := self._editor.draft) and (board := self._boards.all.get(draft.channel)):
            self.desk.background.run(self, self.desk.queries.draft(draft.id), board.add_draft)
        self._show_board()
