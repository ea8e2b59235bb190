from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import KnownError
from app.core.folder import DataFolder
from app.core.words import Change
from app.store import migrate
from app.store.database import Store
from tests.app.samples import account, brief, draft


def pragma(name: str):
    return lambda unit: unit.session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()


def test_writer_waits_for_the_disk_and_readers_cannot_write(store: Store) -> None:
    assert store.write(pragma("synchronous")).result() == 2  # FULL
    assert store.write(pragma("foreign_keys")).result() == 1
    assert store.read(pragma("journal_mode")).result() == "wal"
    with pytest.raises(KnownError, match="cannot be written"):
        store.read(lambda unit: unit.briefs.add(brief())).result()


def test_a_failing_write_undoes_itself_alone(store: Store) -> None:
    gate = threading.Event()
    store.write(lambda unit: gate.wait())  # so that the next three share one transaction
    first, second = brief("first"), brief("second")
    kept = store.write(lambda unit: unit.briefs.add(first))

    def fails(unit):
        unit.briefs.add(second)
        raise LookupError("mine")

    failed = store.write(fails)
    after = store.write(lambda unit: unit.settings.set("late.minutes", 5))
    gate.set()
    kept.result()
    after.result()
    with pytest.raises(LookupError, match="mine"):
        failed.result()
    assert [b.topic for b in store.read(lambda unit: unit.briefs.recent()).result()] == ["first"]


def test_a_canceled_write_does_not_run(store: Store) -> None:
    gate = threading.Event()
    started: Future[None] = Future()

    def hold(unit):
        started.set_result(None)
        gate.wait()

    store.write(hold)
    started.result()
    queued = store.write(lambda unit: unit.briefs.add(brief()))
    assert queued.cancel()
    gate.set()
    store.write(lambda unit: None).result()
    assert store.read(lambda unit: unit.briefs.recent()).result() == []


def test_full_disk_says_so_and_keeps_what_was_there(store: Store) -> None:
    store.write(lambda unit: unit.briefs.add(brief("kept"))).result()

    used = store.write(pragma("page_count")).result()
    store.write(pragma(f"max_page_count={used}")).result()
    gate = threading.Event()
    store.write(lambda unit: gate.wait())
    too_large = store.write(lambda unit: unit.briefs.add(brief("x" * 500_000)))
    beside_it = store.write(lambda unit: unit.voices.all())
    gate.set()
    with pytest.raises(KnownError, match="disk is full"):
        too_large.result()
    assert beside_it.result() == []
    store.write(pragma("max_page_count=1000000")).result()
    assert [b.topic for b in store.read(lambda unit: unit.briefs.recent()).result()] == ["kept"]


def test_commits_of_other_processes_arrive_as_changes(store: Store, folder: DataFolder) -> None:
    seen: list[Change] = []
    arrived = threading.Event()

    def listen(change: Change) -> None:
        seen.append(change)
        arrived.set()

    unsubscribe = store.changes.subscribe(listen)
    other = Store(folder, store.clock)
    try:
        made = other.write(lambda unit: unit.briefs.add(brief())).result()
        assert arrived.wait(5)
    finally:
        other.close()
        unsubscribe()
    assert [(change.kind, change.ids) for change in seen] == [("brief", (made.id,))]


def test_a_newer_database_is_refused_untouched(folder: DataFolder) -> None:
    folder.prepare()
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.execute("CREATE TABLE future (x)")
        connection.execute(f"PRAGMA user_version={migrate.SCHEMA + 1}")
        connection.commit()
    before = folder.database.read_bytes()
    with pytest.raises(KnownError, match="newer Quarry"):
        Store(folder)
    assert folder.database.read_bytes() == before


@given(st.binary(min_size=1, max_size=4096).filter(lambda data: not data.startswith(b"SQLite format 3")))
def test_a_foreign_file_is_refused_untouched(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = DataFolder(tmp_path_factory.mktemp("foreign")).prepare()
    folder.database.write_bytes(data)
    with pytest.raises(KnownError, match="not a Quarry database"):
        Store(folder)
    assert folder.database.read_bytes() == data


def test_migration_backs_up_first_and_needs_the_folder_alone(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(folder)
    store.write(lambda unit: unit.drafts.add(draft("before"))).result()
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.execute("PRAGMA user_version=0")  # as if an older version had made it
    monkeypatch.setattr(migrate, "SCHEMA", 2)
    with pytest.raises(KnownError, match="close the other Quarry first"):
        migrate.upgrade(folder, store.clock())
    store.close()
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.execute("PRAGMA user_version=1")
    migrate.upgrade(folder, store.clock()).release()
    [backup] = folder.backups.glob("quarry-*-schema-1.db")
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT count(*) FROM draft").fetchone() == (1,)
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_no_room_for_the_backup_stops_the_migration(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(folder)
    store.close()
    folder.backups.rmdir()
    folder.backups.write_text("in the way")
    monkeypatch.setattr(migrate, "SCHEMA", 2)
    with pytest.raises(KnownError, match="backup that goes before"):
        migrate.upgrade(folder, store.clock())
    with closing(sqlite3.connect(folder.database)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_what_the_migrations_make_is_what_the_tables_say(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from app.store.tables import metadata

    engine = create_engine(f"sqlite:///{store.folder.database}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert differences == []


def test_schema_number_is_the_newest_migration() -> None:
    versions = Path(migrate.__file__).parent / "migrations" / "versions"
    assert max(int(path.name[:4]) for path in versions.glob("0*.py")) == migrate.SCHEMA


def test_connecting_again_keeps_the_account(store: Store) -> None:
    first = store.write(lambda unit: unit.accounts.save(account("me", handle="old"))).result()
    second = store.write(lambda unit: unit.accounts.save(account("me", handle="new"))).result()
    assert second.id == first.id
    assert [a.handle for a in store.read(lambda unit: unit.accounts.all()).result()] == ["new"]
