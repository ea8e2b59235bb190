"""The scheduler of one process: wakes when something is due and does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from app.accounts.service import Accounts
from app.alarm.clock import Alarm
from app.analytics.pulls import Pulled, Pulls
from app.core.clock import Clock
from app.core.folder import DataFolder
from app.core.words import Attempt, Change, StepRun
from app.daemon.heartbeat import beat
from app.media.service import MediaStore
from app.publishing.ledger import Tools
from app.publishing.worker import Worker, next_wake
from app.store.database import Store

_SHORTEST_SLEEP = timedelta(seconds=1)
_WAKING = {"post", "attempt", "publication", "account"}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of what the scheduler did (cli.md, daemon --json)."""

    time: datetime
    event: str
    post: str = ""
    attempt: str = ""
    state: str = ""
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "time": self.time.isoformat()}


OnHappening = Callable[[Happening], None]


class Outbox:
    """Runs the publishing worker and the metric pulls. Any number of processes may each have one."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        media: MediaStore,
        pulls: Pulls,
        folder: DataFolder,
        clock: Clock,
    ) -> None:
        self._store = store
        self._pulls = pulls
        self._folder = folder
        self._clock = clock
        self._listeners: list[OnHappening] = []
        self._worker = Worker(Tools(store, accounts, media, clock, self._step_ran))

    def close(self) -> None:
        """After the last `work_due` and the end of `run_forever`."""
        self._worker.close()

    def listen(self, listener: OnHappening) -> None:
        """Hear of everything this process does, in its network thread."""
        self._listeners.append(listener)

    async def work_due(self) -> int:
        """Publish and measure everything that is due now; returns how much that was."""
        published = await self._worker.work_due()
        pulled = await self._pulls.pull_due()
        for result in pulled:
            self._tell(_measured(result, self._clock()))
        beat(self._folder, self._clock())
        return published + len(pulled)

    async def run_forever(self) -> None:
        """Do what is due whenever it is due, until canceled."""
        await asyncio.wrap_future(self._store.write(lambda unit: unit.posts.rederive_due()))
        wake = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_change(change: Change) -> None:
            if change.kind in _WAKING:
                loop.call_soon_threadsafe(wake.set)

        unsubscribe = await asyncio.to_thread(self._store.changes.subscribe, on_change)
        alarm = Alarm(wake.set)
        try:
            while True:
                wake.clear()
                await self.work_due()
                alarm.set(self._not_at_once(await self.next_wake()))
                await wake.wait()
        finally:
            alarm.stop()
            unsubscribe()

    async def next_wake(self) -> datetime | None:
        """When something will next be due; None when nothing is planned."""
        publish = await asyncio.to_thread(next_wake, self._store, self._clock)
        pull = await asyncio.wrap_future(self._pulls.next_at())
        times = [time for time in (publish, pull) if time is not None]
        return min(times) if times else None

    def _not_at_once(self, wake: datetime | None) -> datetime | None:
        """What is still due right after everything due was done waits for something else: look again in a second,
        not in a loop."""
        return None if wake is None else max(wake, self._clock() + _SHORTEST_SLEEP)

    def _step_ran(self, attempt: Attempt, run: StepRun) -> None:
        event = f"{run.step}: {run.event}" if run.step else run.event
        self._tell(Happening(self._clock(), event, attempt.post_id, attempt.id, attempt.state, run.message))

    def _tell(self, happening: Happening) -> None:
        for listener in self._listeners:
            listener(happening)


def _measured(result: Pulled, now: datetime) -> Happening:
    event = "gone" if result.gone else "measured" if result.metrics else "not measured"
    return Happening(now, event, detail=result.message or f"publication {result.publication_id}")
