"""One tab a channel, and below it that channel's variants or the draft that was picked."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from app.core.words import Channel
from app.ui import icons, say, theme
from app.ui.pages.compose.variants import VariantBoard
from app.ui.widgets.basic import GAP


class Boards(QWidget):
    picked = Signal(str)  # draft id
    chosen = Signal()  # a channel's tab: its variants are shown

    def __init__(self, editor: QWidget) -> None:
        super().__init__()
        self._boards: dict[Channel, VariantBoard] = {}
        self._tabs = QTabBar(drawBase=False, expanding=False)
        self._tabs.setAccessibleName(self.tr("Channels of this brief"))
        self._stack = QStackedWidget()
        self._middle = QStackedWidget()
        self._middle.addWidget(self._stack)
        self._middle.addWidget(editor)
        tabs = QHBoxLayout()
        tabs.setContentsMargins(3 * GAP, 0, 3 * GAP, 0)
        tabs.addWidget(self._tabs)
        tabs.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(tabs)
        box.addWidget(self._middle, 1)
        self._tabs.currentChanged.connect(self._choose)
        self._tabs.tabBarClicked.connect(self._choose)  # the chosen tab again: back from the editor
        theme.current().changed.connect(self._color_tabs)

    @property
    def all(self) -> Mapping[Channel, VariantBoard]:
        return self._boards

    @property
    def editing(self) -> bool:
        """Whether the editor is shown instead of the variants."""
        return self._middle.currentIndex() == 1

    def board(self, channel: Channel) -> VariantBoard:
        """The channel's board, made with its tab at the first call."""
        if channel not in self._boards:
            board = VariantBoard(channel)
            board.picked.connect(self.picked)
            self._boards[channel] = board
            self._stack.addWidget(board)
            self._tabs.addTab(say.channel(channel))
            self._color_tabs()
        return self._boards[channel]

    def show_first(self) -> None:
        self._tabs.setCurrentIndex(0)
        self._choose(0)

    def show_editor(self, editing: bool) -> None:
        self._middle.setCurrentIndex(1 if editing else 0)

    def forget(self) -> None:
        """No brief, no boards."""
        for board in self._boards.values():
            self._stack.removeWidget(board)
            board.deleteLater()
        self._boards.clear()
        while self._tabs.count():
            self._tabs.removeTab(0)

    @Slot(int)
    def _choose(self, place: int) -> None:
        boards = list(self._boards.values())
        if 0 <= place < len(boards):
            self._stack.setCurrentWidget(boards[place])
            self.chosen.emit()

    @Slot()
    def _color_tabs(self) -> None:
        for place, channel in enumerate(self._boards):
            picture = icons.icon(icons.platform_icon(channel.platform), theme.tokens().muted)
            self._tabs.setTabIcon(place, picture)
