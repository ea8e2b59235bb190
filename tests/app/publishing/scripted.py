"""The local folder's adapter with other steps, each of which does what the test wrote down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from publishers import registry
from publishers.api import (
    Adapter,
    Content,
    Context,
    Done,
    Failed,
    Outcome,
    Plan,
    Reconciled,
    State,
    Step,
    StepKind,
)
from publishers.errors import ErrorKind, Executed, PublishError


def error(kind: ErrorKind, executed: Executed = Executed.NO, **more: Any) -> Failed:
    return Failed(PublishError(kind, f"It is {kind}.", executed=executed, **more))


@dataclass
class Scripted:
    """The local folder's adapter with other steps: each step's outcomes are listed, the last one repeats."""

    real: Adapter
    outcomes: dict[str, list[Outcome]]
    kinds: dict[str, StepKind]
    answers: list[Reconciled] = field(default_factory=list)
    version: int = 1
    ran: list[str] = field(default_factory=list)
    armed: list[str] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)

    @property
    def capabilities(self):
        return self.real.capabilities

    def count(self, text: str, format_id: str = ""):
        return self.real.count(text, format_id)

    def validate(self, content: Content, format_id: str = "") -> Sequence[Any]:
        return self.real.validate(content, format_id)

    async def sign_in(self, *arguments: Any):
        return await self.real.sign_in(*arguments)  # type: ignore[attr-defined]

    def plan(self, content: Content, format_id: str = "") -> Plan:
        return Plan(self.version, tuple(self._step(name, kind) for name, kind in self.kinds.items()))

    def _step(self, name: str, kind: StepKind) -> Step:
        async def run(_context: Context, state: State) -> tuple[State, Outcome]:
            self.ran.append(name)
            self.keys.append(state.get("key"))
            script = self.outcomes[name]
            outcome = script.pop(0) if len(script) > 1 else script[0]
            return {**state, name: self.ran.count(name)}, outcome

        def arm(_context: Context, state: State) -> State:
            self.armed.append(name)
            return {**state, "key": len(self.armed)}

        return Step(name, kind, run, arm)

    async def reconcile(self, _context: Context, _content: Content, step: str, state: State, _since: datetime):
        self.ran.append(f"reconcile {step}")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


UPLOAD_AND_COMMIT = {"upload": StepKind.PREPARE_MEDIA, "commit": StepKind.COMMIT}
LIVE = Done("id-1", "https://example.com/1")
LOST = error(ErrorKind.NETWORK, Executed.UNKNOWN)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    def make(kinds: dict[str, StepKind] | None = None, answers: Sequence[Reconciled] = (), **outcomes: Any) -> Scripted:
        real = registry.get("local")
        kinds = kinds or UPLOAD_AND_COMMIT
        lists = {name: outcomes.get(name, [Done() if name != "commit" else LIVE]) for name in kinds}
        made = Scripted(real, lists, kinds, list(answers))
        monkeypatch.setattr(registry, "get", lambda _platform: made)
        return made

    return make
