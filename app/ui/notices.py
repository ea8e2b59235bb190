"""What pages tell the window to say: a toast that passes, a banner that stays until its cause is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from app.core.errors import KnownError


@dataclass(frozen=True, slots=True)
class Remedy:
    """The one button of a banner or toast."""

    text: str
    run: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that stays wrong until it is put right. A newer problem of the same key replaces the older."""

    key: str
    text: str
    remedy: Remedy | None = None
    tone: str = "warning"


class Notices(QObject):
    toast = Signal(str, object)  # text, Remedy or None
    problem = Signal(object)  # Problem
    solved = Signal(str)  # key
    drafting = Signal(str, float)  # model, tokens per second; ("", 0) = idle
    settings_changed = Signal()
    unexpected = Signal(object)  # an error that is ours

    def say(self, text: str, remedy: Remedy | None = None) -> None:
        self.toast.emit(text, remedy)

    def fail(self, error: BaseException) -> None:
        """Say a known error in its own sentence; an unexpected one goes into a report."""
        if isinstance(error, KnownError):
            self.problem.emit(Problem("command", error.message, tone="danger"))
        else:
            self.unexpected.emit(error)
