"""Pulls over the real X adapter and its simulator, with tokens that are renewed on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from app.accounts.service import Accounts
from app.analytics.pulls import Pulls
from app.core.words import Account
from app.secrets.contract import SecretsLock
from app.secrets.keychain import Keychain
from app.store.database import Store
from publishers.api import Content, Done, State
from publishers.testing.x import Rules, XSimulator
from publishers.x.adapter import XAdapter
from tests.app.accounts.conftest import ANSWERS, connect_x, free_port, renewals
from tests.app.analytics.published import published
from tests.app.conftest import MovingClock
from tests.app.secrets.memory import MemoryKeychain


async def put_out(accounts: Accounts, account: Account, adapter: XAdapter) -> str:
    """Publish a post on the simulator; its id there."""
    state: State = {}
    done = Done()
    async with accounts.context(account, attempt="one") as context:
        for step in adapter.plan(Content.plain("Cold kitchens need longer rises.")).steps:
            state, outcome = await step.run(context, step.arm(context, state))
            assert isinstance(outcome, Done)
            done = outcome if outcome.remote_id else done
    return done.remote_id


def test_refused_tokens_are_renewed_and_a_deleted_post_is_gone(
    store: Store, clock: MovingClock, tmp_path: Path
) -> None:
    adapter = XAdapter(clock)
    keychain = MemoryKeychain()

    async def story(x: XSimulator) -> None:
        accounts = Accounts(
            store, lambda: Keychain(keychain, SecretsLock(tmp_path / "lock")), clock, find=lambda _: adapter
        )
        try:
            account = await connect_x(accounts, x)
            remote_id = await put_out(accounts, account, adapter)
            ages = adapter.capabilities.metric_pulls
            (publication,) = published(store, account, at=clock(), ages=ages, remote_id=remote_id)
            pulls = Pulls(store, accounts, clock, lambda _: adapter)
            x.posts.set_metrics(remote_id, {"like_count": 3, "impression_count": 40})
            clock.move(hours=1)
            x.sign_in.expire_access()
            (pulled,) = await pulls.pull_due()
            assert pulled.message == ""
            assert pulled.metrics
            assert (pulled.metrics.reactions, pulled.metrics.views) == (3, 40)
            assert pulled.next_at == publication.published_at + timedelta(days=1)
            assert renewals(x) == 1
            await delete_there(accounts, account, adapter, remote_id)
            clock.move(days=1)
            (pulled,) = await pulls.pull_due()
            assert pulled.gone
        finally:
            await accounts.close()

    store.write(lambda unit: unit.settings.set("oauth.port", free_port())).result()
    with XSimulator(Rules(client_secret=ANSWERS["client_secret"]), now=clock) as x:
        asyncio.run(story(x))


async def delete_there(accounts: Accounts, account: Account, adapter: XAdapter, remote_id: str) -> None:
    async with accounts.context(account) as context:
        await adapter.delete(context, remote_id)
