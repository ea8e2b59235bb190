"""What happens when we are wrong: a report in logs/, a banner, and the window goes on."""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from app.core.errors import KnownError
from app.core.report import write_report

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CrashGuard:
    """Hooks for errors nobody caught. `tell` gets a report's path, or None where none could be written; `known` gets
    those that are a sentence for the creator. Both are called in whichever thread the error rose."""

    logs: Path
    tell: Callable[[Path | None], object]
    known: Callable[[KnownError], object]
    _faults: IO[str] | None = field(default=None, init=False)
    _before: tuple[object, object] | None = field(default=None, init=False)

    def install(self) -> None:
        """Raises OSError where logs/ cannot be written."""
        self._faults = (self.logs / "faults.txt").open("w", encoding="utf-8")
        faulthandler.enable(self._faults)
        self._before = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._main
        threading.excepthook = self._thread

    def remove(self) -> None:
        if self._before is not None:
            sys.excepthook, threading.excepthook = self._before  # type: ignore[assignment]
            self._before = None
        if self._faults is not None:
            faulthandler.disable()
            self._faults.close()
            self._faults = None

    def report(self, error: BaseException) -> None:
        """Write the report and say so; a known error needs none."""
        if isinstance(error, KnownError):
            self.known(error)
            return
        _log.error("unexpected error", exc_info=error)
        try:
            path = write_report(self.logs, error)
        except OSError:
            _log.exception("no crash report could be written")
            self.tell(None)
            return
        self.tell(path)

    def _main(self, _kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            sys.__excepthook__(type(error), error, error.__traceback__)
            return
        self.report(error)

    def _thread(self, failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None:
            self.report(failed.exc_value)
