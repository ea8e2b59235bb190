"""Bring a database to this version's schema: back it up first, refuse one from the future.

PRAGMA user_version holds the number of the schema, so that the usual start needs no Alembic at all.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from filelock import ReadWriteLock, Timeout

from app.core.errors import KnownError
from app.core.folder import DataFolder

SCHEMA = 1
"""Number of the newest file in migrations/versions."""

_KEPT_BACKUPS = 10


class FolderLock:
    """The shared hold every running Quarry has on its data folder; migrating needs the folder alone."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._lock = ReadWriteLock(str(folder.run / "folder.lock"), is_singleton=False)
        self._held = False
        self._take_shared()

    def _take_shared(self) -> None:
        try:
            self._lock.acquire_read(timeout=10)
        except Timeout as error:
            raise KnownError(
                "Another Quarry is bringing this data folder up to date: nothing was changed; try again in a minute."
            ) from error
        self._held = True

    def alone(self) -> None:
        """Exchange the shared hold for the only one. Raises KnownError while another Quarry is open."""
        self.release()
        try:
            self._lock.acquire_write(timeout=2)
        except Timeout as error:
            raise KnownError(
                "This version must bring the data folder up to date, and another Quarry is using it: "
                "nothing was changed; close the other Quarry first."
            ) from error
        self._held = True

    def share(self) -> None:
        """Go back to the shared hold."""
        self.release()
        self._take_shared()

    def release(self) -> None:
        if self._held:
            self._lock.release()
            self._held = False


def upgrade(folder: DataFolder, now: datetime) -> FolderLock:
    """Make or migrate the database and return the folder's shared lock.

    Raises KnownError for a newer schema, a foreign or damaged file, or a folder in use while a migration is due.
    """
    lock = FolderLock(folder)
    try:
        if _version(folder.database) != SCHEMA:
            lock.alone()
            found = _version(folder.database)  # again: another process may just have done it
            if found != SCHEMA:
                if found:
                    back_up(folder, now, label=f"schema-{found}")
                _migrate(folder.database)
            lock.share()
    except BaseException:
        lock.release()
        raise
    return lock


def _version(database: Path) -> int:
    """The schema number of the file; 0 where there is none. Raises KnownError where it is not ours to open."""
    if not database.exists():
        return 0
    try:
        _check_header(database)
        with closing(sqlite3.connect(database, timeout=5.0)) as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise KnownError(
            f"{database} is damaged or is not a Quarry database: nothing was changed; "
            "restore a file from the backups folder or choose another folder with --data-dir.",
            detail=str(error),
        ) from error
    if version > SCHEMA:
        raise KnownError(
            f"This data folder was last used by a newer Quarry (schema {version}, this one knows {SCHEMA}): "
            "nothing was changed; install the newer version or choose another folder with --data-dir."
        )
    return version


def _check_header(database: Path) -> None:
    """SQLite takes some short foreign files for empty databases and would write over them."""
    with database.open("rb") as file:
        start = file.read(16)
    if start and start != b"SQLite format 3\0":
        raise sqlite3.DatabaseError("file is not a database")


def back_up(folder: DataFolder, now: datetime, label: str) -> Path:
    """Copy the database, consistent even while others write, into the backups folder; keep the newest ten."""
    target = folder.backups / f"quarry-{now:%Y%m%d-%H%M%S}-{label}.db"
    partial = target.with_suffix(".part")
    try:
        with closing(sqlite3.connect(folder.database)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        partial.replace(target)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise KnownError(
            "The backup that goes before an update could not be written: nothing was changed; "
            "free some disk space and start Quarry again.",
            detail=str(error),
        ) from error
    for old in sorted(folder.backups.glob("quarry-*.db"))[:-_KEPT_BACKUPS]:
        old.unlink(missing_ok=True)
    return target


def _migrate(database: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, pool

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{database}", poolclass=pool.NullPool)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA}")
        connection.commit()
    engine.dispose()
