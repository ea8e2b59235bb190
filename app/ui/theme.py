"""Colours, measures and the style sheet of the window: Fusion, an own palette and one QSS built from tokens.

`setColorScheme(Dark)` does nothing on platforms without a theme of their own, so light and dark are ours.
"""

from __future__ import annotations

import atexit
import json
import tempfile
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from string import Template
from typing import Literal, cast

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

import resources
from app.ui.icons import svg

THEMES = resources.ROOT / "themes"
GRID = 8  # pixels; every gap is a multiple of half of it
RADIUS = 8
BASE = 13  # pixels of ordinary text
SMALL = 12
LINE = 19  # pixels from line to line, 1.45 of BASE

Choice = Literal["system", "light", "dark"]
_QSS_ICONS = ("chevron-down", "chevron-up", "check")
_PROPERTY = "quarry.theme"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Colours by meaning, as #RRGGBB. `x_soft` is the quiet background under text of colour `x`."""

    rail: str
    page: str
    surface: str
    sunken: str
    border: str
    border_strong: str
    hover: str
    text: str
    muted: str
    disabled: str
    accent: str
    accent_hover: str
    accent_press: str
    on_accent: str
    accent_text: str
    accent_soft: str
    info: str
    info_soft: str
    success: str
    success_soft: str
    warning: str
    warning_soft: str
    danger: str
    danger_soft: str
    neutral: str
    neutral_soft: str
    focus: str

    def color(self, name: str) -> QColor:
        return QColor(getattr(self, name))


@cache
def load_tokens(name: Literal["light", "dark"]) -> Tokens:
    """Raises OSError or TypeError where resources/themes is damaged."""
    return Tokens(**json.loads((THEMES / f"{name}.json").read_text(encoding="utf-8")))


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    brighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class Theme(QObject):
    """The look of the running application; it belongs to it, as style sheet and palette do."""

    changed = Signal()

    def __init__(self, app: QApplication, choice: Choice = "system") -> None:
        super().__init__(app)
        self._app = app
        self._choice = choice
        self._icons = tempfile.TemporaryDirectory(prefix="quarry-theme-")
        self.tokens = load_tokens("light")
        app.setProperty(_PROPERTY, self)
        app.setStyle("Fusion")
        app.styleHints().colorSchemeChanged.connect(self._system_changed)
        atexit.register(self._icons.cleanup)
        _set_font(app)
        self.choose(choice)

    @property
    def dark(self) -> bool:
        if self._choice != "system":
            return self._choice == "dark"
        return self._app.styleHints().colorScheme() == Qt.ColorScheme.Dark

    @property
    def choice(self) -> Choice:
        """What was chosen: "system" follows the desktop."""
        return self._choice

    def choose(self, choice: Choice) -> None:
        """Take a theme and redraw everything in it."""
        self._choice = choice
        self.tokens = load_tokens("dark" if self.dark else "light")
        self._app.setPalette(_palette(self.tokens))
        self._app.setStyleSheet(self._style_sheet())
        self.changed.emit()

    @Slot()
    def _system_changed(self) -> None:
        if self._choice == "system":
            self.choose("system")

    def _style_sheet(self) -> str:
        colors = {field.name: getattr(self.tokens, field.name) for field in fields(Tokens)}
        folder = Path(self._icons.name)
        paths = {}
        for name in _QSS_ICONS:
            color = self.tokens.on_accent if name == "check" else self.tokens.muted
            path = folder / f"{name}-{color[1:]}.svg"
            path.write_text(svg(name, color), encoding="utf-8")
            paths["icon_" + name.replace("-", "_")] = path.as_posix()
        template = Template((THEMES / "quarry.qss").read_text(encoding="utf-8"))
        return template.substitute(colors, **paths, radius=f"{RADIUS}px", base=f"{BASE}px", small=f"{SMALL}px")


def put_on(app: QApplication, choice: Choice) -> Theme:
    """The application's theme: made at the first call, chosen again at later ones."""
    worn = app.property(_PROPERTY)
    if worn is None:
        return Theme(app, choice)
    worn.choose(choice)
    return cast("Theme", worn)


def current() -> Theme:
    """The theme of the running application. Raises LookupError before one was made."""
    app = QGuiApplication.instance()
    theme = app.property(_PROPERTY) if app else None
    if theme is None:
        raise LookupError("no theme was made for this application")
    return cast("Theme", theme)


def tokens() -> Tokens:
    """The colours to paint with now."""
    return current().tokens


def _set_font(app: QApplication) -> None:
    font = QFont(app.font())
    font.setPixelSize(BASE)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    app.setFont(font)


def _palette(tokens: Tokens) -> QPalette:
    roles = QPalette.ColorRole
    colors = {
        roles.Window: tokens.page,
        roles.WindowText: tokens.text,
        roles.Base: tokens.surface,
        roles.AlternateBase: tokens.sunken,
        roles.Text: tokens.text,
        roles.PlaceholderText: tokens.muted,
        roles.Button: tokens.surface,
        roles.ButtonText: tokens.text,
        roles.ToolTipBase: tokens.surface,
        roles.ToolTipText: tokens.text,
        roles.Highlight: tokens.accent,
        roles.HighlightedText: tokens.on_accent,
        roles.Link: tokens.accent_text,
        roles.LinkVisited: tokens.accent_text,
        roles.Light: tokens.surface,
        roles.Midlight: tokens.hover,
        roles.Mid: tokens.border_strong,
        roles.Dark: tokens.border_strong,
        roles.Accent: tokens.accent,
    }
    palette = QPalette()
    for role, color in colors.items():
        palette.setColor(role, QColor(color))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(tokens.disabled))
    return palette
