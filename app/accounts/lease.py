"""Only one process at a time changes an account's tokens: a rotated refresh token is good once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from app.core.ids import Id
from app.core.words import Account
from app.store.database import Store
from app.store.unit import Unit
from publishers.errors import ErrorKind, PublishError

DURATION = timedelta(seconds=90)  # of a process that dies meanwhile; longer than any refresh may take
WAIT = 20.0  # seconds for another process to finish
_POLL = 0.05


@asynccontextmanager
async def leased(store: Store, account_id: Id) -> AsyncIterator[Account]:
    """Hold the account's lease; gives the account as it stands then.

    Raises PublishError(NETWORK), which passes by itself, where another process holds it too long."""

    def take(unit: Unit) -> Account | None:
        return unit.accounts.get(account_id) if unit.accounts.lease(account_id, DURATION) else None

    deadline = time.monotonic() + WAIT
    while (account := await asyncio.wrap_future(store.write(take))) is None:
        if time.monotonic() >= deadline:
            raise PublishError(
                ErrorKind.NETWORK,
                "Another Quarry is renewing this account's sign-in: nothing was sent; Quarry tries again by itself.",
            )
        await asyncio.sleep(_POLL)
    try:
        yield account
    finally:
        await asyncio.wrap_future(store.write(lambda unit: unit.accounts.release(account_id)))
