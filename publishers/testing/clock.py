"""A clock that tests move forward instead of sleeping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Real time plus what a test has added. Give `clock.now` to the adapter and to its simulator alike."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC) + self._ahead

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._ahead += max(by, timedelta(0))

    def advance_to(self, moment: datetime) -> None:
        """Let time pass until `moment`; no step back where it has passed already."""
        self.advance(moment - self.now())
