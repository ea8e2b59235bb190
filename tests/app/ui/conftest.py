"""A window without a screen over a real data folder, and a check that it leaves no timer behind."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before anything imports Qt

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QApplication

from app.bootstrap import Services, open_services
from app.core.folder import DataFolder
from app.store.database import Store
from app.ui.desk import Desk, make_desk
from app.ui.theme import Theme
from app.ui.window import Window, open_window
from tests.app.conftest import MovingClock
from tests.app.ui import demo

SETTINGS = f'theme = "light"\nzone = "{demo.ZONE}"\n'


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated data folder to copy."""
    root = tmp_path_factory.mktemp("empty") / "data"
    Store(DataFolder(root)).close()
    (root / "settings.toml").write_text(SETTINGS)
    return root


@pytest.fixture(scope="session")
def seeded(empty_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, demo.Demo]:
    """The demo's folder to copy, and what stands in it."""
    root = tmp_path_factory.mktemp("seeded") / "data"
    shutil.copytree(empty_folder, root)
    store = Store(DataFolder(root), MovingClock(demo.NOW))
    made = demo.seed(store)
    store.close()
    return root, made


@pytest.fixture
def baker(seeded: tuple[Path, demo.Demo]) -> demo.Demo:
    """What stands in the folder of a test that takes the fixture `window`."""
    return seeded[1]


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(demo.NOW)


@pytest.fixture
def begin_with() -> str:
    """What the folder holds: "demo"; a test that begins with nothing is marked `empty`."""
    return "demo"


empty = pytest.mark.parametrize("begin_with", ["nothing"])


@pytest.fixture
def data(begin_with: str, tmp_path: Path, seeded: tuple[Path, demo.Demo], empty_folder: Path) -> Path:
    source = seeded[0] if begin_with == "demo" else empty_folder
    return Path(shutil.copytree(source, tmp_path / "data"))


@pytest.fixture
def services(data: Path, clock: MovingClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("QUARRY_MODELS_DIR", str(tmp_path / "models"))
    with open_services(data, clock=clock) as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def only_new_objects_are_searched() -> None:
    """Take what exists already (torch's modules, where it shares the worker) out of `active_timers`' sight."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def look(qapp: QApplication) -> Theme:
    return Theme(qapp, "light")


@pytest.fixture
def desk(services: Services, look: Theme) -> Iterator[Desk]:
    made = make_desk(services, services.clock)
    yield made
    made.close()
    flush_deletions()


@pytest.fixture
def window(desk: Desk) -> Iterator[Window]:
    before = active_timers()
    opened = open_window(desk)
    opened.show()
    yield opened
    opened.close()
    opened.deleteLater()
    flush_deletions()
    left = [timer for timer in active_timers() if timer not in before]
    assert not left, f"timers left running: {[timer.parent() for timer in left]}; give them a parent or stop them"


def flush_deletions() -> None:
    """Let deleteLater happen now."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QCoreApplication.processEvents()


def active_timers() -> list[QTimer]:
    gc.collect()
    # By type(): isinstance asks some objects for their __class__, and proxies of other libraries answer with warnings.
    timers = [found for found in gc.get_objects() if issubclass(type(found), QTimer)]
    return [timer for timer in timers if shiboken6.isValid(timer) and timer.isActive()]
