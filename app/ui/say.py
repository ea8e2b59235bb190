"""How values are said on screen: times on the creator's wall clock, sizes, numbers, states with their icons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from PySide6.QtCore import QCoreApplication, QDate, QLocale, QTime

from app.core.clock import load_zone
from app.core.words import AccountState, AttemptState, Channel, PostState
from app.ui.marks import QT_TRANSLATE_NOOP
from publishers import registry


@dataclass(frozen=True, slots=True)
class Look:
    """A state as it is shown: never by colour alone."""

    text: str
    tone: str  # a colour of theme.Tokens that has a soft twin
    icon: str


_POSTS = {
    PostState.APPROVED: Look(QT_TRANSLATE_NOOP("Words", "Approved"), "neutral", "check"),
    PostState.SCHEDULED: Look(QT_TRANSLATE_NOOP("Words", "Scheduled"), "info", "clock"),
    PostState.PUBLISHING: Look(QT_TRANSLATE_NOOP("Words", "Publishing"), "info", "send"),
    PostState.PUBLISHED: Look(QT_TRANSLATE_NOOP("Words", "Published"), "success", "check-circle"),
    PostState.PARTLY_PUBLISHED: Look(QT_TRANSLATE_NOOP("Words", "Partly published"), "warning", "alert"),
    PostState.NEEDS_USER: Look(QT_TRANSLATE_NOOP("Words", "Needs you"), "warning", "user"),
    PostState.FAILED: Look(QT_TRANSLATE_NOOP("Words", "Failed"), "danger", "x-circle"),
    PostState.CANCELED: Look(QT_TRANSLATE_NOOP("Words", "Canceled"), "neutral", "x"),
    PostState.GONE: Look(QT_TRANSLATE_NOOP("Words", "Gone"), "neutral", "trash"),
}
_ATTEMPTS = {
    AttemptState.CLAIMED: Look(QT_TRANSLATE_NOOP("Words", "Started"), "info", "send"),
    AttemptState.UPLOADING: Look(QT_TRANSLATE_NOOP("Words", "Uploading"), "info", "send"),
    AttemptState.WAITING: Look(QT_TRANSLATE_NOOP("Words", "Waiting"), "info", "clock"),
    AttemptState.ARMED: Look(QT_TRANSLATE_NOOP("Words", "Sending"), "info", "send"),
    AttemptState.COMMITTED: Look(QT_TRANSLATE_NOOP("Words", "Accepted"), "success", "check"),
    AttemptState.PUBLISHED: Look(QT_TRANSLATE_NOOP("Words", "Published"), "success", "check-circle"),
    AttemptState.UNKNOWN: Look(QT_TRANSLATE_NOOP("Words", "Not sure it went out"), "warning", "alert"),
    AttemptState.NEEDS_USER: Look(QT_TRANSLATE_NOOP("Words", "Needs you"), "warning", "user"),
    AttemptState.FAILED: Look(QT_TRANSLATE_NOOP("Words", "Failed"), "danger", "x-circle"),
    AttemptState.CANCELED: Look(QT_TRANSLATE_NOOP("Words", "Canceled"), "neutral", "x"),
}
_ACCOUNTS = {
    AccountState.CONNECTED: Look(QT_TRANSLATE_NOOP("Words", "Connected"), "success", "check-circle"),
    AccountState.NEEDS_SIGN_IN: Look(QT_TRANSLATE_NOOP("Words", "Sign in again"), "warning", "alert"),
    AccountState.REMOVED: Look(QT_TRANSLATE_NOOP("Words", "Removed"), "neutral", "trash"),
}


def state(of: PostState | AttemptState | AccountState) -> Look:
    """A state's word in the creator's language, its colour and its icon."""
    if isinstance(of, PostState):
        look = _POSTS[of]
    elif isinstance(of, AttemptState):
        look = _ATTEMPTS[of]
    else:
        look = _ACCOUNTS[of]
    return Look(_words(look.text), look.tone, look.icon)


def platform(identifier: str) -> str:
    """A platform as people write it; its id where its adapter does not load."""
    try:
        return registry.get(identifier).capabilities.name
    except registry.UnknownPlatform:
        return identifier


def channel(of: Channel) -> str:
    """ "Bluesky", "X thread": the default format is left out."""
    try:
        default = registry.get(of.platform).capabilities.formats[0].id
    except registry.UnknownPlatform:
        return str(of)
    name = platform(of.platform)
    return name if of.format == default else f"{name} {of.format}"


def clock(instant: datetime, zone: str) -> str:
    """14:05, as the creator's language writes it."""
    local = instant.astimezone(load_zone(zone))
    return QLocale().toString(QTime(local.hour, local.minute), QLocale().timeFormat(QLocale.FormatType.ShortFormat))


def hour(of: int) -> str:
    """14:00, for the ruler of a calendar."""
    return QLocale().toString(QTime(of, 0), QLocale().timeFormat(QLocale.FormatType.ShortFormat))


def day(of: date, now: datetime, zone: str) -> str:
    """Today, Tomorrow, Yesterday, else the weekday and date."""
    today = now.astimezone(load_zone(zone)).date()
    near = {0: "Today", 1: "Tomorrow", -1: "Yesterday"}.get((of - today).days)
    if near:
        return _words(near)
    pattern = "ddd d MMM" if of.year == today.year else "d MMM yyyy"
    return QLocale().toString(QDate(of.year, of.month, of.day), pattern)


def weekday(of: date) -> str:
    """Tue 24."""
    return QLocale().toString(QDate(of.year, of.month, of.day), "ddd d")


def dates(first: date, last: date) -> str:
    """23 – 29 November 2026."""
    begin, end = QDate(first.year, first.month, first.day), QDate(last.year, last.month, last.day)
    short = "d" if (first.year, first.month) == (last.year, last.month) else "d MMM"
    return f"{QLocale().toString(begin, short)} – {QLocale().toString(end, 'd MMMM yyyy')}"


def when(instant: datetime, now: datetime, zone: str) -> str:
    """Today 14:05."""
    return f"{day(instant.astimezone(load_zone(zone)).date(), now, zone)} {clock(instant, zone)}"


def span(duration: timedelta) -> str:
    """A rough length: 40 s, 12 min, 3 h, 5 d."""
    seconds = max(duration.total_seconds(), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def number(value: float) -> str:
    """Grouped as the creator's language groups; one decimal only where it matters."""
    if value == int(value):
        return QLocale().toString(int(value))
    return QLocale().toString(value, "f", 1)


def size(count: int) -> str:
    """Bytes in decimal units, as download pages give them."""
    for unit, power in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= power:
            value = count / power
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count} B"


def percent(change: float) -> str:
    return f"{change:+.0%}".replace("-", "−")


def first_line(text: str) -> str:
    """The beginning of a text for places with one line."""
    return " ".join(text.split())


def _words(text: str) -> str:
    return QCoreApplication.translate("Words", text)
