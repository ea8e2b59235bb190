"""One set of outline icons (resources/icons, 24 × 24), drawn in whatever colour their place asks for."""

from __future__ import annotations

from functools import cache, lru_cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QGuiApplication, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

import resources

FOLDER = resources.ROOT / "icons"
_ANY_PLATFORM = "globe"


@cache
def _source(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text(encoding="utf-8")


def svg(name: str, color: str) -> str:
    """The icon's SVG in a colour (#RRGGBB). Raises OSError for an unknown name."""
    return _source(name).replace("currentColor", color)


def platform_icon(platform: str) -> str:
    """The icon name of a platform; a globe for one without an icon of its own."""
    name = f"platforms/{platform}"
    return name if (FOLDER / f"{name}.svg").exists() else _ANY_PLATFORM


@lru_cache(maxsize=512)
def _renderer(name: str, color: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(svg(name, color).encode()))


def paint_icon(painter: QPainter, rect: QRectF, name: str, color: str) -> None:
    """Draw an icon into `rect`."""
    _renderer(name, color).render(painter, rect)


@lru_cache(maxsize=512)
def _pixmap(name: str, color: str, size: int, ratio: float) -> QPixmap:
    pixmap = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    _renderer(name, color).render(painter, QRectF(0, 0, pixmap.width(), pixmap.height()))
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def pixmap(name: str, color: str, size: int = 16) -> QPixmap:
    """An icon of `size` logical pixels, sharp on the densest screen that is connected."""
    app = QGuiApplication.instance()
    ratio = app.devicePixelRatio() if isinstance(app, QGuiApplication) else 1.0
    return _pixmap(name, color, size, ratio)


def icon(name: str, color: str, size: int = 16, *, disabled: str = "") -> QIcon:
    made = QIcon(pixmap(name, color, size))
    if disabled:
        made.addPixmap(pixmap(name, disabled, size), QIcon.Mode.Disabled)
    return made
