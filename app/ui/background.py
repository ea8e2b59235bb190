"""The bridge between the services' threads and the window's: futures, listeners and changes arrive as queued signals.

Nothing here waits. A callback whose widget is gone is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeVar

import shiboken6
from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

if TYPE_CHECKING:
    from app.core.words import Change
    from app.store.changes import ChangeFeed

T = TypeVar("T")


class Background(QObject):
    """Delivers results to the window's thread. Make it in that thread."""

    _arrived = Signal(object)

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._on_error = on_error
        self._closed = False
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        owner: QObject,
        work: Future[T] | Callable[[], Future[T]],
        on_done: Callable[[T], object] = lambda _result: None,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> Future[T]:
        """Call `on_done` with the result in the window's thread, or `on_error` (else the window's own) with what
        went wrong; neither once `owner` is deleted. A canceled future calls neither.

        Work that checks what it is given before it gives a future is passed as a function: what it raises goes the
        same way."""
        future = work if isinstance(work, Future) else _begin(work)

        def ready(done: Future[T]) -> None:
            self._post(lambda: self._finish(owner, done, on_done, on_error or self._on_error))

        future.add_done_callback(ready)
        return future

    def listener(self, owner: QObject, callback: Callable[[Any], object]) -> Callable[[Any], None]:
        """A function any thread may call; `callback` gets the argument in the window's thread, in order."""

        def told(value: Any) -> None:
            self._post(lambda: callback(value) if shiboken6.isValid(owner) else None)

        return told

    def close(self) -> None:
        """Deliver nothing more."""
        self._closed = True

    def _post(self, work: Callable[[], object]) -> None:
        if not self._closed and shiboken6.isValid(self):
            self._arrived.emit(work)

    @Slot(object)
    def _deliver(self, work: Callable[[], object]) -> None:
        if not self._closed:
            work()

    @staticmethod
    def _finish(
        owner: QObject,
        done: Future[T],
        on_done: Callable[[T], object],
        on_error: Callable[[BaseException], object],
    ) -> None:
        if not shiboken6.isValid(owner):
            return
        try:
            result = done.result()
        except CancelledError:
            return
        except Exception as error:  # a service's own: the window says it
            on_error(error)
            return
        on_done(result)


def _begin(work: Callable[[], Future[T]]) -> Future[T]:
    try:
        return work()
    except Exception as error:  # a service's own: it goes where the future's would
        failed: Future[T] = Future()
        failed.set_exception(error)
        return failed


class ChangeBridge(QObject):
    """What any process committed, gathered by kind and told once per turn of the event loop."""

    changed = Signal(str, object)  # kind, frozenset of ids
    _noted = Signal(object)

    def __init__(self, feed: ChangeFeed) -> None:
        super().__init__()
        self._waiting: dict[str, set[str]] = {}
        self._closed = False
        self._noted.connect(self._note, Qt.ConnectionType.QueuedConnection)
        self._unsubscribe = feed.subscribe(self._noted.emit)

    def close(self) -> None:
        """Tell nothing more, not even what is on its way: the store may be closed by then."""
        self._closed = True
        self._unsubscribe()

    @Slot(object)
    def _note(self, change: Change) -> None:
        if not self._waiting:
            QTimer.singleShot(0, self, self._tell)
        self._waiting.setdefault(change.kind, set()).update(change.ids)

    @Slot()
    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, {}
        if self._closed:
            return
        for kind, ids in waiting.items():
            self.changed.emit(kind, frozenset(ids))
