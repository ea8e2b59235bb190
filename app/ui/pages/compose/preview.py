"""How the post will read: who says it, and every part in order."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Slot
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.core.words import Account, Channel
from app.ui import icons, say, theme
from app.ui.pages.compose.content import to_content
from app.ui.widgets.basic import GAP, Body, Card, Icon, clear, column, label, line, row, scrolled
from publishers.api import Content


class Avatar(QWidget):
    """A disc with an initial."""

    def __init__(self, size: int = 40) -> None:
        super().__init__()
        self._letter = "?"
        self.setFixedSize(size, size)

    def show_name(self, name: str) -> None:
        self._letter = name.lstrip("@")[:1].upper() or "?"
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.tokens().accent_soft))
        painter.drawEllipse(QRectF(self.rect()))
        font = QFont(self.font())
        font.setPixelSize(self.height() * 2 // 5)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(theme.tokens().accent_text))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._letter)


class Preview(QFrame):
    def __init__(self) -> None:
        super().__init__()
        self._channel: Channel | None = None
        self._platform_icon = Icon("globe", "muted", 16)
        self._platform = label("", "label")
        self._avatar = Avatar()
        self._name = label("", "strong")
        self._handle = label("", "small")
        self._card = Card()
        who = row(self._avatar, column(self._name, self._handle, spacing=0), None, spacing=GAP + 4)
        self._card.body.addLayout(who)
        self._card.body.addSpacing(GAP // 2)
        self._parts = QVBoxLayout()
        self._parts.setSpacing(GAP + 4)
        self._card.body.addLayout(self._parts)
        content = QWidget()
        whole = column(row(self._platform_icon, self._platform, None, spacing=6), self._card, None, spacing=GAP + 4)
        whole.setContentsMargins(2 * GAP, GAP + 6, 2 * GAP, 2 * GAP)
        content.setLayout(whole)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scrolled(content))

    def show_channel(self, channel: Channel) -> None:
        self._channel = channel
        self._platform_icon.show_icon(icons.platform_icon(channel.platform), "muted")
        self._platform.setText(self.tr("Preview on {channel}").format(channel=say.channel(channel)))

    @Slot(object)
    def show_account(self, account: Account | None) -> None:
        name = account.label if account else self.tr("Your account")
        self._name.setText(name)
        self._handle.setText((account.handle if account else "") or self.tr("not connected yet"))
        self._avatar.show_name(name)

    @Slot(str)
    def show_text(self, text: str) -> None:
        if self._channel is None:
            return
        content = to_content(text, self._channel, Content.plain(""))
        clear(self._parts)
        for number, part in enumerate(content.parts):
            if number:
                self._parts.addWidget(line())
            self._parts.addWidget(Body(part.text or "…"))
