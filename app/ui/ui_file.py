"""ui.json in the data folder: the window's place and theme as they were left (no QSettings)."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QMainWindow

from app.ui import theme

_log = logging.getLogger(__name__)


class UiFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def scheme(self) -> theme.Choice:
        """The theme of the last time, for the first paint; the settings decide soon after."""
        kept = self._read().get("theme")
        return "dark" if kept == "dark" else "light" if kept == "light" else "system"

    def restore(self, window: QMainWindow) -> None:
        """Put the window where it was; a damaged file leaves it where it is."""
        kept = self._read().get("geometry")
        if isinstance(kept, str):
            window.restoreGeometry(QByteArray.fromBase64(kept.encode("ascii", "replace")))

    def save(self, window: QMainWindow) -> None:
        geometry = bytes(window.saveGeometry().toBase64().data()).decode("ascii")
        scheme = "dark" if theme.current().dark else "light"
        try:
            self._path.write_text(json.dumps({"geometry": geometry, "theme": scheme}), encoding="utf-8")
        except OSError:
            _log.warning("the window's place could not be saved", exc_info=True)

    def _read(self) -> dict[str, object]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}
