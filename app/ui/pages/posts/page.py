"""The Posts page: filters, search, the table and the details of the chosen post."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from PySide6.QtCore import QCoreApplication, QModelIndex, Qt, QTimer, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
)

from app.core.ids import Id
from app.core.words import Post, PostState
from app.publishing.service import PostDetails
from app.ui import say
from app.ui.actions import Action
from app.ui.desk import Desk
from app.ui.marks import QT_TRANSLATE_NOOP
from app.ui.page import Page
from app.ui.pages.posts.delegate import PostDelegate
from app.ui.pages.posts.details import DetailsPane
from app.ui.pages.posts.model import ACCOUNT, CHANNEL, PAGE, STATE, TEXT, TIME, PostsModel
from app.ui.widgets.basic import GAP, Button, label
from app.ui.widgets.empty import EmptyState

_FILTERS: tuple[tuple[str, str, frozenset[PostState]], ...] = (
    ("all", QT_TRANSLATE_NOOP("Posts", "All"), frozenset()),
    ("needs", QT_TRANSLATE_NOOP("Posts", "Needs you"), frozenset({PostState.NEEDS_USER, PostState.FAILED})),
    ("planned", QT_TRANSLATE_NOOP("Posts", "Planned"), frozenset({PostState.APPROVED, PostState.SCHEDULED})),
    ("live", QT_TRANSLATE_NOOP("Posts", "Published"), frozenset({PostState.PUBLISHED, PostState.PARTLY_PUBLISHED})),
    ("canceled", QT_TRANSLATE_NOOP("Posts", "Canceled"), frozenset({PostState.CANCELED, PostState.GONE})),
)
_ROW = 44
_WIDTHS = {STATE: 150, CHANNEL: 130, ACCOUNT: 130, TIME: 156}
_NARROW = {STATE: 140, CHANNEL: 124, ACCOUNT: 0, TIME: 148}  # beside the details
_TYPING = 200  # ms without a key before the search runs


class PostsPage(Page):
    kinds: ClassVar[frozenset[str]] = frozenset({"post", "attempt", "publication", "account"})

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._states: frozenset[PostState] = frozenset()
        self._listing = 0  # number of the list shown: answers to an older one are dropped
        self._count = 0
        self._wanted: Id = ""
        self._model = PostsModel(desk, self)
        self._table = self._make_table()
        self._details = DetailsPane(desk)
        self._details.hide()
        self._typing = QTimer(self, singleShot=True, interval=_TYPING)
        self._lay_out()
        self._model.wanted.connect(self._fetch)
        self._details.closed.connect(self._close_details)
        self._search.textChanged.connect(self._typing.start)
        self._typing.timeout.connect(self.reload)
        QShortcut(QKeySequence.StandardKey.Find, self).activated.connect(self._search.setFocus)

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self._model)
        table.setItemDelegate(PostDelegate(table))
        table.setAccessibleName(self.tr("Posts"))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.verticalHeader().hide()
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(_ROW)
        header = table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSectionResizeMode(TEXT, QHeaderView.ResizeMode.Stretch)
        header.setSectionsClickable(False)
        for column, width in _WIDTHS.items():
            table.setColumnWidth(column, width)
        table.selectionModel().currentRowChanged.connect(self._choose)
        return table

    def _lay_out(self) -> None:
        self._search = QLineEdit(placeholderText=self.tr("Search posts"))
        self._search.setAccessibleName(self.tr("Search posts"))
        self._search.setClearButtonEnabled(True)
        self._search.setMaximumWidth(260)
        self._found = label("", "small")
        bar = QHBoxLayout()
        bar.setSpacing(GAP)
        self._chips = QButtonGroup(self)
        self._filters: dict[str, Button] = {}
        for name, text, states in _FILTERS:
            chip = Button(QCoreApplication.translate("Posts", text), "chip")
            chip.setCheckable(True)
            chip.setChecked(name == "all")
            chip.clicked.connect(lambda _checked, chosen=states: self._filter(chosen))
            self._chips.addButton(chip)
            self._filters[name] = chip
            bar.addWidget(chip)
        bar.addStretch(1)
        bar.addWidget(self._found)
        bar.addWidget(self._search)
        self._empty = EmptyState(
            "posts",
            self.tr("No posts here"),
            self.tr("A post is an approved draft with an account and a time. Draft one and approve it."),
            self._compose_button(),
        )
        self._stack = QStackedWidget()
        self._stack.addWidget(self._table)
        self._stack.addWidget(self._empty)
        left = QVBoxLayout()
        left.setContentsMargins(3 * GAP, 0, 3 * GAP, 2 * GAP)
        left.setSpacing(2 * GAP)
        left.addLayout(bar)
        left.addWidget(self._stack, 1)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(left, 1)
        box.addWidget(self._details)

    def _compose_button(self) -> Button:
        button = Button(self.tr("Open Compose"), "primary", icon="compose")
        button.clicked.connect(lambda: self.desk.go("compose", ""))
        return button

    # ---- the page --------------------------------------------------------------------------------

    def actions_offered(self) -> Sequence[Action]:
        return (
            Action("posts.search", self.tr("Search posts"), self._search.setFocus, "Ctrl+F", "search", "find"),
            *(
                Action(
                    f"posts.{name}",
                    self.tr("Show posts: {filter}").format(filter=chip.accessibleName()),
                    chip.click,
                    icon="filter",
                )
                for name, chip in self._filters.items()
            ),
        )

    def focus_first(self) -> None:
        self._table.setFocus()

    @Slot()
    def reload(self) -> None:
        run, queries = self.desk.background.run, self.desk.queries
        self._listing += 1
        listing, search = self._listing, self._search.text().strip()
        run(self, queries.accounts(), self._model.show_accounts)
        future = queries.post_count(states=self._states, search=search)
        run(self, future, lambda count: self._start(listing, count))

    def redraw(self, kind: str, ids: frozenset[Id]) -> None:
        if kind == "account":
            self.desk.background.run(self, self.desk.queries.accounts(), self._model.show_accounts)
            return
        if kind == "post":
            self.reload()
        if (post := self._details.post) and (kind != "post" or post.id in ids):
            self._ask_details(post.id)

    def show_item(self, what: Id) -> None:
        """A filter by its name, or a post by its id."""
        if what in self._filters:
            self._filters[what].click()
            return
        self._wanted = what
        self._ask_details(what)
        if (row := self._model.row_of(what)) >= 0:
            self._table.setCurrentIndex(self._model.index(row, 0))

    # ---- the list --------------------------------------------------------------------------------

    def _filter(self, states: frozenset[PostState]) -> None:
        self._states = states
        self.reload()

    def _start(self, listing: int, count: int) -> None:
        if listing != self._listing:
            return
        current = self._model.post(self._table.currentIndex().row())
        if current is not None and not self._wanted and self._details.isVisible():
            self._wanted = current.id
        scrolled = self._table.verticalScrollBar().value()
        self._model.start(count)
        self._count = count
        self._stack.setCurrentIndex(0 if count else 1)
        self._found.setText(self.tr("1 post") if count == 1 else self.tr("{n} posts").format(n=say.number(count)))
        self._table.verticalScrollBar().setValue(scrolled)
        if count:
            self._fetch(0)

    @Slot(int)
    def _fetch(self, page: int) -> None:
        listing, search = self._listing, self._search.text().strip()
        future = self.desk.queries.posts(states=self._states, search=search, limit=PAGE, offset=page * PAGE)
        self.desk.background.run(self, future, lambda posts: self._show_page(listing, page, posts))

    def _show_page(self, listing: int, page: int, posts: Sequence[Post]) -> None:
        if listing != self._listing:
            return
        self._model.show_page(page, posts)
        if self._wanted and (row := self._model.row_of(self._wanted)) >= 0:
            self._wanted = ""
            self._table.setCurrentIndex(self._model.index(row, 0))

    # ---- the chosen post -------------------------------------------------------------------------

    @Slot(QModelIndex, QModelIndex)
    def _choose(self, index: QModelIndex, _before: QModelIndex) -> None:
        if (post := self._model.post(index.row())) is not None:
            self._ask_details(post.id)

    def _ask_details(self, post_id: Id) -> None:
        self.desk.background.run(self, self.desk.queries.details(post_id), self._show_details)

    def _show_details(self, details: PostDetails) -> None:
        self._details.show_details(details)
        self._set_columns(_NARROW)
        self._details.show()

    @Slot()
    def _close_details(self) -> None:
        self._details.hide()
        self._set_columns(_WIDTHS)
        self._table.setFocus()

    def _set_columns(self, widths: dict[int, int]) -> None:
        for column, width in widths.items():
            self._table.setColumnHidden(column, width == 0)
            self._table.setColumnWidth(column, width)
