"""How far an attempt is: what is stored of it between steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from publishers.api import State


@dataclass(frozen=True, slots=True)
class Progress:
    """`Attempt.resume` as a value. An armed step whose end is not known has clear_to_send = False:
    it is reconciled, never run."""

    index: int = 0  # of the step that runs next, or is armed
    state: State = field(default_factory=dict)
    clear_to_send: bool = True
    commits: int = 0  # parts that stand on the platform

    @classmethod
    def of(cls, resume: Mapping[str, Any]) -> Progress:
        return cls(**resume) if resume else cls()

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "state": dict(self.state),
            "clear_to_send": self.clear_to_send,
            "commits": self.commits,
        }

    def next(self, state: State, *, committed: bool = False) -> Progress:
        """The step is over."""
        return replace(
            self, index=self.index + 1, state=state, clear_to_send=True, commits=self.commits + int(committed)
        )
