"""The Compose page: sends the brief to drafting, lets variants stream into cards, opens one in the editor."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import ClassVar

from PySide6.QtCore import Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from app.core.clock import WallTime
from app.core.ids import Id
from app.core.words import Account, Brief, Channel, Draft, Generation, Post
from app.drafting.events import DraftingEvent, GenerationEnded, VariantDrafted, VariantStarted
from app.ui import icons, say, theme
from app.ui.actions import Action
from app.ui.autosave import Autosave
from app.ui.desk import Desk
from app.ui.notices import Problem, Remedy
from app.ui.page import Page
from app.ui.pages.compose.approve import ApprovePanel
from app.ui.pages.compose.brief_form import BriefForm
from app.ui.pages.compose.editor import DraftEditor
from app.ui.pages.compose.preview import Preview
from app.ui.pages.compose.variants import VariantBoard
from app.ui.queries import Session
from app.ui.widgets.basic import GAP, Button
from app.ui.widgets.empty import EmptyState
from publishers import registry

_SIDE = 320
_THREE_COLUMNS = 980  # width of the page


class ComposePage(Page):
    kinds: ClassVar[frozenset[str]] = frozenset({"account", "voice", "draft"})

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._accounts: Sequence[Account] = ()
        self._boards: dict[Channel, VariantBoard] = {}
        self._channel_of: dict[Id, Channel] = {}  # of a generation
        self._running: dict[Id, Future[Sequence[Draft]]] = {}
        self._form = BriefForm(registry.platforms())
        self._autosave = Autosave(self, self._save_brief)
        self._tabs = QTabBar(drawBase=False, expanding=False)
        self._tabs.setAccessibleName(self.tr("Channels of this brief"))
        self._boards_stack = QStackedWidget()
        self._editor = DraftEditor(desk)
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
        drafts = QWidget()
        tabs = QHBoxLayout()
        tabs.setContentsMargins(3 * GAP, 0, 3 * GAP, 0)
        tabs.addWidget(self._tabs)
        tabs.addStretch(1)
        inner = QVBoxLayout(drafts)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addLayout(tabs)
        self._middle = QStackedWidget()
        self._middle.addWidget(self._boards_stack)
        self._middle.addWidget(self._editor)
        inner.addWidget(self._middle, 1)
        self._content = QStackedWidget()
        self._content.addWidget(self._empty)
        self._content.addWidget(drafts)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self._form)
        box.addWidget(self._content, 1)
        self._side = QFrame()
        self._side.setProperty("role", "side")
        self._side.setFixedWidth(_SIDE)
        side = QVBoxLayout(self._side)
        side.setContentsMargins(1, 0, 0, 0)
        side.setSpacing(0)
        side.addWidget(self._preview, 1)
        side.addWidget(self._approve)
        box.addWidget(self._side)
        self._side.hide()

    def _wire(self) -> None:
        self._form.changed.connect(self._autosave.touch)
        self._form.submitted.connect(self._draft)
        self._form.stopped.connect(self._stop)
        self._tabs.currentChanged.connect(self._choose_channel)
        self._editor.left.connect(self._show_board)
        self._editor.text_changed.connect(self._preview.show_text)
        self._editor.checked.connect(self._approve.show_passes)
        self._approve.account_changed.connect(self._preview.show_account)
        self._approve.pressed.connect(self._approve_draft)
        self._approve.connect_wanted.connect(self._connect_account)
        self._new.clicked.connect(self._start_anew)
        self._recent.clicked.connect(self._offer_recent)
        theme.current().changed.connect(self._color_tabs)
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
            self._channel_of[generation.id] = generation.channel
        for draft in session.drafts:
            if draft.generation_id is None:
                self._board(draft.channel).add_draft(draft)
        if self._boards:
            self._tabs.setCurrentIndex(0)
            self._choose_channel(0)

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
        drafting, loop = self.desk.services.drafting, self.desk.services.loop
        for generation in generations:
            self._channel_of[generation.id] = generation.channel
            self._board(generation.channel).expect(generation, {})
            listener = self.desk.background.listener(self, self.hear)
            future = loop.run(drafting.run(generation.id, listener))
            self._running[generation.id] = future
            self.desk.background.run(self, future, on_error=self._failed)
        if self._tabs.count():
            self._tabs.setCurrentIndex(0)
            self._choose_channel(0)
        self._form.show_running(bool(self._running))

    def hear(self, event: DraftingEvent) -> None:
        """One event of drafting, in the window's thread."""
        generation_id = event.generation_id
        if (channel := self._channel_of.get(generation_id)) and channel in self._boards:
            self._boards[channel].hear(event)
        if isinstance(event, VariantStarted):
            self.desk.notices.drafting.emit(event.model, 0.0)
        elif isinstance(event, VariantDrafted):
            made = event.draft.provenance
            self.desk.notices.drafting.emit(made.model, made.tokens_per_second)
        elif isinstance(event, GenerationEnded):
            self._running.pop(generation_id, None)
            if not self._running:
                self._form.show_running(False)
                self.desk.notices.drafting.emit("", 0.0)

    def _not_started(self, error: BaseException) -> None:
        self._form.show_running(False)
        self.desk.notices.fail(error)

    def _failed(self, error: BaseException) -> None:
        self.desk.notices.fail(error)
        if not self._running:
            self._form.show_running(False)

    @Slot()
    def _stop(self) -> None:
        for future in list(self._running.values()):
            future.cancel()

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
        if channel not in self._boards:
            board = VariantBoard(channel)
            board.picked.connect(self._pick)
            self._boards[channel] = board
            self._boards_stack.addWidget(board)
            self._tabs.addTab(say.channel(channel))
            self._color_tabs()
            self._content.setCurrentIndex(1)
        return self._boards[channel]

    @Slot()
    def _color_tabs(self) -> None:
        for place, channel in enumerate(self._boards):
            picture = icons.icon(icons.platform_icon(channel.platform), theme.tokens().muted)
            self._tabs.setTabIcon(place, picture)

    def _forget_boards(self) -> None:
        for board in self._boards.values():
            self._boards_stack.removeWidget(board)
            board.deleteLater()
        self._boards.clear()
        while self._tabs.count():
            self._tabs.removeTab(0)
        self._content.setCurrentIndex(0)
        self._show_board()

    @Slot(int)
    def _choose_channel(self, place: int) -> None:
        boards = list(self._boards.values())
        if 0 <= place < len(boards):
            self._boards_stack.setCurrentWidget(boards[place])
            self._show_board()

    @Slot()
    def _show_board(self) -> None:
        self._editor.flush()
        self._middle.setCurrentIndex(0)
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
        self._middle.setCurrentIndex(1)
        self._side.show()
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """A narrow window has no room for three columns: the brief comes back with the variants."""
        self._form.setVisible(self._middle.currentIndex() == 0 or self.width() >= _THREE_COLUMNS)

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
        if (draft := self._editor.draft) and (board := self._boards.get(draft.channel)):
            self.desk.background.run(self, self.desk.queries.draft(draft.id), board.add_draft)
        self._show_board()
