"""What every page works with: the services behind queries and commands, and the window's own voices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtGui import QUndoStack

from app.core.clock import Clock, local_zone, utc_now
from app.core.settings import MachineSettings, save_settings
from app.ui.background import Background, ChangeBridge
from app.ui.commands import Commands
from app.ui.notices import Notices
from app.ui.queries import Queries

if TYPE_CHECKING:
    from app.bootstrap import Services


@dataclass(slots=True)
class Desk:
    """Handed to each page. `go` opens a page by id, with something to show there."""

    services: Services
    background: Background
    changes: ChangeBridge
    notices: Notices
    undo: QUndoStack
    queries: Queries
    commands: Commands
    settings: MachineSettings  # as changed here; the services keep those they were started with
    clock: Clock = utc_now
    go: Callable[[str, str], None] = field(default=lambda _page, _what: None)

    @property
    def zone(self) -> str:
        """The zone times are shown and chosen in."""
        return self.settings.zone or local_zone()

    def change_settings(self, **changes: object) -> None:
        """Write settings.toml, then tell the pages."""

        def done(settings: MachineSettings) -> None:
            self.settings = settings
            self.notices.settings_changed.emit()

        now, path = self.settings, self.services.folder.settings
        future = self.services.loop.call(lambda: save_settings(path, now, **changes))
        self.background.run(self.notices, future, done)

    def close(self) -> None:
        """Hear and deliver nothing more; the services belong to whoever made them."""
        self.changes.close()
        self.background.close()


def make_desk(services: Services, clock: Clock = utc_now) -> Desk:
    """Make it in the window's thread."""
    notices = Notices()
    background = Background(notices.fail)
    undo = QUndoStack()
    queries = Queries(services)
    commands = Commands(services, background, notices, undo)
    changes = ChangeBridge(services.store.changes)
    return Desk(services, background, changes, notices, undo, queries, commands, services.settings, clock)
