"""The outbox worker: claims what is due and drives it. Any number may run over one database; leases decide."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime

from app.core.clock import Clock
from app.core.words import Attempt
from app.publishing.ledger import LEASE, LET_GO, Tools
from app.publishing.presence import Presence
from app.publishing.run import drive
from app.store.database import Store
from app.store.repositories.attempts import LeaseLost
from app.store.unit import Unit

_AT_ONCE = 4
_log = logging.getLogger(__name__)


class Worker:
    """Drives attempts of one process."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._presence = Presence(tools.store.folder.run)
        self.owner = self._presence.owner

    def close(self) -> None:
        """After the last `work_due`."""
        self._presence.end()

    async def work_due(self) -> int:
        """Drive everything that is due now, a few at a time; returns how many attempts were worked on."""
        await self._free_leases_of_the_dead()
        slots = asyncio.Semaphore(_AT_ONCE)
        running: set[asyncio.Task[None]] = set()
        worked = 0
        while True:
            await slots.acquire()
            attempt = await self._claim()
            if attempt is None:
                slots.release()
                break
            worked += 1
            task = asyncio.create_task(self._drive(attempt))
            running.add(task)
            task.add_done_callback(running.discard)
            task.add_done_callback(lambda _done: slots.release())
        if running:
            await asyncio.gather(*running)
        return worked

    async def _free_leases_of_the_dead(self) -> None:
        owners = await asyncio.wrap_future(self._tools.store.read(lambda unit: unit.attempts.lease_owners()))
        if dead := [owner for owner in owners if self._presence.is_dead(owner)]:
            await asyncio.wrap_future(self._tools.store.write(lambda unit: unit.attempts.free(dead)))
        await asyncio.to_thread(self._presence.sweep)

    async def _claim(self) -> Attempt | None:
        return await asyncio.wrap_future(self._tools.store.write(lambda unit: unit.attempts.claim(self.owner, LEASE)))

    async def _drive(self, attempt: Attempt) -> None:
        try:
            await drive(self._tools, attempt)
        except LeaseLost:
            _log.info("attempt %s went to another worker", attempt.id)
        except asyncio.CancelledError:
            self._let_go(attempt)
            raise
        except Exception:  # the worker's border: one broken attempt must not stop the others; its lease runs out
            _log.exception("attempt %s stopped at a bug", attempt.id)

    def _let_go(self, attempt: Attempt) -> None:
        """Hand the attempt back at an orderly stop, so that the next worker need not wait for the lease."""

        def work(unit: Unit) -> None:
            now = unit.attempts.get(attempt.id)
            if now.lease_owner == self.owner and not now.state.ended:
                unit.attempts.save(replace(now, **LET_GO), owner=self.owner)

        self._tools.store.write(work)


def next_wake(store: Store, clock: Clock) -> datetime | None:
    """When a post or an attempt will next be due; None when nothing waits."""
    posts, attempts = store.read(lambda unit: (unit.posts.next_due(), unit.attempts.next_at())).result()
    times = [time for time in (posts, attempts) if time is not None]
    return max(min(times), clock()) if times else None
