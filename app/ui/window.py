"""The window: rail, page, status; it opens pages, gathers their actions and says what went wrong."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, QUrl, Signal, Slot
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDesktopServices,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
    QShortcut,
)
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QStackedWidget, QWidget

from app.core.errors import KnownError
from app.ui import theme
from app.ui.actions import Action
from app.ui.notices import Problem, Remedy
from app.ui.pages import PAGES
from app.ui.palette import CommandPalette
from app.ui.rail import Rail
from app.ui.ui_file import UiFile
from app.ui.widgets.basic import GAP, Button, column, label
from app.ui.widgets.opening import Opening
from app.ui.widgets.overlay import Banner, Toast

if TYPE_CHECKING:  # what needs the services' modules loads in `begin`: the first paint does not wait for it
    from app.ui.desk import Desk
    from app.ui.page import Page

NARROW = 1100  # below this width the rail shows icons alone
_SIZE = (1280, 800)
_MINIMUM = (900, 600)
_log = logging.getLogger(__name__)


class Window(QMainWindow):
    _reported = Signal(object)  # path of a crash report, None or a KnownError; from any thread

    _desk: Desk

    def __init__(self, ui_file: UiFile) -> None:
        """At the place kept in `ui_file`, without content: `begin` gives it some once the services are open."""
        super().__init__()
        self._ui_file = ui_file
        self._entries = {entry.id: entry for entry in PAGES}
        self._pages: dict[str, Page] = {}
        self._shown: Page | None = None
        self.opening = Opening()
        self.setWindowTitle("Quarry")
        self.setMinimumSize(*_MINIMUM)
        self.resize(*_SIZE)
        self.setCentralWidget(self.opening)
        self._reported.connect(self._say_report, Qt.ConnectionType.QueuedConnection)
        ui_file.restore(self)

    def begin(self, desk: Desk) -> None:
        """Show the pages."""
        from app.ui.lookout import Lookout

        self._desk = desk
        desk.go = self.open
        center = self._lay_out()
        self._palette = CommandPalette(center)
        self._toast = Toast(center)
        self._wire()
        self.setCentralWidget(center)  # deletes what was shown while it opened
        self._rail.set_narrow(self.width() < NARROW)
        self.open("compose")
        Lookout(desk, self._status).look()

    # ---- parts -----------------------------------------------------------------------------------

    def _lay_out(self) -> QWidget:
        from app.ui.status import StatusBar

        self._rail = Rail()
        self._banner = Banner()
        self._title = label("", "title")
        self._tools = QHBoxLayout()
        self._tools.setSpacing(GAP)
        self._search = Button(self.tr("Search or run an action"), "search", icon="search")
        self._search.setToolTip("Ctrl+K")
        header = QHBoxLayout()
        header.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, 2 * GAP)
        header.setSpacing(2 * GAP)
        header.addWidget(self._title)
        header.addLayout(self._tools, 1)
        header.addWidget(self._search)
        self._stack = QStackedWidget()
        self._status = StatusBar(self._desk)
        right = QWidget()
        right.setProperty("role", "page")
        right.setLayout(column(self._banner, header, self._stack, self._status, spacing=0))
        right.layout().setStretchFactor(self._stack, 1)  # type: ignore[union-attr]
        center = QWidget()
        box = QHBoxLayout(center)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self._rail)
        box.addWidget(right, 1)
        return center

    def _wire(self) -> None:
        desk = self._desk
        self._rail.chosen.connect(self.open)
        if isinstance(app := QApplication.instance(), QApplication):
            app.focusChanged.connect(self._follow_focus)
        self._search.clicked.connect(self._open_palette)
        QShortcut(QKeySequence("Ctrl+K"), self).activated.connect(self._open_palette)
        desk.notices.toast.connect(self._toast.say)
        desk.notices.problem.connect(self._banner.add)
        desk.notices.solved.connect(self._banner.remove)
        for number, entry in enumerate(PAGES, start=1):
            shortcut = QShortcut(QKeySequence(f"Ctrl+{number}"), self)
            shortcut.activated.connect(lambda page=entry.id: self.open(page))
        for action, keys in (
            (desk.undo.createUndoAction(self), QKeySequence.StandardKey.Undo),
            (desk.undo.createRedoAction(self), QKeySequence.StandardKey.Redo),
        ):
            action.setShortcut(keys)
            self.addAction(action)
        leave = QAction(self.tr("Quit"), self)
        leave.setShortcut(QKeySequence.StandardKey.Quit)
        leave.triggered.connect(self.close)
        self.addAction(leave)

    # ---- pages -----------------------------------------------------------------------------------

    @Slot(str)
    def open(self, page_id: str, what: str = "") -> None:
        """Show a page, made at its first visit, and bring `what` forward there."""
        page = self._pages.get(page_id)
        entry = self._entries[page_id]
        if page is None:
            page = entry.make(self._desk)
            page.setAccessibleName(QCoreApplication.translate("Pages", entry.title))
            self._pages[page_id] = page
            self._stack.addWidget(page)
        title = QCoreApplication.translate("Pages", entry.title)
        self._rail.select(page_id)
        self._title.setText(title)
        if page is not self._shown:
            self._swap_tools(page)
            self._stack.setCurrentWidget(page)
            self._shown = page
            page.focus_first()
        self.setWindowTitle(f"{title} · Quarry")
        if what:
            page.show_item(what)

    @property
    def page(self) -> Page:
        """The page that is shown."""
        assert self._shown is not None  # the constructor opens one
        return self._shown

    def _swap_tools(self, page: Page) -> None:
        while (item := self._tools.takeAt(0)) is not None:
            if (tool := item.widget()) is not None:
                tool.hide()
        for tool in page.tools():
            self._tools.addWidget(tool)
            tool.show()
        self._tools.addStretch(1)

    def actions_offered(self) -> list[Action]:
        """Everything the palette can do now."""
        pages = [
            Action(
                f"go.{entry.id}",
                self.tr("Go to {page}").format(page=QCoreApplication.translate("Pages", entry.title)),
                lambda page=entry.id: self.open(page),  # type: ignore[misc]
                f"Ctrl+{number}",
                entry.icon,
                "open page",
            )
            for number, entry in enumerate(PAGES, start=1)
        ]
        own = [action for page in self._pages.values() if page is not self._shown for action in page.actions_offered()]
        current = theme.current()
        look = [
            Action("theme.light", self.tr("Use the light theme"), lambda: current.choose("light"), icon="eye"),
            Action("theme.dark", self.tr("Use the dark theme"), lambda: current.choose("dark"), icon="eye"),
            Action("undo", self.tr("Undo"), self._desk.undo.undo, "Ctrl+Z", "undo"),
            Action("quit", self.tr("Quit Quarry"), self.close, "Ctrl+Q", "x", "exit close"),
        ]
        return [*self.page.actions_offered(), *pages, *own, *look]

    @Slot(QWidget, QWidget)
    def _follow_focus(self, before: QWidget | None, now: QWidget | None) -> None:
        if before is not None and shiboken6.isValid(before):
            before.removeEventFilter(self)
        if now is not None and now.window() is self:
            now.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """On Linux a text field takes Ctrl+K to delete the rest of its line; here it always opens the palette."""
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and event.matches(QKeySequence.StandardKey.DeleteEndOfLine)
        ):
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    @Slot()
    def _open_palette(self) -> None:
        self._palette.open(self.actions_offered())

    # ---- what is the matter ----------------------------------------------------------------------

    @Slot()
    def start_scheduler(self) -> None:
        """Publish and measure what is due while the window is open."""
        services = self._desk.services
        future = services.loop.run(services.outbox.run_forever())
        self._desk.background.run(self, future, on_error=self._scheduler_stopped)

    def _scheduler_stopped(self, error: BaseException) -> None:
        _log.error("the scheduler stopped", exc_info=error)
        text = self.tr("The scheduler stopped: nothing goes out until it runs again. No post was lost.")
        if isinstance(error, KnownError):
            text = error.message
        self._banner.add(Problem("scheduler", text, Remedy(self.tr("Start it"), self.start_scheduler), "danger"))

    def report(self, path: Path | None) -> None:
        """Say that something of ours went wrong. Safe in any thread."""
        self._reported.emit(path)

    def say_known(self, error: KnownError) -> None:
        """Say an error nobody caught in its own sentence. Safe in any thread."""
        self._reported.emit(error)

    @Slot(object)
    def _say_report(self, what: Path | KnownError | None) -> None:
        if self._shown is None:
            return  # nothing to say it in yet: it stands in the log
        if isinstance(what, KnownError):
            self._banner.add(Problem("command", what.message, tone="danger"))
            return
        path = what
        text = self.tr("Something unexpected happened. What you typed is kept; you can go on.")
        remedy = None
        if path is not None:
            remedy = Remedy(self.tr("Show report"), lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))))
        self._banner.add(Problem("crash", text, remedy, "danger"))

    # ---- the window itself -----------------------------------------------------------------------

    @Slot()
    def come_forward(self) -> None:
        """Another Quarry was started on this folder."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._shown is not None:
            self._rail.set_narrow(self.width() < NARROW)

    def closeEvent(self, event: QCloseEvent) -> None:
        for page in self._pages.values():
            page.leave()
        self._ui_file.save(self)
        if self._shown is not None:
            self._desk.close()
        event.accept()


def open_window(desk: Desk) -> Window:
    """A window over services that are open already."""
    window = Window(UiFile(desk.services.folder.root / "ui.json"))
    window.begin(desk)
    return window
