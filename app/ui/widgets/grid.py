"""Cards of equal width, as many side by side as fit."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from app.ui.widgets.basic import GAP


class CardGrid(QWidget):
    def __init__(self, card_width: int, most: int = 4) -> None:
        super().__init__()
        self._card_width, self._most = card_width, most
        self._cards: list[QWidget] = []
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2 * GAP)

    @property
    def cards(self) -> Sequence[QWidget]:
        return self._cards

    def add(self, card: QWidget) -> None:
        self._cards.append(card)
        self._arrange(force=True)

    def show_cards(self, cards: Sequence[QWidget]) -> None:
        """Replace all cards; the old ones are deleted."""
        for card in self._cards:
            card.hide()
            card.deleteLater()
        self._cards = list(cards)
        self._arrange(force=True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self, *, force: bool = False) -> None:
        columns = max(1, min(self.width() // self._card_width, self._most))
        if columns == self._columns and not force:
            return
        for place, card in enumerate(self._cards):
            self._grid.addWidget(card, place // columns, place % columns)
        for column in range(self._most):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        self._columns = columns
