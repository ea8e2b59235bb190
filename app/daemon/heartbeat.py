"""A sign of life of whichever process runs the scheduler, so that the others can show it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.files import replace_file
from app.core.folder import DataFolder

STALE = timedelta(seconds=90)
"""Older than this means that no scheduler runs: it beats at least every half minute."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    at: datetime
    pid: int

    def alive(self, now: datetime) -> bool:
        return abs(now - self.at) <= STALE


def beat(folder: DataFolder, now: datetime) -> None:
    """Say that this process runs the scheduler. A full disk is no reason to stop publishing."""
    sign = json.dumps({"at": now.isoformat(), "pid": os.getpid()})
    with suppress(OSError):
        replace_file(folder.run / "scheduler.json", sign.encode())


def last_beat(folder: DataFolder) -> Heartbeat | None:
    """The newest sign of life of any process."""
    try:
        data = json.loads((folder.run / "scheduler.json").read_text(encoding="utf-8"))
        return Heartbeat(datetime.fromisoformat(data["at"]), int(data["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
