"""The start: what is loaded by the first paint, and how much memory it takes, with 1,000 posts."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QEvent, QObject, QTimer
from pytestqt.qtbot import QtBot

from app.core.folder import DataFolder
from app.store.database import Store
from app.ui.start import Start
from tests.app.conftest import MovingClock
from tests.app.ui import demo
from tests.app.ui.conftest import flush_deletions

ROOT = Path(__file__).parents[3]
LATE = {"torch", "scipy", "pyqtgraph", "numpy", "av", "transformers"}
MOST_MEMORY = 200 * 2**20


@pytest.fixture
def thousand(empty_folder: Path, tmp_path: Path) -> Path:
    root = Path(shutil.copytree(empty_folder, tmp_path / "data"))
    store = Store(DataFolder(root), MovingClock(demo.NOW))
    demo.many_posts(store, 1000)
    store.close()
    return root


def test_the_first_paint_loads_nothing_heavy_and_stays_small(thousand: Path, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "docs/bench/app_start.py", "--data-dir", str(thousand)],
        cwd=ROOT,
        env={**os.environ, "QUARRY_MODELS_DIR": str(tmp_path / "models")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    start = json.loads(done.stdout)
    assert start["posts"] == 1000
    assert LATE & set(start["modules"]) == set()
    assert start["rss_bytes"] <= MOST_MEMORY
    assert 0 < start["first_paint_s"] <= start["pages_s"]


@pytest.fixture
def start(data: Path, look: object) -> Iterator[Start]:
    made = Start(DataFolder(data))
    yield made
    made.window.deleteLater()
    flush_deletions()


def run(start: Start, meanwhile) -> int:
    """Run until the window closes, with `meanwhile` called over and over until it is true."""

    def look() -> None:
        if meanwhile():
            timer.stop()
            start.window.close()

    timer = QTimer(interval=20)
    timer.timeout.connect(look)
    timer.start()
    return start.run()


def test_the_window_shows_itself_then_its_pages_and_closes_in_order(start: Start, qtbot: QtBot):
    opening = start.window.opening
    painted: list[str] = []

    class Watch(QObject):
        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                painted.append("pages" if start.window._shown else "opening")
            return False

    watch = Watch()
    opening.installEventFilter(watch)
    assert run(start, lambda: start.window._shown is not None and start.window._banner.isVisible()) == 0
    assert painted[0] == "opening"
    assert not shiboken6.isValid(opening)
    assert not start.services._thread.is_alive()


def test_a_database_from_the_future_is_said_in_the_window(
    start: Start, data: Path, qtbot: QtBot, capsys: pytest.CaptureFixture[str]
):
    with sqlite3.connect(data / "quarry.db") as database:
        database.execute("PRAGMA user_version = 9999")
    database.close()
    opening = start.window.opening
    assert run(start, opening._quit.isVisible) == 3
    assert "newer" in capsys.readouterr().err
    assert "newer" in opening._text.text()


def test_the_scheduler_runs_while_the_window_is_open(start: Start, data: Path, qtbot: QtBot):
    heartbeat = data / "run" / "scheduler.json"
    heartbeat.unlink(missing_ok=True)
    assert run(start, heartbeat.exists) == 0
