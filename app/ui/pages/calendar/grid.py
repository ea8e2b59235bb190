"""Where the hours of a week lie in a view, and how the grid is drawn around the cards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from app.ui import say, theme
from app.ui.pages.calendar.model import CARD_MINUTES, DAYS, Place

HOUR = 60  # pixels
GUTTER = 56  # hours, left
HEADER = 48  # days, on top
SNAP = 15  # minutes


@dataclass(frozen=True, slots=True)
class Grid:
    """A week in a view of this size, scrolled down by `offset` pixels."""

    monday: date
    width: int
    height: int
    offset: int

    @property
    def day_width(self) -> float:
        return (self.width - GUTTER) / DAYS

    def y(self, minute: float) -> float:
        """Of a minute of the day."""
        return HEADER + minute * HOUR / 60 - self.offset

    def card(self, place: Place) -> QRectF:
        width = (self.day_width - 4) / place.lanes
        left = GUTTER + place.day * self.day_width + 2 + place.lane * width
        return QRectF(left, self.y(place.minute), width - 1, CARD_MINUTES * HOUR / 60)

    def place_of(self, time: datetime) -> Place:
        """Of a wall-clock time of this week, alone on its day."""
        return Place((time.date() - self.monday).days, time.hour * 60 + time.minute)

    def time_at(self, point: QPoint) -> datetime:
        """The wall-clock time under a point, on the quarter hour."""
        day = int((point.x() - GUTTER) / self.day_width)
        minutes = (point.y() - HEADER + self.offset) * 60 / HOUR
        snapped = round(minutes / SNAP) * SNAP
        midnight = datetime.combine(self.monday, datetime.min.time())
        return midnight + timedelta(days=max(0, min(day, DAYS - 1)), minutes=max(0, min(snapped, 24 * 60 - SNAP)))


def paint_hours(painter: QPainter, grid: Grid, now: datetime, font: QFont) -> None:
    """The lines of hours and days, and today's shade."""
    colors = theme.tokens()
    today = grid.place_of(now).day
    if 0 <= today < DAYS:
        shade = QColor(colors.accent_soft)
        shade.setAlpha(70)
        painter.fillRect(QRectF(GUTTER + today * grid.day_width, 0, grid.day_width, grid.height), shade)
    small = QFont(font)
    small.setPixelSize(theme.SMALL - 1)
    painter.setFont(small)
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    for hour in range(1, 24):
        y = int(grid.y(hour * 60))
        if HEADER <= y <= grid.height:
            painter.setPen(QColor(colors.border))
            painter.drawLine(GUTTER, y, grid.width, y)
            painter.setPen(QColor(colors.muted))
            painter.drawText(QRect(0, y - 8, GUTTER - 8, 16), right, say.hour(hour))
    painter.setPen(QColor(colors.border))
    for day in range(DAYS):
        x = int(GUTTER + day * grid.day_width)
        painter.drawLine(x, 0, x, grid.height)


def paint_now(painter: QPainter, grid: Grid, now: datetime) -> None:
    place = grid.place_of(now)
    if not 0 <= place.day < DAYS:
        return
    y, left = grid.y(place.minute), GUTTER + place.day * grid.day_width
    color = QColor(theme.tokens().danger)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, 2))
    painter.drawLine(int(left), int(y), int(left + grid.day_width), int(y))
    painter.setBrush(color)
    painter.drawEllipse(QRectF(left - 3, y - 3, 6, 6))
    painter.restore()


def paint_ghost(painter: QPainter, grid: Grid, time: datetime) -> None:
    """Where a dragged post would land."""
    colors = theme.tokens()
    rect = grid.card(grid.place_of(time))
    painter.setPen(QPen(QColor(colors.accent), 2, Qt.PenStyle.DashLine))
    painter.setBrush(QColor(colors.accent_soft))
    painter.drawRoundedRect(rect, 6, 6)
    painter.setPen(QColor(colors.accent_text))
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, f"{time:%H:%M}")


def paint_days(painter: QPainter, grid: Grid, now: datetime, font: QFont) -> None:
    """The header; drawn last, over cards that scrolled under it."""
    colors = theme.tokens()
    painter.fillRect(0, 0, grid.width, HEADER, QColor(colors.surface))
    for day in range(DAYS):
        date = grid.monday + timedelta(days=day)
        today = date == now.date()
        weighted = QFont(font)
        weighted.setWeight(QFont.Weight.DemiBold if today else QFont.Weight.Medium)
        painter.setFont(weighted)
        painter.setPen(QColor(colors.accent_text if today else colors.text if date > now.date() else colors.muted))
        area = QRectF(GUTTER + day * grid.day_width, 0, grid.day_width, HEADER)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, say.weekday(date))
    painter.setPen(QColor(colors.border))
    painter.drawLine(0, HEADER - 1, grid.width, HEADER - 1)
