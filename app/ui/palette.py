"""Ctrl+K: every action by its words, over the window it acts on."""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Slot,
)
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.ui import theme
from app.ui.actions import Action, matching
from app.ui.icons import paint_icon
from app.ui.widgets.basic import GAP, Icon, line, row

_WIDTH, _HEIGHT, _ROW = 560, 400, 40
Index = QModelIndex | QPersistentModelIndex


class _Actions(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.actions: list[Action] = []

    def show(self, actions: list[Action]) -> None:
        self.beginResetModel()
        self.actions = actions
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.actions)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            return self.actions[index.row()].text
        if role == Qt.ItemDataRole.UserRole:
            return self.actions[index.row()]
        return None


class _Delegate(QStyledItemDelegate):
    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(0, _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        action: Action = index.data(Qt.ItemDataRole.UserRole)
        colors = theme.tokens()
        area = QRectF(option.rect).adjusted(GAP, 1, -GAP, -1)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.accent_soft))
            painter.drawRoundedRect(area, 6, 6)
        icon = QRectF(area.left() + 10, area.center().y() - 8, 16, 16)
        paint_icon(painter, icon, action.icon, colors.accent_text if chosen else colors.muted)
        painter.setPen(QColor(colors.accent_text if chosen else colors.text))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(area.adjusted(38, 0, -100, 0), middle, action.text)
        painter.setPen(QColor(colors.muted))
        painter.drawText(area.adjusted(0, 0, -12, 0), middle | Qt.AlignmentFlag.AlignRight, action.shortcut)
        painter.restore()


class CommandPalette(QWidget):
    """Covers its parent while it is open; Esc, a click beside it or an action closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._covered = parent
        self._all: list[Action] = []
        self._before: QWidget | None = None
        self._frame = QFrame(self)
        self._frame.setProperty("role", "popup")
        self._frame.setFixedSize(_WIDTH, _HEIGHT)
        self._field = QLineEdit(placeholderText=self.tr("Search actions"))
        self._field.setProperty("role", "palette")
        self._field.setAccessibleName(self.tr("Search actions"))
        self._model = _Actions()
        self._list = QListView()
        self._list.setModel(self._model)
        self._list.setItemDelegate(_Delegate(self._list))
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setAccessibleName(self.tr("Actions found"))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        box = QVBoxLayout(self._frame)
        box.setContentsMargins(1, 1, 1, GAP)
        box.setSpacing(0)
        top = row(Icon("search", "muted", 18), self._field)
        top.setContentsMargins(2 * GAP, GAP // 2, 2 * GAP, GAP // 2)
        box.addLayout(top)
        box.addWidget(line())
        box.addSpacing(GAP)
        box.addWidget(self._list)
        self._field.textChanged.connect(self._search)
        self._field.installEventFilter(self)
        self._list.clicked.connect(self._run_index)
        parent.installEventFilter(self)
        self.hide()

    def open(self, actions: list[Action]) -> None:
        self._all = actions
        self._before = self.window().focusWidget()
        self._field.clear()
        self._search("")
        self.setGeometry(self._covered.rect())
        self.show()
        self.raise_()
        self._field.setFocus()

    def close_palette(self) -> None:
        self.hide()
        if self._before is not None:
            self._before.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._covered and event.type() == QEvent.Type.Resize:
            self.setGeometry(self._covered.rect())
        if watched is self._field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._key(Qt.Key(event.key()))
        return super().eventFilter(watched, event)

    def resizeEvent(self, _event: object) -> None:
        self._frame.move((self.width() - _WIDTH) // 2, max(GAP, self.height() // 8))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self._frame.geometry().contains(event.position().toPoint()):
            self.close_palette()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 90))

    def _key(self, key: Qt.Key) -> bool:
        if key == Qt.Key.Key_Escape:
            self.close_palette()
        elif key in {Qt.Key.Key_Down, Qt.Key.Key_Up}:
            step = 1 if key == Qt.Key.Key_Down else -1
            count = max(len(self._model.actions), 1)
            self._select((self._list.currentIndex().row() + step) % count)
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self._run_index(self._list.currentIndex())
        else:
            return False
        return True

    @Slot(str)
    def _search(self, typed: str) -> None:
        self._model.show(matching(self._all, typed))
        self._select(0)

    def _select(self, place: int) -> None:
        self._list.setCurrentIndex(self._model.index(place, 0))

    @Slot(QModelIndex)
    def _run_index(self, index: QModelIndex) -> None:
        if index.isValid():
            action: Action = index.data(Qt.ItemDataRole.UserRole)
            self.close_palette()
            action.run()
