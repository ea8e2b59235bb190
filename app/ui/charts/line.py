"""A line over days, in the window's colours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui import theme


class LineChart(QWidget):
    """Values over time; `setAccessibleDescription` holds its text alternative."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import pyqtgraph as pg

        self._axis = pg.DateAxisItem()
        self._plot = pg.PlotWidget(axisItems={"bottom": self._axis})
        self._plot.setAccessibleName(name)
        self._plot.setMenuEnabled(False)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.hideButtons()
        self._plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._plot.getAxis("left").setWidth(48)
        self._curve = self._plot.plot([], [], antialias=True)
        self._pg = pg
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self._plot)
        theme.current().changed.connect(self._color)
        self._color()

    def show_points(self, points: Sequence[tuple[datetime, float]], described: str) -> None:
        """Points in ascending time; `described` is what a reader who cannot see the line gets."""
        self._curve.setData([time.timestamp() for time, _ in points], [value for _, value in points])
        highest = max((value for _, value in points), default=0)
        self._plot.setYRange(0, max(highest * 1.1, 1), padding=0)
        self._plot.setAccessibleDescription(described)

    def _color(self) -> None:
        colors = theme.tokens()
        self._plot.setBackground(QColor(colors.surface))
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(self._pg.mkPen(colors.border))
            axis.setTextPen(self._pg.mkPen(colors.muted))
            axis.setStyle(tickLength=0)
        self._plot.showGrid(x=False, y=True, alpha=0.15)
        self._curve.setPen(self._pg.mkPen(colors.accent, width=2))
        fill = QColor(colors.accent)
        fill.setAlpha(36)
        self._curve.setFillLevel(0)
        self._curve.setBrush(fill)
