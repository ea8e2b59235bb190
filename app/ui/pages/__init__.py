"""The pages of the rail, as data. A page's own code loads when it is first opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ui.marks import QT_TRANSLATE_NOOP

if TYPE_CHECKING:
    from app.ui.desk import Desk
    from app.ui.page import Page


@dataclass(frozen=True, slots=True)
class Entry:
    """A page as the rail shows it."""

    id: str
    title: str
    icon: str
    make: Callable[[Desk], Page]


def _compose(desk: Desk) -> Page:
    from app.ui.pages.compose.page import ComposePage

    return ComposePage(desk)


def _calendar(desk: Desk) -> Page:
    from app.ui.pages.calendar.page import CalendarPage

    return CalendarPage(desk)


def _posts(desk: Desk) -> Page:
    from app.ui.pages.posts.page import PostsPage

    return PostsPage(desk)


def _insights(desk: Desk) -> Page:
    from app.ui.pages.insights.page import InsightsPage

    return InsightsPage(desk)


def _models(desk: Desk) -> Page:
    from app.ui.pages.models.page import ModelsPage

    return ModelsPage(desk)


def _accounts(desk: Desk) -> Page:
    from app.ui.pages.accounts.page import AccountsPage

    return AccountsPage(desk)


def _settings(desk: Desk) -> Page:
    from app.ui.pages.settings.page import SettingsPage

    return SettingsPage(desk)


PAGES: Sequence[Entry] = (
    Entry("compose", QT_TRANSLATE_NOOP("Pages", "Compose"), "compose", _compose),
    Entry("calendar", QT_TRANSLATE_NOOP("Pages", "Calendar"), "calendar", _calendar),
    Entry("posts", QT_TRANSLATE_NOOP("Pages", "Posts"), "posts", _posts),
    Entry("insights", QT_TRANSLATE_NOOP("Pages", "Insights"), "insights", _insights),
    Entry("models", QT_TRANSLATE_NOOP("Pages", "Models"), "models", _models),
    Entry("accounts", QT_TRANSLATE_NOOP("Pages", "Accounts"), "accounts", _accounts),
    Entry("settings", QT_TRANSLATE_NOOP("Pages", "Settings"), "settings", _settings),
)
