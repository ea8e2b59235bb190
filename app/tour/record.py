"""What the tour did, step by step, with evidence that can be checked from outside (cli.md, tour --json)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import KnownError

STEPS = ("set-up", "draft", "approve", "schedule", "publish", "measure", "rank")


@dataclass(slots=True)
class Step:
    """One step; `evidence` is filled while it runs."""

    name: str
    ok: bool = False
    seconds: float = 0.0
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "seconds": round(self.seconds, 2), "evidence": self.evidence}


@dataclass(slots=True)
class Record:
    """The whole tour. ok only when every step happened."""

    data_dir: str
    model: str = ""
    device: str = ""
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return tuple(step.name for step in self.steps if step.ok) == STEPS

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; it is ok when nothing was raised. A KnownError becomes its evidence and goes on up."""
        step = Step(name)
        self.steps.append(step)
        started = time.monotonic()
        try:
            yield step
            step.ok = True
        except KnownError as error:
            step.evidence["error"] = error.message
            raise
        finally:
            step.seconds = time.monotonic() - started

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "data_dir": self.data_dir,
            "model": self.model,
            "device": self.device,
            "steps": [step.to_json() for step in self.steps],
        }
