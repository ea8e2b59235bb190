"""Results reach the window's thread, and nobody who is gone."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.store.database import Store
from app.ui.background import Background, ChangeBridge
from tests.app.samples import account
from tests.app.ui.conftest import flush_deletions


@pytest.fixture
def told() -> list[object]:
    return []


@pytest.fixture
def background(told: list[object], qapp: object) -> Background:
    return Background(told.append)


def resolve(future: Future[int], value: int | Exception) -> None:
    """In another thread."""

    def work() -> None:
        if isinstance(value, Exception):
            future.set_exception(value)
        else:
            future.set_result(value)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_result_arrives_in_the_window_s_thread(background: Background, told: list[object], qtbot: QtBot):
    future: Future[int] = Future()
    owner = QObject()
    background.run(owner, future, lambda value: told.append((value, threading.current_thread())))
    resolve(future, 7)
    assert told == []  # never inside the thread that resolved it
    qtbot.waitUntil(lambda: told == [(7, threading.main_thread())])


def test_a_result_that_is_there_already_still_comes_later(background: Background, told: list[object], qtbot: QtBot):
    future: Future[int] = Future()
    future.set_result(7)
    owner = QObject()
    background.run(owner, future, told.append)
    assert told == []
    qtbot.waitUntil(lambda: told == [7])


def test_an_error_goes_to_its_own_handler_or_the_window_s(background: Background, told: list[object], qtbot: QtBot):
    first, second = Future[int](), Future[int]()
    owner = QObject()
    own: list[BaseException] = []
    background.run(owner, first, on_error=own.append)
    background.run(owner, second)
    problem, other = ValueError("one"), ValueError("two")
    resolve(first, problem)
    resolve(second, other)
    qtbot.waitUntil(lambda: own == [problem] and told == [other])


def test_a_deleted_owner_hears_nothing(background: Background, told: list[object], qtbot: QtBot):
    future, probe = Future[int](), Future[int]()
    owner, alive = QObject(), QObject()
    background.run(owner, future, told.append)
    background.run(alive, probe, told.append)
    owner.deleteLater()
    flush_deletions()
    resolve(future, 1)
    resolve(probe, 2)
    qtbot.waitUntil(lambda: told == [2])


def test_after_close_nothing_is_delivered(background: Background, told: list[object], qtbot: QtBot):
    future: Future[int] = Future()
    owner = QObject()
    background.run(owner, future, told.append)
    resolve(future, 1)
    background.close()
    flush_deletions()
    assert told == []


def test_changes_of_one_turn_come_together(store: Store, qtbot: QtBot, qapp: object):
    bridge = ChangeBridge(store.changes)
    heard: list[tuple[str, frozenset[str]]] = []
    bridge.changed.connect(lambda kind, ids: heard.append((kind, ids)))
    made = [store.write(lambda unit, n=n: unit.accounts.save(account(str(n)))).result().id for n in range(5)]
    qtbot.waitUntil(lambda: frozenset().union(*(ids for kind, ids in heard if kind == "account")) == set(made))
    bridge.close()
    assert len(heard) <= 5


def test_a_closed_bridge_tells_nothing_that_was_on_its_way(store: Store, qtbot: QtBot, qapp: object):
    """The store is closed after it: whoever heard a late change would ask a store that is gone."""
    bridge = ChangeBridge(store.changes)
    heard: list[str] = []
    bridge.changed.connect(lambda kind, _ids: heard.append(kind))
    told = threading.Event()
    unsubscribe = store.changes.subscribe(lambda _change: told.set())  # after the bridge's own
    store.write(lambda unit: unit.accounts.save(account("late"))).result()
    assert told.wait(10)
    unsubscribe()
    bridge.close()
    flush_deletions()
    flush_deletions()
    assert heard == []
