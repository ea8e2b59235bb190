"""A table of posts that knows its length at once and fetches rows as they come into view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from app.core.ids import Id
from app.core.words import Account, Post
from app.ui import say
from app.ui.desk import Desk

PAGE = 100  # rows fetched at a time
POST_ROLE = Qt.ItemDataRole.UserRole
STATE, CHANNEL, ACCOUNT, TIME, TEXT = range(5)
Index = QModelIndex | QPersistentModelIndex


class PostsModel(QAbstractTableModel):
    """Rows not here yet are drawn empty; looking at one asks for its page."""

    wanted = Signal(int)  # a page's number

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._count = 0
        self._pages: dict[int, Sequence[Post]] = {}
        self._asked: set[int] = set()
        self._accounts: Mapping[Id, Account] = {}

    def show_accounts(self, accounts: Sequence[Account]) -> None:
        self._accounts = {account.id: account for account in accounts}
        self._redraw(0, self._count - 1)

    def start(self, count: int) -> None:
        """A list of `count` rows, none of them fetched."""
        self.beginResetModel()
        self._count = count
        self._pages.clear()
        self._asked.clear()
        self.endResetModel()

    def show_page(self, number: int, posts: Sequence[Post]) -> None:
        self._pages[number] = posts
        self._redraw(number * PAGE, number * PAGE + len(posts) - 1)

    def post(self, row: int) -> Post | None:
        page = self._pages.get(row // PAGE)
        return page[row % PAGE] if page is not None and row % PAGE < len(page) else None

    def row_of(self, post_id: Id) -> int:
        """-1 where it was not fetched."""
        for number, page in self._pages.items():
            for place, post in enumerate(page):
                if post.id == post_id:
                    return number * PAGE + place
        return -1

    # ---- Qt --------------------------------------------------------------------------------------

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else self._count

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 5

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return (self.tr("State"), self.tr("Channel"), self.tr("Account"), self.tr("Time"), self.tr("Text"))[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        post = self.post(index.row())
        if post is None:
            self._ask(index.row() // PAGE)
            return None
        if role == POST_ROLE:
            return post
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(post, index.column())
        if role == Qt.ItemDataRole.ToolTipRole and index.column() == TEXT:
            return post.content.text
        return None

    def _text(self, post: Post, column: int) -> str:
        if column == STATE:
            return say.state(post.state).text
        if column == CHANNEL:
            return say.channel(post.channel)
        if column == ACCOUNT:
            account = self._accounts.get(post.account_id)
            return account.label if account else "…"
        if column == TIME:
            return say.when(post.due_at, self._desk.clock(), self._desk.zone) if post.due_at else "–"
        return say.first_line(post.content.text)

    def _ask(self, number: int) -> None:
        if number not in self._asked:
            self._asked.add(number)
            self.wanted.emit(number)

    def _redraw(self, first: int, last: int) -> None:
        if 0 <= first <= last < self._count:
            self.dataChanged.emit(self.index(first, 0), self.index(last, TEXT))
