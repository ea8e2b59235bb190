"""One SQLite database: a writer thread that groups commits, a few readers, and the PRAGMAs that make both safe.

Every function handed to `Store.write` runs inside a savepoint of one BEGIN IMMEDIATE transaction together with
whatever else is queued; its future resolves after that transaction is on disk (synchronous=FULL: an armed
attempt must survive a power cut).
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool
from sqlmodel import Session

from app.core.clock import Clock, utc_now
from app.core.errors import KnownError
from app.core.folder import DataFolder
from app.store.changes import ChangeFeed
from app.store.migrate import upgrade
from app.store.unit import Unit

T = TypeVar("T")
_GROUP = 64  # most functions of one transaction: bounds how long a reader of the newest state waits
_READERS = 2
_STOP = object()


class Store:
    """The database of one data folder. Open once per process; safe to call from any thread."""

    def __init__(self, folder: DataFolder, clock: Clock = utc_now) -> None:
        """Migrate where needed and open. Raises KnownError for a newer, locked, damaged or full database."""
        self.folder = folder.prepare()
        self.clock = clock
        self._lock = upgrade(folder, clock())
        self._writer = _engine(folder, writes=True)
        self._reader = _engine(folder, writes=False)
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-read")
        self._thread = threading.Thread(target=self._write_forever, name="store-write", daemon=True)
        self._thread.start()
        self.changes = ChangeFeed(folder.database)
        self._closed = False

    def write(self, work: Callable[[Unit], T]) -> Future[T]:
        """Run `work` in the writer thread. The future resolves once its changes are durable; an exception
        raised by `work` undoes its own changes and no one else's. `work` touches the database alone: it may
        run a second time when the transaction it shared had to be rolled back."""
        future: Future[T] = Future()
        self._queue.put(_Job(work, future))
        return future

    def read(self, work: Callable[[Unit], T]) -> Future[T]:
        """Run `work` over one consistent view of the database, in a reader thread. Writing there fails."""
        return self._readers.submit(self._read, work)

    def quick_check(self) -> str:
        """ "ok", or what SQLite finds wrong in the file (PRAGMA quick_check)."""
        with self._reader.connect() as connection:
            return str(connection.exec_driver_sql("PRAGMA quick_check").scalar())

    def close(self) -> None:
        """Finish what is queued, then let go of the files."""
        if self._closed:
            return
        self._closed = True
        self.changes.close()
        self._queue.put(_STOP)
        self._thread.join()
        self._readers.shutdown()
        self._writer.dispose()
        self._reader.dispose()
        self._lock.release()

    def _read(self, work: Callable[[Unit], T]) -> T:
        try:
            with Session(self._reader, expire_on_commit=False) as session:
                return work(Unit(session, self.clock(), self.folder.media))
        except DBAPIError as error:
            raise explain(error) from error

    def _write_forever(self) -> None:
        while True:
            group = [self._queue.get()]
            with suppress(queue.Empty):
                while group[-1] is not _STOP and len(group) < _GROUP:
                    group.append(self._queue.get_nowait())
            stopping = group[-1] is _STOP
            if jobs := [job for job in group if isinstance(job, _Job)]:
                self._write_group(jobs)
            if stopping:
                return

    def _write_group(self, jobs: list[_Job]) -> None:
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        try:
            outcomes = self._commit(jobs)
        except DBAPIError as error:
            # A full or failing disk rolls the whole transaction back. Each job alone, then: what fits is kept,
            # and only who does not fit is told.
            outcomes = [self._commit_alone(job) for job in jobs] if len(jobs) > 1 else [(None, explain(error))]
        for job, (result, problem) in zip(jobs, outcomes, strict=True):
            if problem is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(problem)
        self.changes.look()

    def _commit_alone(self, job: _Job) -> tuple[Any, BaseException | None]:
        try:
            return self._commit([job])[0]
        except DBAPIError as error:
            return None, explain(error)

    def _commit(self, jobs: list[_Job]) -> list[tuple[Any, BaseException | None]]:
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            return [self._write_one(session, job.work) for job in jobs]

    def _write_one(self, session: Session, work: Callable[[Unit], Any]) -> tuple[Any, BaseException | None]:
        unit = Unit(session, self.clock(), self.folder.media)
        try:
            with session.begin_nested():
                result = work(unit)
                unit.record_changes()
        except DBAPIError as error:
            if session.connection().connection.driver_connection.in_transaction:  # type: ignore[union-attr]
                return None, explain(error)
            raise  # SQLite rolled the whole transaction back
        except Exception as error:  # the caller's own: handed back through its future
            return None, error
        return result, None


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Unit], Any]
    future: Future[Any]


def _engine(folder: DataFolder, *, writes: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{folder.database}",
        connect_args={"check_same_thread": False, "timeout": 5.0, "isolation_level": None},
        poolclass=StaticPool if writes else QueuePool,
        **({} if writes else {"pool_size": _READERS, "max_overflow": 0}),
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise KnownError(
                f"The data folder {folder.root} is on a disk that cannot hold a shared database "
                "(no write-ahead log): nothing was changed; choose a local disk with --data-dir."
            )
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute(f"PRAGMA synchronous={'FULL' if writes else 'NORMAL'}")
        connection.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        # A deferred transaction that reads first and writes later is refused when another process wrote in
        # between; IMMEDIATE waits its turn instead (ecosystem.md, trap 5).
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def explain(error: DBAPIError) -> Exception:
    """Say what the creator can do about a database error; give ours back as they are."""
    sentences = {
        sqlite3.SQLITE_FULL: "The disk is full: what was saved before is safe, this change was not saved; "
        "free some space and try again.",
        sqlite3.SQLITE_BUSY: "The database is busy with another Quarry: this change was not saved; try again.",
        sqlite3.SQLITE_READONLY: "The data folder cannot be written: this change was not saved; "
        "check its permissions and try again.",
        sqlite3.SQLITE_IOERR: "The disk with the data folder failed: this change was not saved; "
        "check the disk, then restore a backup from the backups folder if needed.",
        sqlite3.SQLITE_CORRUPT: "The database is damaged: nothing more was written; "
        "close Quarry and restore the newest file of the backups folder.",
        sqlite3.SQLITE_NOTADB: "quarry.db is not a Quarry database: nothing was changed; "
        "choose another folder with --data-dir.",
    }
    # When SQLite rolled everything back by itself, leaving the savepoint fails too and hides the cause.
    cause: BaseException | None = error
    while cause is not None:
        if sentence := sentences.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF):
            return KnownError(sentence, detail=str(cause))
        cause = cause.__context__
    return error
