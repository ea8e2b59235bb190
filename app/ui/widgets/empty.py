"""The empty state: what this page is for, and the first step."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.ui.widgets.basic import GAP, Body, Button, Icon, label


class EmptyState(QWidget):
    def __init__(self, icon: str, title: str, text: str, *buttons: Button) -> None:
        super().__init__()
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * GAP, 5 * GAP, 3 * GAP, 5 * GAP)
        box.setSpacing(GAP)
        box.addStretch(1)
        center = Qt.AlignmentFlag.AlignHCenter
        box.addWidget(Icon(icon, "accent_text", 40), alignment=center)
        box.addSpacing(GAP)
        self.title = label(title, "heading", wrap=True)
        self.title.setAlignment(center)
        box.addWidget(self.title)
        self.text = Body(text)
        self.text.setProperty("role", "muted")
        self.text.setAlignment(center | Qt.AlignmentFlag.AlignTop)
        self.text.setFixedWidth(360)
        box.addWidget(self.text, alignment=center)
        box.addSpacing(GAP)
        for button in buttons:
            button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            box.addWidget(button, alignment=center)
        box.addStretch(2)
