"""The Calendar page: one week, the tray beside it, and every move undoable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QListView, QStackedWidget, QVBoxLayout, QWidget

from app.core.clock import WallTime, load_zone
from app.core.ids import Id
from app.core.words import Account, Post
from app.ui import say
from app.ui.actions import Action
from app.ui.desk import Desk
from app.ui.page import Page
from app.ui.pages.calendar.cards import TrayDelegate
from app.ui.pages.calendar.model import DAYS, MIME, POST_ROLE, PostList, WeekModel, monday_of
from app.ui.pages.calendar.view import WeekView, dragged
from app.ui.widgets.basic import GAP, Body, Button, label

_TRAY = 216


class Tray(QListView):
    """Approved posts without a time; a post dragged back here loses its time."""

    dropped = Signal(str)  # post id

    def __init__(self, model: PostList) -> None:
        super().__init__()
        self.setModel(model)
        self.setProperty("role", "plain")
        self.setItemDelegate(TrayDelegate(self))
        self.setAccessibleName(self.tr("Approved posts without a time"))
        self.setAccessibleDescription(self.tr("Enter gives the chosen post the next full hour."))
        self.setDragEnabled(True)
        self.setAcceptDrops(True)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasFormat(MIME):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if event.mimeData().hasFormat(MIME) and event.source() is not self:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        if post_id := dragged(event.mimeData()):
            event.acceptProposedAction()
            self.dropped.emit(post_id)


class CalendarPage(Page):
    kinds: ClassVar[frozenset[str]] = frozenset({"post", "account"})

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._week = WeekModel(monday_of(self._now().date()), desk.zone)
        self._view = WeekView(self._week, desk.clock)
        self._tray = PostList()
        self._wanted: Id = ""
        self._make_tools()
        self._lay_out()
        self._view.moved.connect(self._move)
        self._view.opened.connect(lambda post_id: desk.go("posts", post_id))
        self._view.canceled.connect(self._cancel)
        self._say_week()

    def _make_tools(self) -> None:
        self._before = Button(kind="quiet", icon="chevron-left", name=self.tr("Week before"))
        self._today = Button(self.tr("Today"))
        self._after = Button(kind="quiet", icon="chevron-right", name=self.tr("Week after"))
        self._dates = label("", "strong")
        self._zone = label(self.desk.zone.replace("_", " "), "small")
        self._zone.setToolTip(self.tr("All times are in this zone; change it in Settings."))
        self._before.clicked.connect(lambda: self._go(-1))
        self._after.clicked.connect(lambda: self._go(1))
        self._today.clicked.connect(self._go_today)

    def _lay_out(self) -> None:
        self._tray_view = Tray(self._tray)
        self._tray_view.dropped.connect(self._take_time)
        self._tray_view.activated.connect(self._next_hour)
        hint = Body(self.tr("Approved drafts wait here. Drag one into the week, or press Enter on it."))
        hint.setProperty("role", "muted")
        hint.setContentsMargins(2, 0, 0, 0)
        hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._tray_stack = QStackedWidget()
        self._tray_stack.addWidget(hint)
        self._tray_stack.addWidget(self._tray_view)
        side = QFrame()
        side.setFixedWidth(_TRAY)
        self._tray_title = label(self.tr("Without a time"), "label")
        inner = QVBoxLayout(side)
        inner.setContentsMargins(2 * GAP, GAP, 2 * GAP, GAP)
        inner.addWidget(self._tray_title)
        inner.addWidget(self._tray_stack, 1)
        frame = QFrame()
        frame.setProperty("role", "card")
        grid = QVBoxLayout(frame)
        grid.setContentsMargins(1, 1, 1, 1)
        grid.addWidget(self._view)
        box = QHBoxLayout(self)
        box.setContentsMargins(3 * GAP, 0, GAP, 2 * GAP)
        box.setSpacing(0)
        box.addWidget(frame, 1)
        box.addWidget(side)

    # ---- the page --------------------------------------------------------------------------------

    def tools(self) -> Sequence[QWidget]:
        return (self._today, self._before, self._after, self._dates, self._zone)

    def actions_offered(self) -> Sequence[Action]:
        return (
            Action("calendar.today", self.tr("Show this week"), self._go_today, icon="calendar"),
            Action("calendar.next", self.tr("Show next week"), lambda: self._go(1), icon="chevron-right"),
            Action("calendar.before", self.tr("Show the week before"), lambda: self._go(-1), icon="chevron-left"),
        )

    def focus_first(self) -> None:
        self._view.setFocus()

    def reload(self) -> None:
        run, queries = self.desk.background.run, self.desk.queries
        run(self, queries.accounts(), self._show_accounts)
        self._week.zone = self._tray.zone = self.desk.zone
        self._zone.setText(self.desk.zone.replace("_", " "))
        monday = self._week.monday
        run(self, queries.week(*self._week.bounds()), lambda posts: self._show_week(monday, posts))
        run(self, queries.waiting_for_time(), self._show_tray)

    def show_item(self, what: Id) -> None:
        self.desk.background.run(self, self.desk.services.publishing.get(what), self._go_to)

    def _show_accounts(self, accounts: Sequence[Account]) -> None:
        self._week.show_accounts(accounts)
        self._tray.show_accounts(accounts)

    def _show_week(self, monday: object, posts: Sequence[Post]) -> None:
        if monday != self._week.monday:
            return  # the creator went on to another week meanwhile
        current = self._view.currentIndex()
        chosen = self._wanted or (self._week.posts[current.row()].id if current.isValid() else "")
        self._wanted = ""
        self._week.show_posts(posts)
        if (row := self._week.row_of(chosen)) >= 0:
            self._view.setCurrentIndex(self._week.index(row, 0))
            self._view.scrollTo(self._week.index(row, 0))

    def _show_tray(self, posts: Sequence[Post]) -> None:
        self._tray.show_posts(posts)
        self._tray_stack.setCurrentIndex(1 if posts else 0)
        count = f" · {len(posts)}" if posts else ""
        self._tray_title.setText(self.tr("Without a time") + count)

    # ---- weeks -----------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return self.desk.clock().astimezone(load_zone(self.desk.zone)).replace(tzinfo=None)

    def _go(self, weeks: int) -> None:
        self._week.monday += timedelta(days=DAYS * weeks)
        self._week.show_posts([])
        self._say_week()
        self.reload()

    @Slot()
    def _go_today(self) -> None:
        self._go((monday_of(self._now().date()) - self._week.monday).days // DAYS)

    def _go_to(self, post: Post) -> None:
        self._wanted = post.id
        day = self._week.local(post).date() if post.due_at else self._now().date()
        self._go((monday_of(day) - self._week.monday).days // DAYS)

    def _say_week(self) -> None:
        self._dates.setText(say.dates(self._week.monday, self._week.monday + timedelta(days=DAYS - 1)))

    # ---- moves -----------------------------------------------------------------------------------

    def _find(self, post_id: Id) -> Post | None:
        return next((post for post in (*self._week.posts, *self._tray.posts) if post.id == post_id), None)

    @Slot(str, object)
    def _move(self, post_id: Id, when: datetime) -> None:
        post = self._find(post_id)
        if post is None:
            return
        if when <= self._now():
            self.desk.notices.say(self.tr("That time has passed: choose a later one"))
            return
        wall = WallTime(when, self.desk.zone)
        at = say.when(wall.to_utc(), self.desk.clock(), self.desk.zone)
        self._wanted = post.id
        self.desk.commands.move(post, wall, self.tr("Scheduled for {at}").format(at=at))

    @Slot(str)
    def _cancel(self, post_id: Id) -> None:
        if post := self._find(post_id):
            self.desk.commands.cancel(post, self.tr("Post canceled"))

    @Slot(str)
    def _take_time(self, post_id: Id) -> None:
        if post := self._find(post_id):
            self.desk.commands.move(post, None, self.tr("Taken off the calendar"))

    @Slot(QModelIndex)
    def _next_hour(self, index: QModelIndex) -> None:
        post: Post = index.data(POST_ROLE)
        hour = (self._now() + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
        self._view.setFocus()
        self._move(post.id, hour)
