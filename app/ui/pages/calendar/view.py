"""The week as a grid of hours. Cards are dragged or moved with Alt and arrows.

Up and down is a quarter of an hour, sideways a day.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QMimeData,
    QModelIndex,
    QPoint,
    QRect,
    QRectF,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QColor,
    QDrag,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QRegion,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView

from app.core.clock import Clock, load_zone
from app.core.ids import Id
from app.ui import say, theme
from app.ui.pages.calendar.cards import paint_card
from app.ui.pages.calendar.grid import HEADER, HOUR, SNAP, Grid, paint_days, paint_ghost, paint_hours, paint_now
from app.ui.pages.calendar.model import MIME, MOVABLE, Index, WeekModel

_FIRST_HOUR = 7  # shown at the top at first
_MINUTE = 60_000  # ms
_STEPS = {
    Qt.Key.Key_Up: timedelta(minutes=-SNAP),
    Qt.Key.Key_Down: timedelta(minutes=SNAP),
    Qt.Key.Key_Left: timedelta(days=-1),
    Qt.Key.Key_Right: timedelta(days=1),
}


class WeekView(QAbstractItemView):
    moved = Signal(str, object)  # post id, naive wall-clock datetime
    opened = Signal(str)
    canceled = Signal(str)

    def __init__(self, model: WeekModel, clock: Clock) -> None:
        super().__init__()
        self._week = model
        self._clock = clock
        self._ghost: datetime | None = None
        self.setModel(model)
        self.setAccessibleName(self.tr("Week"))
        self.setAccessibleDescription(
            self.tr("Arrows choose a post, Alt and arrows move it, Enter opens it, Delete takes it off the calendar.")
        )
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setDragEnabled(True)
        self.setAcceptDrops(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setMouseTracking(True)
        self._timer = QTimer(self, interval=_MINUTE)
        self._timer.timeout.connect(self.viewport().update)
        self._timer.start()
        self.activated.connect(self._open)
        model.modelReset.connect(self.viewport().update)
        self._scrolled = False

    # ---- geometry --------------------------------------------------------------------------------

    def _grid(self) -> Grid:
        port = self.viewport()
        return Grid(self._week.monday, port.width(), port.height(), self.verticalOffset())

    def visualRect(self, index: Index) -> QRect:
        if not index.isValid() or index.row() >= len(self._week.places):
            return QRect()
        return self._grid().card(self._week.places[index.row()]).toRect()

    def indexAt(self, point: QPoint) -> QModelIndex:
        if point.y() < HEADER:
            return QModelIndex()
        for row in reversed(range(len(self._week.posts))):
            index = self._week.index(row, 0)
            if self.visualRect(index).contains(point):
                return index
        return QModelIndex()

    def time_at(self, point: QPoint) -> datetime:
        """The wall-clock time under a point, on the quarter hour."""
        return self._grid().time_at(point)

    def scrollTo(self, index: Index, _hint: object = None) -> None:
        rect = self.visualRect(index)
        bar = self.verticalScrollBar()
        if rect.top() < HEADER:
            bar.setValue(bar.value() + rect.top() - HEADER - HOUR // 2)
        elif rect.bottom() > self.viewport().height():
            bar.setValue(bar.value() + rect.bottom() - self.viewport().height() + HOUR // 2)

    def horizontalOffset(self) -> int:
        return 0

    def verticalOffset(self) -> int:
        return self.verticalScrollBar().value()

    def isIndexHidden(self, _index: Index) -> bool:
        return False

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        index = self.indexAt(rect.center())
        self.selectionModel().select(QItemSelection(index, index), command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        region = QRegion()
        for index in selection.indexes():
            region += QRegion(self.visualRect(index))
        return region

    def updateGeometries(self) -> None:
        super().updateGeometries()
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, HEADER + 24 * HOUR + 8 - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(HOUR // 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.updateGeometries()
        if not self._scrolled:
            self._scrolled = True
            self.verticalScrollBar().setValue(_FIRST_HOUR * HOUR - HOUR // 4)

    # ---- keyboard --------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, index = Qt.Key(event.key()), self.currentIndex()
        if event.modifiers() & Qt.KeyboardModifier.AltModifier and key in _STEPS and index.isValid():
            post = self._week.posts[index.row()]
            self._move(post.id, self._week.local(post) + _STEPS[key])
        elif key == Qt.Key.Key_Delete and index.isValid():
            self.canceled.emit(self._week.posts[index.row()].id)
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and index.isValid():
            self._open(index)
        else:
            super().keyPressEvent(event)

    def moveCursor(self, action: QAbstractItemView.CursorAction, _modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Up and down through the week in order of time, sideways to the nearest post of another day."""
        count = len(self._week.posts)
        if not count:
            return QModelIndex()
        current = self.currentIndex().row() if self.currentIndex().isValid() else -1
        actions = QAbstractItemView.CursorAction
        if action in {actions.MoveHome, actions.MoveEnd}:
            return self._week.index(0 if action == actions.MoveHome else count - 1, 0)
        if current < 0:
            return self._week.index(0, 0)
        if action in {actions.MoveLeft, actions.MoveRight}:
            return self._week.index(self._beside(current, -1 if action == actions.MoveLeft else 1), 0)
        step = -1 if action in {actions.MoveUp, actions.MovePrevious, actions.MovePageUp} else 1
        return self._week.index(max(0, min(count - 1, current + step)), 0)

    def _beside(self, current: int, step: int) -> int:
        here = self._week.places[current]
        days = [place.day for place in self._week.places if (place.day - here.day) * step > 0]
        if not days:
            return current
        day = min(days, key=lambda other: abs(other - here.day))
        rows = [row for row, place in enumerate(self._week.places) if place.day == day]
        return min(rows, key=lambda row: abs(self._week.places[row].minute - here.minute))

    @Slot(QModelIndex)
    def _open(self, index: QModelIndex) -> None:
        if index.isValid():
            self.opened.emit(self._week.posts[index.row()].id)

    # ---- dragging --------------------------------------------------------------------------------

    def startDrag(self, _actions: Qt.DropAction) -> None:
        index = self.currentIndex()
        if not index.isValid() or self._week.posts[index.row()].state not in MOVABLE:
            return
        rect = self.visualRect(index)
        picture = QPixmap(rect.size() * self.devicePixelRatioF())
        picture.setDevicePixelRatio(self.devicePixelRatioF())
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        self._paint_card(painter, index.row(), QRectF(0, 0, rect.width(), rect.height()))
        painter.end()
        drag = QDrag(self)
        drag.setMimeData(self._week.mimeData([index]))
        drag.setPixmap(picture)
        drag.setHotSpot(QPoint(rect.width() // 2, 4))
        drag.exec(Qt.DropAction.MoveAction)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasFormat(MIME):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        time = self.time_at(event.position().toPoint())
        if event.mimeData().hasFormat(MIME) and time > self._now():
            self._ghost = time
            event.acceptProposedAction()
        else:
            self._ghost = None
            event.ignore()
        self.viewport().update()

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self._ghost = None
        self.viewport().update()

    def dropEvent(self, event: QDropEvent) -> None:
        self._ghost = None
        self.viewport().update()
        if post_id := dragged(event.mimeData()):
            event.acceptProposedAction()
            self._move(post_id, self.time_at(event.position().toPoint()))

    def _move(self, post_id: Id, when: datetime) -> None:
        self.moved.emit(post_id, when)

    def _now(self) -> datetime:
        return self._clock().astimezone(load_zone(self._week.zone)).replace(tzinfo=None)

    # ---- painting --------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        grid, now = self._grid(), self._now()
        painter.fillRect(event.rect(), QColor(theme.tokens().surface))
        paint_hours(painter, grid, now, self.font())
        for row in range(len(self._week.posts)):
            rect = self.visualRect(self._week.index(row, 0))
            if rect.intersects(event.rect()):
                self._paint_card(painter, row, QRectF(rect))
        paint_now(painter, grid, now)
        if self._ghost is not None:
            paint_ghost(painter, grid, self._ghost)
        paint_days(painter, grid, now, self.font())

    def _paint_card(self, painter: QPainter, row: int, rect: QRectF) -> None:
        post = self._week.posts[row]
        assert post.due_at is not None
        selected = self.hasFocus() and self.currentIndex().row() == row
        paint_card(painter, rect, post, say.clock(post.due_at, self._week.zone), self.font(), selected=selected)


def dragged(data: QMimeData) -> Id:
    """The post a drag carries; "" for a foreign one."""
    return bytes(data.data(MIME).data()).decode("ascii", "replace") if data.hasFormat(MIME) else ""
