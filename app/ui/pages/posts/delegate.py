"""Cells of the posts table: the state as a pill, the channel with its icon, muted times."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.core.words import Post
from app.ui import icons, say, theme
from app.ui.pages.posts.model import CHANNEL, POST_ROLE, STATE, TEXT, Index

_PAD, _ICON = 12, 14


class PostDelegate(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        colors = theme.tokens()
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        post: Post | None = index.data(POST_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, QColor(colors.accent_soft))
        painter.setPen(QColor(colors.border))
        painter.drawLine(rect.bottomLeft(), rect.bottomRight())
        if post is not None:
            area = QRectF(rect).adjusted(_PAD, 0, -_PAD, 0)
            text = str(index.data())
            if index.column() == STATE:
                self._paint_state(painter, area, post)
            else:
                if index.column() == CHANNEL:
                    icon = QRectF(area.left(), area.center().y() - _ICON / 2, _ICON, _ICON)
                    icons.paint_icon(painter, icon, icons.platform_icon(post.channel.platform), colors.muted)
                    area.adjust(_ICON + 8, 0, 0, 0)
                painter.setPen(QColor(colors.text if index.column() == TEXT else colors.muted))
                elided = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
                painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, elided)
        painter.restore()

    @staticmethod
    def _paint_state(painter: QPainter, area: QRectF, post: Post) -> None:
        colors, look = theme.tokens(), say.state(post.state)
        tone, soft = getattr(colors, look.tone), getattr(colors, f"{look.tone}_soft")
        font = QFont(painter.font())
        font.setPixelSize(theme.SMALL)
        font.setWeight(QFont.Weight.Medium)
        painter.setFont(font)
        width = painter.fontMetrics().horizontalAdvance(look.text) + _ICON + 22
        pill = QRectF(area.left(), area.center().y() - 11, width, 22)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(soft))
        painter.drawRoundedRect(pill, 11, 11)
        icons.paint_icon(painter, QRectF(pill.left() + 7, pill.center().y() - _ICON / 2, _ICON, _ICON), look.icon, tone)
        painter.setPen(QColor(tone))
        painter.drawText(pill.adjusted(_ICON + 12, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, look.text)
