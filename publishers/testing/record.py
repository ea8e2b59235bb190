"""Everything an attempt remembers between two processes, in one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Phase(StrEnum):
    """Where an attempt stands. All but RUNNING, ARMED and UNKNOWN end a `run`."""

    RUNNING = "running"
    ARMED = "armed"  # written down before the irreversible call
    UNKNOWN = "unknown"  # the call may have gone through
    WAITING = "waiting"  # a failure that passes by itself: run again later
    ASKS = "asks"  # the platform cannot tell: the creator decides (`resolve`)
    NEEDS_USER = "needs_user"
    PUBLISHED = "published"
    PARTLY = "partly_published"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(slots=True)
class Committed:
    """What one COMMIT step made."""

    step: str
    remote_id: str
    permalink: str


@dataclass(slots=True)
class Record:
    """All that is remembered. `state` runs through the whole plan: each step gets what the last one left."""

    attempt: str
    phase: Phase = Phase.RUNNING
    step: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    armed_at: str = ""
    clear_to_send: bool = True  # False while the end of an armed run is not known
    commits: list[Committed] = field(default_factory=list)
    permalink: str = ""
    error: dict[str, str] | None = None
    warnings: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)

    @property
    def remote_id(self) -> str:
        """Of the publication: what the first commit with an id made."""
        return next((commit.remote_id for commit in self.commits if commit.remote_id), "")

    @classmethod
    def read(cls, file: Path) -> Record:
        """The record as it was last written."""
        data = json.loads(file.read_text("utf-8"))
        commits = [Committed(**commit) for commit in data.pop("commits")]
        return cls(**{**data, "phase": Phase(data["phase"]), "commits": commits})

    def write(self, file: Path) -> None:
        """Replace the file whole."""
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), "utf-8")
        fresh.replace(file)
