"""A leaderboard with interval bars: how far each row's posts lie from the account's usual, and how sure that is."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from app.ranking.leaderboard import Leaderboard, Row, factor
from app.ui import theme
from app.ui.widgets.basic import GAP, Card, Elided, Icon, clear, label, row

_LEAST_SPAN = 0.7  # log scale; half to double


class IntervalBar(QWidget):
    """The 90 % interval as a bar around the usual (the line in the middle), with the estimate as a dot."""

    def __init__(self, entry: Row, span: float) -> None:
        super().__init__()
        self._entry, self._span = entry, span
        self.setMinimumWidth(90)
        self.setFixedHeight(20)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        said = self.tr("between {low} and {high} times the usual").format(
            low=f"{factor(entry.low):.2f}", high=f"{factor(entry.high):.2f}"
        )
        self.setToolTip(said)
        self.setAccessibleName(said)

    def paintEvent(self, _event: QPaintEvent) -> None:
        colors, entry = theme.tokens(), self._entry
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        painter.setPen(QPen(QColor(colors.border), 1))
        painter.drawLine(0, int(middle), self.width(), int(middle))
        painter.setPen(QPen(QColor(colors.border_strong), 1))
        painter.drawLine(int(self.width() / 2), 1, int(self.width() / 2), self.height() - 1)
        tone = "neutral" if not entry.enough else "success" if entry.low > 0 else "danger" if entry.high < 0 else "info"
        color, soft = QColor(getattr(colors, tone)), QColor(getattr(colors, f"{tone}_soft"))
        left, right = self._x(entry.low), self._x(entry.high)
        painter.setPen(QPen(color, 1))
        painter.setBrush(soft)
        painter.drawRoundedRect(QRectF(left, middle - 4, max(right - left, 4), 8), 4, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawEllipse(QRectF(self._x(entry.uplift) - 4, middle - 4, 8, 8))

    def _x(self, value: float) -> float:
        bounded = max(-self._span, min(self._span, value))
        return 5 + (self.width() - 10) * (bounded / self._span + 1) / 2


class Board(Card):
    def __init__(self, title: str, icon: str) -> None:
        super().__init__()
        self._note = label("", "small", wrap=True)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(2 * GAP)
        self._grid.setVerticalSpacing(GAP)
        self._grid.setColumnStretch(0, 3)
        self._grid.setColumnStretch(1, 2)
        self.body.addLayout(row(Icon(icon), label(title, "heading"), None))
        self.body.addWidget(self._note)
        self.body.addLayout(self._grid)
        self.body.addStretch(1)

    def show_board(self, board: Leaderboard) -> None:
        clear(self._grid)
        self._note.setText(board.note)
        rows = [entry for entry in board.rows if entry.n or entry.waiting]
        if not rows:
            return
        span = max([_LEAST_SPAN, *(abs(edge) for entry in rows if entry.enough for edge in (entry.low, entry.high))])
        titles = (self.tr("Name"), self.tr("Against the usual"), self.tr("Effect"), self.tr("Posts"))
        for column, title in enumerate(titles):
            self._grid.addWidget(label(title, "label"), 0, column)
        for place, entry in enumerate(rows, start=1):
            name = Elided("strong" if entry.key == board.best else "")
            name.say(entry.label)
            self._grid.addWidget(name, place, 0)
            if entry.enough:
                self._grid.addWidget(IntervalBar(entry, span), place, 1)
                effect = label(f"× {entry.factor:.2f}", "strong")
                effect.setToolTip(entry.verdict)
                self._grid.addWidget(effect, place, 2)
            else:
                self._grid.addWidget(label(self.tr("not enough data yet"), "small"), place, 1, 1, 2)
            counted = label(str(entry.n), "muted")
            counted.setToolTip(self.tr("{n} more cannot be compared yet").format(n=entry.waiting))
            self._grid.addWidget(counted, place, 3)
