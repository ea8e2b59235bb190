"""Tell this process what any process committed: one look every 250 ms, one typed Change per kind."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from app.core.words import Change

_INTERVAL = 0.25
Listener = Callable[[Change], None]


class ChangeFeed:
    """Reads the `change` table whenever PRAGMA data_version says another connection committed.

    Listeners are called in the feed's own thread; a window forwards them to its own by queued signals.
    The thread starts with the first listener.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._listeners: list[Listener] = []
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` for every change from now on, until the returned function is called."""
        with self._lock:
            self._listeners.append(listener)
            if self._thread is None:
                ready = threading.Event()
                self._thread = threading.Thread(target=self._watch, args=(ready,), name="store-changes", daemon=True)
                self._thread.start()
                ready.wait()

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def look(self) -> None:
        """Look now instead of at the next tick: this process has just committed."""
        self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, ready: threading.Event) -> None:
        connection = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=5.0)
        try:
            seen = connection.execute("SELECT coalesce(max(seq), 0) FROM change").fetchone()[0]
            version = -1
            ready.set()
            while not self._closing:
                self._wake.wait(_INTERVAL)
                self._wake.clear()
                current = connection.execute("PRAGMA data_version").fetchone()[0]
                if current == version:
                    continue
                version = current
                rows = connection.execute(
                    "SELECT seq, kind, ids FROM change WHERE seq > ? ORDER BY seq", (seen,)
                ).fetchall()
                for seq, kind, ids in rows:
                    seen = seq
                    self._tell(Change(seq, kind, tuple(json.loads(ids))))
        finally:
            ready.set()
            connection.close()

    def _tell(self, change: Change) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(change)
