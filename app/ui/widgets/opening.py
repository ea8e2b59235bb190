"""What stands in the window while the data folder opens, and what it says when it does not."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.ui.widgets.basic import GAP, Body, Button, Icon, label


class Opening(QWidget):
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "page")
        center = Qt.AlignmentFlag.AlignHCenter
        self._icon = Icon("quarry", "accent_text", 48)
        self._title = label("Quarry", "title")
        self._text = Body(self.tr("Opening your data…"))
        self._text.setProperty("role", "muted")
        self._text.setAlignment(center | Qt.AlignmentFlag.AlignTop)
        self._text.setFixedWidth(420)
        self._quit = Button(self.tr("Quit"))
        self._quit.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._quit.clicked.connect(self.closed)
        self._quit.hide()
        box = QVBoxLayout(self)
        box.setSpacing(GAP)
        box.addStretch(2)
        for widget in (self._icon, self._title, self._text, self._quit):
            box.addWidget(widget, alignment=center)
        box.addStretch(3)

    def fail(self, text: str) -> None:
        """It does not open: say why, offer the way out."""
        self._icon.show_icon("alert", "danger")
        self._title.setText(self.tr("Quarry cannot open this data folder"))
        self._text.say(text)
        self._quit.show()
        self._quit.setFocus()
