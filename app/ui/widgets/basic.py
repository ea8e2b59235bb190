"""Labels, buttons, pills, cards and fields, each with its role in the style sheet and a name for screen readers."""

from __future__ import annotations

from html import escape
from typing import TypeVar

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.ui import icons, theme

GAP = theme.GRID
Box = TypeVar("Box", bound=QBoxLayout)


def restyle(widget: QWidget, **properties: object) -> None:
    """Set dynamic properties and let the style sheet look again."""
    for name, value in properties.items():
        widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def label(text: str = "", role: str = "", *, wrap: bool = False) -> QLabel:
    """A plain-text label of a role; texts of creators, models and platforms are never read as HTML."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        made.setProperty("role", role)
    made.setWordWrap(wrap)
    return made


class Body(QLabel):
    """Wrapped running text with the line height of the design."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.say(text)

    def say(self, text: str) -> None:
        lines = "<br>".join(escape(text).split("\n"))
        style = f"line-height:{theme.LINE}px; -qt-line-height-type:minimum; margin:0"  # Qt's % is of the font's own
        self.setText(f'<p style="{style}">{lines}</p>')
        self.setAccessibleName(text)


class Elided(QLabel):
    """One line that ends in … where it does not fit; the whole stands in its tooltip."""

    def __init__(self, role: str = "") -> None:
        super().__init__()
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str) -> None:
        self._whole = text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))


class Icon(QLabel):
    """An icon that follows the theme."""

    def __init__(self, name: str, color: str = "muted", size: int = 16) -> None:
        super().__init__()
        self._name, self._color, self._size = name, color, size
        self.setFixedSize(size, size)
        self._draw()

    def show_icon(self, name: str, color: str) -> None:
        self._name, self._color = name, color
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()
        super().changeEvent(event)

    def _draw(self) -> None:
        self.setPixmap(icons.pixmap(self._name, getattr(theme.tokens(), self._color), self._size))


class Button(QPushButton):
    """A button of a kind (primary, quiet, danger, chip, nav, segment…) whose icon follows theme and state."""

    def __init__(self, text: str = "", kind: str = "", *, icon: str = "", name: str = "", size: int = 16) -> None:
        super().__init__()
        self._icon, self._kind = icon, kind
        self.setText(text)
        if kind:
            self.setProperty("kind", kind)
        if icon and not text:
            self.setProperty("square", True)
        self.setAccessibleName(name or text)
        if name and not text:
            self.setToolTip(name)
        self.setIconSize(QSize(size, size))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.toggled.connect(self._draw)
        self._draw()

    def setText(self, text: str) -> None:
        super().setText(f" {text}" if text and self._icon else text)  # Qt's own gap after an icon is too narrow

    def set_icon(self, icon: str) -> None:
        self._icon = icon
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.EnabledChange}:
            self._draw()
        super().changeEvent(event)

    def _draw(self) -> None:
        if not self._icon:
            return
        colors = theme.tokens()
        color = {"primary": colors.on_accent, "danger": colors.danger}.get(self._kind, colors.muted)
        if self.isCheckable() and self.isChecked():
            color = colors.text if self._kind == "segment" else colors.accent_text
        self.setIcon(icons.icon(self._icon, color, self.iconSize().width(), disabled=colors.disabled))


class Pill(QLabel):
    """A state in a word."""

    def __init__(self, text: str = "", tone: str = "neutral") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", "pill")
        self.setProperty("tone", tone)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def say(self, text: str, tone: str) -> None:
        self.setText(text)
        restyle(self, tone=tone)


class Card(QFrame):
    """A surface with a border. A clickable one is a control: it has focus, Enter and a name."""

    clicked = Signal()

    def __init__(self, *, clickable: bool = False, role: str = "card", padding: int = 2 * GAP) -> None:
        super().__init__()
        self._clickable = clickable
        self.setProperty("role", role)
        self.setProperty("clickable", clickable)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(padding, padding, padding, padding)
        self.body.setSpacing(GAP)
        if clickable:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self.setCursor(Qt.CursorShape.PointingHandCursor)

    def select(self, selected: bool) -> None:
        restyle(self, selected=selected)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        inside = self.rect().contains(event.position().toPoint())
        if self._clickable and event.button() == Qt.MouseButton.LeftButton and inside:
            self.clicked.emit()
        super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._clickable and event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space}:
            self.clicked.emit()
            return
        super().keyPressEvent(event)


def inset(spin: QAbstractSpinBox) -> None:
    """Begin the text where other fields begin theirs: style sheets do not reach into a spin box."""
    spin.lineEdit().setTextMargins(GAP - 2, 0, 0, 0)


def field(text: str, control: QWidget, hint: str = "") -> QVBoxLayout:
    """A control under its label, which is also its accessible name."""
    box = column(spacing=GAP // 2)
    caption = label(text, "label")
    caption.setBuddy(control)
    control.setAccessibleName(text)
    box.addWidget(caption)
    box.addWidget(control)
    if hint:
        control.setAccessibleDescription(hint)
        box.addWidget(label(hint, "small", wrap=True))
    return box


def line(*, vertical: bool = False) -> QFrame:
    made = QFrame()
    made.setProperty("role", "line")
    if vertical:
        made.setFixedWidth(1)
    else:
        made.setFixedHeight(1)
    return made


def row(*items: QWidget | QLayout | None, spacing: int = GAP) -> QHBoxLayout:
    """Side by side; None is a stretch."""
    return _fill(QHBoxLayout(), items, spacing)


def column(*items: QWidget | QLayout | None, spacing: int = GAP) -> QVBoxLayout:
    """One below the other; None is a stretch."""
    return _fill(QVBoxLayout(), items, spacing)


def _fill(box: Box, items: tuple[QWidget | QLayout | None, ...], spacing: int) -> Box:
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(spacing)
    for item in items:
        if item is None:
            box.addStretch(1)
        elif isinstance(item, QWidget):
            box.addWidget(item)
        else:
            box.addLayout(item)
    return box


def clear(layout: QLayout) -> None:
    """Take everything out of a layout and delete it."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
        elif (inner := item.layout()) is not None:
            clear(inner)


def scrolled(content: QWidget) -> QScrollArea:
    """`content` in a frameless area that scrolls up and down only."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    content.setProperty("role", "scrolled")
    area.setWidget(content)
    return area
