"""The base of all pages: loads when first shown, and again only when something it shows changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from app.core.ids import Id
    from app.ui.actions import Action
    from app.ui.desk import Desk


class Page(QWidget):
    kinds: ClassVar[frozenset[str]] = frozenset()
    """Tables this page shows; changes of others never reach it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.setProperty("role", "page")
        self._stale = True
        desk.changes.changed.connect(self._changed)
        desk.notices.settings_changed.connect(self._reload_soon)

    def reload(self) -> None:
        """Ask for everything the page shows."""

    def redraw(self, kind: str, ids: frozenset[Id]) -> None:
        """Rows of a table the page shows changed; the page is visible."""
        self.reload()

    def tools(self) -> Sequence[QWidget]:
        """The page's own controls, right of its title."""
        return ()

    def actions_offered(self) -> Sequence[Action]:
        """What the palette offers once this page was opened."""
        return ()

    def focus_first(self) -> None:
        """Put the cursor where work on this page usually begins."""
        self.setFocus()

    def show_item(self, what: Id) -> None:
        """Bring one post, draft or account forward."""

    def leave(self) -> None:
        """The window closes: save what is typed."""

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self._stale = False
            self.reload()

    @Slot()
    def _reload_soon(self) -> None:
        if self.isVisible():
            self.reload()
        else:
            self._stale = True

    @Slot(str, object)
    def _changed(self, kind: str, ids: frozenset[Id]) -> None:
        if kind not in self.kinds:
            return
        if self.isVisible():
            self.redraw(kind, ids)
        else:
            self._stale = True
