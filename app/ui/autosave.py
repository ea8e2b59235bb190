"""Saving what is typed at most two seconds after the first unsaved keystroke; further typing never puts it off."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot

DELAY = 2000  # ms


class Autosave(QObject):
    def __init__(self, parent: QObject, save: Callable[[], object], delay: int = DELAY) -> None:
        super().__init__(parent)
        self._save = save
        self._timer = QTimer(self, singleShot=True, interval=delay)
        self._timer.timeout.connect(self._due)

    @property
    def waiting(self) -> bool:
        return self._timer.isActive()

    @Slot()
    def touch(self) -> None:
        """Something was typed."""
        if not self._timer.isActive():
            self._timer.start()

    def flush(self) -> None:
        """Save now what waits."""
        if self._timer.isActive():
            self._timer.stop()
            self._save()

    @Slot()
    def _due(self) -> None:
        self._save()
