"""The rail: one button a page, icons alone where the window is narrow."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QVBoxLayout

from app.ui.pages import PAGES
from app.ui.widgets.basic import GAP, Button, Icon, label, row

WIDE, NARROW = 200, 60


class Rail(QFrame):
    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "rail")
        self.setAccessibleName(self.tr("Pages"))
        box = QVBoxLayout(self)
        box.setContentsMargins(GAP + 4, 2 * GAP, GAP + 4, 2 * GAP)
        box.setSpacing(GAP // 2)
        self._brand = label("Quarry", "brand")
        mark = row(Icon("quarry", "accent_text", 22), self._brand, None, spacing=GAP)
        mark.setContentsMargins(7, 0, 0, GAP)
        box.addLayout(mark)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, Button] = {}
        for number, entry in enumerate(PAGES, start=1):
            title = QCoreApplication.translate("Pages", entry.title)
            button = Button(title, "nav", icon=entry.icon, size=18)
            button.setCheckable(True)
            button.setToolTip(f"{title}  Ctrl+{number}")
            button.clicked.connect(lambda _checked, page=entry.id: self.chosen.emit(page))
            self._group.addButton(button)
            self._buttons[entry.id] = button
            box.addWidget(button)
        box.addStretch(1)
        self.narrow = False
        self.setFixedWidth(WIDE)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def select(self, page: str) -> None:
        self._buttons[page].setChecked(True)

    def set_narrow(self, narrow: bool) -> None:
        """Icons alone; the words stay as tooltips and accessible names."""
        if narrow == self.narrow:
            return
        self.narrow = narrow
        self._brand.setVisible(not narrow)
        for button in self._buttons.values():
            button.setText("" if narrow else button.accessibleName())
        self.setFixedWidth(NARROW if narrow else WIDE)
