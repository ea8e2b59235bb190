"""A post as a card: platform, time, state by colour and icon, the beginning of its text."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.core.words import Post
from app.ui import icons, say, theme
from app.ui.pages.calendar.model import POST_ROLE, Index

_ICON = 14
_TRAY_ROW = 68


def paint_card(painter: QPainter, rect: QRectF, post: Post, time: str, font: QFont, *, selected: bool) -> None:
    """Draw a post into `rect`; the text takes as many lines as there is room for."""
    colors = theme.tokens()
    look = say.state(post.state)
    tone, soft = getattr(colors, look.tone), getattr(colors, f"{look.tone}_soft")
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colors.focus), 2) if selected else Qt.PenStyle.NoPen)
    painter.setBrush(QColor(soft))
    painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 6, 6)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(tone))
    painter.drawRoundedRect(QRectF(rect.left() + 1, rect.top() + 1, 3, rect.height() - 2), 1.5, 1.5)
    inner = rect.adjusted(10, 5, -6, -4)
    platform = icons.platform_icon(post.channel.platform)
    icons.paint_icon(painter, QRectF(inner.left(), inner.top(), _ICON, _ICON), platform, tone)
    icons.paint_icon(painter, QRectF(inner.right() - _ICON, inner.top(), _ICON, _ICON), look.icon, tone)
    small = QFont(font)
    small.setPixelSize(theme.SMALL - 1)
    small.setWeight(QFont.Weight.DemiBold)
    painter.setFont(small)
    painter.setPen(QColor(tone))
    head = QRectF(inner.left() + _ICON + 4, inner.top() - 1, inner.width() - 2 * _ICON - 8, 16)
    painter.drawText(head, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, time)
    small.setWeight(QFont.Weight.Normal)
    painter.setFont(small)
    painter.setPen(QColor(colors.text))
    _paint_text(painter, inner.adjusted(0, 18, 0, 0), say.first_line(post.content.text), QFontMetrics(small))
    painter.restore()


def _paint_text(painter: QPainter, area: QRectF, text: str, metrics: QFontMetrics) -> None:
    """Whole lines only; the last one ends in … where there is more."""
    height = metrics.lineSpacing()
    lines = max(1, int(area.height() / height))
    words, top = text.split(" "), area.top()
    for number in range(lines):
        if not words:
            return
        said = words.pop(0)
        while words and metrics.horizontalAdvance(f"{said} {words[0]}") <= area.width():
            said = f"{said} {words.pop(0)}"
        if number == lines - 1 and words:
            said = f"{said} {' '.join(words)}"
        elided = metrics.elidedText(said, Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(QRectF(area.left(), top, area.width(), height), Qt.AlignmentFlag.AlignLeft, elided)
        top += height


class TrayDelegate(QStyledItemDelegate):
    """Cards of the tray, where no post has a time."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(0, _TRAY_ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        post: Post = index.data(POST_ROLE)
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected and state & QStyle.StateFlag.State_HasFocus)
        font: QFont = option.font
        area = QRectF(rect).adjusted(0, 0, 0, -8)
        paint_card(painter, area, post, say.channel(post.channel), font, selected=selected)
