"""What is typed is saved in time, however long the typing goes on."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.ui.autosave import DELAY, Autosave


def test_the_delay_is_two_seconds_at_most():
    assert DELAY <= 2000


def test_typing_on_does_not_put_the_saving_off(qtbot: QtBot):
    saved: list[float] = []
    parent = QObject()
    autosave = Autosave(parent, lambda: saved.append(time.monotonic()), delay=80)
    begun = time.monotonic()
    autosave.touch()
    while not saved and time.monotonic() - begun < 5:
        autosave.touch()  # a key every few milliseconds
        qtbot.wait(5)
    assert len(saved) == 1
    assert saved[0] - begun >= 0.07


def test_flush_saves_once_and_only_what_waits(qtbot: QtBot):
    saved: list[bool] = []
    parent = QObject()
    autosave = Autosave(parent, lambda: saved.append(True), delay=50)
    autosave.flush()
    assert saved == []
    autosave.touch()
    assert autosave.waiting
    autosave.flush()
    qtbot.wait(80)
    assert saved == [True]
