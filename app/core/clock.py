"""Time: aware UTC everywhere, and the creator's wall-clock times with their zones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.core.errors import WrongUsage

Clock = Callable[[], datetime]
"""Gives the present as an aware UTC datetime; passed in, so that tests own the time."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class WallTime:
    """A time as the creator chose it: what the clock on the wall shows, and whose wall it is.

    The UTC instant is derived, and derived again when the zone's rules change (architecture.md, Store).
    """

    local: datetime  # naive
    zone: str  # IANA name

    def __post_init__(self) -> None:
        if self.local.tzinfo is not None:
            raise ValueError("a wall time is naive; its zone stands beside it")
        load_zone(self.zone)

    def to_utc(self) -> datetime:
        """The instant it means. In a gap (clocks going forward) the time moves forward by the gap, in an
        overlap the first of the two is meant (PEP 495, fold=0)."""
        return self.local.replace(tzinfo=load_zone(self.zone), fold=0).astimezone(UTC)

    @classmethod
    def of(cls, instant: datetime, zone: str) -> WallTime:
        """What the wall clock of `zone` shows at `instant` (aware)."""
        return cls(instant.astimezone(load_zone(zone)).replace(tzinfo=None), zone)

    def shifted(self, by: timedelta) -> WallTime:
        """Moved on the wall clock: a post dragged from Tuesday to Wednesday keeps its hour across a DST change."""
        return WallTime(self.local + by, self.zone)


def load_zone(name: str) -> ZoneInfo:
    """The zone of that IANA name. Raises WrongUsage for a name nobody knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WrongUsage(f"“{name}” is no time zone: use an IANA name such as Europe/Berlin.") from error


def local_zone() -> str:
    """The IANA name of this machine's zone; UTC where the system does not say."""
    import tzlocal

    try:
        return tzlocal.get_localzone_name() or "UTC"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
