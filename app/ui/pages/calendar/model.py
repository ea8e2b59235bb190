"""The posts of one week, placed: day, minute on the wall clock, and a lane where several share an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QPersistentModelIndex, Qt

from app.core.clock import load_zone
from app.core.ids import Id
from app.core.words import Account, Post, PostState
from app.ui import say

DAYS = 7
CARD_MINUTES = 55  # how long a card is drawn: a post takes no time, its card does
MIME = "application/x-quarry-post"
POST_ROLE = Qt.ItemDataRole.UserRole
MOVABLE = frozenset(
    {PostState.APPROVED, PostState.SCHEDULED, PostState.NEEDS_USER, PostState.FAILED, PostState.CANCELED}
)
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card stands. `lane` of `lanes` is its share of the day's width."""

    day: int
    minute: int
    lane: int = 0
    lanes: int = 1


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def places(times: Sequence[datetime], monday: date) -> list[Place]:
    """Lay out cards at these wall-clock times (naive, ascending); those that overlap share the width."""
    found: list[Place] = []
    cluster: list[tuple[int, int]] = []  # (day, minute) of cards that touch each other

    def lay() -> None:
        ends: list[int] = []
        lanes = []
        for _day, minute in cluster:
            free = next((lane for lane, end in enumerate(ends) if end <= minute), len(ends))
            if free == len(ends):
                ends.append(0)
            ends[free] = minute + CARD_MINUTES
            lanes.append(free)
        found.extend(Place(day, minute, lane, len(ends)) for (day, minute), lane in zip(cluster, lanes, strict=True))
        cluster.clear()

    for time in times:
        spot = ((time.date() - monday).days, time.hour * 60 + time.minute)
        if cluster and (spot[0] != cluster[0][0] or spot[1] >= max(minute for _, minute in cluster) + CARD_MINUTES):
            lay()
        cluster.append(spot)
    lay()
    return found


class PostList(QAbstractListModel):
    """Posts that can be dragged: what the week and the tray have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[Post] = []
        self._accounts: Mapping[Id, Account] = {}
        self.zone = "UTC"

    def show_accounts(self, accounts: Sequence[Account]) -> None:
        self._accounts = {account.id: account for account in accounts}
        self._redraw_all()

    def show_posts(self, posts: Sequence[Post]) -> None:
        self.beginResetModel()
        self.posts = list(posts)
        self.endResetModel()

    def account(self, post: Post) -> str:
        account = self._accounts.get(post.account_id)
        return account.label if account else ""

    def row_of(self, post_id: Id) -> int:
        """-1 where it is not among these."""
        return next((row for row, post in enumerate(self.posts) if post.id == post_id), -1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.posts)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self.posts):
            return None
        post = self.posts[index.row()]
        if role == POST_ROLE:
            return post
        if role == Qt.ItemDataRole.DisplayRole:
            return say.first_line(post.content.text)
        if role in {Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole}:
            at = f"{say.clock(post.due_at, self.zone)} · " if post.due_at else ""
            state = say.state(post.state).text
            return f"{at}{say.channel(post.channel)} · {self.account(post)} · {state}\n{post.content.text}"
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        if index.isValid() and self.posts[index.row()].state in MOVABLE:
            flags |= Qt.ItemFlag.ItemIsDragEnabled
        return flags

    def mimeTypes(self) -> list[str]:
        return [MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        data = QMimeData()
        if indexes:
            data.setData(MIME, self.posts[indexes[0].row()].id.encode())
        return data

    def _redraw_all(self) -> None:
        if self.posts:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.posts) - 1, 0))


class WeekModel(PostList):
    """The posts of the week that begins on `monday`, in the zone times are shown in."""

    def __init__(self, monday: date, zone: str) -> None:
        super().__init__()
        self.monday = monday
        self.zone = zone
        self.places: list[Place] = []

    def bounds(self) -> tuple[datetime, datetime]:
        """The week's first instant and the next week's, aware."""
        wall = load_zone(self.zone)
        first = datetime.combine(self.monday, datetime.min.time(), wall)
        return first, datetime.combine(self.monday + timedelta(days=DAYS), datetime.min.time(), wall)

    def show_posts(self, posts: Sequence[Post]) -> None:
        """Place the posts that have a time; canceled ones are left out."""
        shown = [post for post in posts if post.due_at is not None and post.state is not PostState.CANCELED]
        shown.sort(key=lambda post: (post.due_at or datetime.max, post.id))
        times = [self.local(post) for post in shown]
        self.beginResetModel()
        self.posts = shown
        self.places = places(times, self.monday)
        self.endResetModel()

    def local(self, post: Post) -> datetime:
        """The post's time on the wall clock of the shown zone, naive."""
        assert post.due_at is not None
        return post.due_at.astimezone(load_zone(self.zone)).replace(tzinfo=None)
