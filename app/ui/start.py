"""The start: paint a window first, open the data folder behind it, then show the pages."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QLocale, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from app.core.errors import EXIT_BUG, KnownError
from app.core.folder import DataFolder, default_data_folder
from app.ui import icons, theme
from app.ui.crash import CrashGuard
from app.ui.instance import SingleInstance
from app.ui.ui_file import UiFile
from app.ui.window import Window

if TYPE_CHECKING:
    from app.bootstrap import Services


def make_app(choice: theme.Choice = "system") -> QApplication:
    """The application in a theme. One a process."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(sys.argv[:1])
    app.setApplicationName("Quarry")
    app.setDesktopFileName("quarry")
    if QLocale.system().language() == QLocale.Language.C:  # a bare environment: numbers are grouped all the same
        QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom))
    look = theme.put_on(app, choice)
    app.setWindowIcon(QIcon(icons.pixmap("quarry", look.tokens.accent, 64)))
    return app


class ServicesThread(QObject):
    """Opens the services in a thread of its own, and closes them there: the window never waits for the disk."""

    ready = Signal(object)  # Services
    failed = Signal(object)  # what went wrong

    def __init__(self, folder: DataFolder) -> None:
        super().__init__()
        self._folder = folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="services")

    @Slot()
    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Close the services and wait for it: what is queued is written first."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            from app.bootstrap import open_services  # most of a start is loading these modules

            with open_services(self._folder.root) as services:
                self.ready.emit(services)
                self._done.wait()
        except Exception as error:  # the border of this thread: the window says it
            self.failed.emit(error)


class Start(QObject):
    """One run of the window."""

    def __init__(self, folder: DataFolder) -> None:
        super().__init__()
        self._folder = folder
        ui_file = UiFile(folder.root / "ui.json")
        self.app = make_app(ui_file.scheme)
        self.window = Window(ui_file)
        self.services = ServicesThread(folder)
        self.exit_code = 0
        self.guard = CrashGuard(folder.logs, self.window.report, self._say_known)
        queued = Qt.ConnectionType.QueuedConnection
        self.services.ready.connect(self._begin, queued)
        self.services.failed.connect(self._fail, queued)
        self.window.opening.closed.connect(self.window.close)

    def run(self) -> int:
        """Until the window is closed; gives the process's exit code."""
        self.guard.install()
        self.window.show()
        QTimer.singleShot(0, self.services.start)  # after the first paint
        try:
            self.app.exec()
        finally:
            self.services.close()
            self.guard.remove()
        return self.exit_code

    @Slot(object)
    def _begin(self, services: Services) -> None:
        from app.ui.desk import make_desk

        if theme.current().choice != services.settings.theme:
            theme.current().choose(services.settings.theme)
        desk = make_desk(services)
        desk.notices.unexpected.connect(self.guard.report)
        self.window.begin(desk)
        self.window.start_scheduler()

    @Slot(object)
    def _fail(self, error: BaseException) -> None:
        """The folder does not open; the window says why and the process ends with the error's code."""
        if isinstance(error, KnownError):
            self.exit_code = error.exit_code
            text = error.message
        else:
            self.exit_code = EXIT_BUG
            self.guard.report(error)
            text = self.tr("Something unexpected happened; a report was written to {logs}.").format(
                logs=self._folder.logs
            )
        sys.stderr.write(f"{text}\n")
        self.window.opening.fail(text)

    def _say_known(self, error: KnownError) -> None:
        self.window.say_known(error)


def run(data_dir: Path | None = None) -> int:
    """Show the window over a data folder until it is closed; gives the process's exit code.

    A second window raises the first and gives 0. Raises KnownError where the folder cannot be used at all."""
    folder = DataFolder(data_dir or default_data_folder()).prepare()
    start = Start(folder)
    instance = SingleInstance(folder)
    if not instance.claim():
        return 0
    instance.raised.connect(start.window.come_forward)
    try:
        return start.run()
    finally:
        instance.close()
