from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from keyring.errors import KeyringLocked

from app.accounts import lease
from app.accounts.service import Accounts
from app.core.words import Account, AccountState
from app.secrets.contract import SecretsLock
from app.secrets.keychain import Keychain
from app.store.database import Store
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.testing.faults import Fault, FaultKind, Route
from publishers.testing.x import XSimulator
from tests.app.accounts.conftest import connect_x, renewals, run
from tests.app.conftest import MovingClock
from tests.app.secrets.memory import MemoryKeychain

TOKEN = Route("POST", "/2/oauth2/token")


@pytest.fixture
def account(accounts: Accounts, x: XSimulator) -> Account:
    return run(accounts, connect_x(accounts, x))


async def token(accounts: Accounts, account: Account) -> str:
    """The access token a worker would use."""
    async with accounts.context(account) as context:
        return context.tokens.access_token


def renewal_begins(x: XSimulator) -> None:
    """Wait until a refresh token was handed in."""
    while not renewals(x):
        time.sleep(0.01)


async def refusal(accounts: Accounts, account: Account) -> PublishError:
    with pytest.raises(PublishError) as caught:
        await token(accounts, account)
    assert caught.value.executed is Executed.NO  # of the step that wanted the tokens
    return caught.value


# ---- when they run out ---------------------------------------------------------------------------


def test_good_tokens_are_left_alone(accounts: Accounts, account: Account, x: XSimulator, clock: MovingClock) -> None:
    clock.move(minutes=117)
    run(accounts, token(accounts, account))
    assert renewals(x) == 0


def test_tokens_that_run_out_in_two_minutes_are_renewed_first(
    accounts: Accounts, account: Account, x: XSimulator, clock: MovingClock, new_session: Callable[[], Accounts]
) -> None:
    old = run(accounts, token(accounts, account))
    clock.move(minutes=118)
    new = run(accounts, token(accounts, account))
    assert renewals(x) == 1
    assert new != old
    now = accounts.get(account.id).result()
    assert now.expires_at == clock() + timedelta(hours=2)
    other = new_session()
    assert run(other, token(other, account)) == new  # it is in the keychain
    assert renewals(x) == 1


def test_a_session_sees_what_another_renewed(
    accounts: Accounts, account: Account, x: XSimulator, clock: MovingClock, new_session: Callable[[], Accounts]
) -> None:
    run(accounts, token(accounts, account))  # remembered by this session
    clock.move(minutes=119)
    other = new_session()
    new = run(other, token(other, account))
    assert run(accounts, token(accounts, account)) == new
    assert renewals(x) == 1


def test_two_sessions_at_once_renew_once(
    account: Account, x: XSimulator, clock: MovingClock, new_session: Callable[[], Accounts]
) -> None:
    sessions = [new_session() for _ in range(4)]
    clock.move(hours=3)

    async def all_at_once() -> set[str]:
        try:
            return set(await asyncio.gather(*(token(session, account) for session in sessions for _ in range(2))))
        finally:
            for session in sessions:
                await session.close()

    assert len(asyncio.run(all_at_once())) == 1
    assert renewals(x) == 1


# ---- refused in the middle -----------------------------------------------------------------------


def test_refused_tokens_are_renewed_once(accounts: Accounts, account: Account, x: XSimulator) -> None:
    async def scenario() -> None:
        first = await token(accounts, account)
        x.sign_in.expire_access()
        await asyncio.gather(accounts.refresh_now(account), accounts.refresh_now(account))
        assert await token(accounts, account) != first

    run(accounts, scenario())
    assert renewals(x) == 1


def test_testing_an_account_renews_its_sign_in(accounts: Accounts, account: Account, x: XSimulator) -> None:
    assert run(accounts, accounts.test(account.id)).state is AccountState.CONNECTED
    assert renewals(x) == 1


# ---- what disconnects and what does not ----------------------------------------------------------


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.DOWN, FaultKind.RATE])
def test_a_stumbling_platform_never_disconnects(
    accounts: Accounts, account: Account, x: XSimulator, clock: MovingClock, kind: FaultKind
) -> None:
    async def scenario() -> None:
        first = await token(accounts, account)
        clock.move(minutes=119)
        x.faults.add(TOKEN, Fault(kind, seconds=7, times=2))
        assert await token(accounts, account) == first  # good for a minute more
        clock.move(minutes=2)
        error = await refusal(accounts, account)
        assert error.passes_by_itself
        assert accounts.get(account.id).result().state is AccountState.CONNECTED
        assert await token(accounts, account) != first

    run(accounts, scenario())


def test_only_the_platforms_refusal_disconnects(
    accounts: Accounts, account: Account, x: XSimulator, clock: MovingClock
) -> None:
    async def scenario() -> None:
        held = await token(accounts, account)
        clock.move(hours=3)
        x.sign_in._refresh.clear()  # the creator withdrew the app's access
        error = await refusal(accounts, account)
        assert error.kind is ErrorKind.AUTH
        assert "connect the account again" in error.user_message
        assert held not in repr(error) + error.detail
        now = accounts.get(account.id).result()
        assert (now.state, now.attention) == (AccountState.NEEDS_SIGN_IN, error.user_message)

        calls = len(x.requests)
        assert (await refusal(accounts, account)).user_message == error.user_message
        with pytest.raises(PublishError, match="connect the account again"):
            await accounts.refresh_now(account)
        assert len(x.requests) == calls  # nothing is asked in vain
        await connect_x(accounts, x)
        await token(accounts, account)

    run(accounts, scenario())


def test_a_sign_in_missing_from_the_keychain_asks_to_connect_again(
    accounts: Accounts, account: Account, keychain: MemoryKeychain, new_session: Callable[[], Accounts]
) -> None:
    keychain.items.clear()
    other = new_session()
    error = run(other, refusal(other, account))
    assert error.kind is ErrorKind.AUTH
    assert accounts.get(account.id).result().attention == error.user_message


def test_an_account_removed_meanwhile_stays_removed(
    accounts: Accounts, account: Account, x: XSimulator, store: Store, keychain: MemoryKeychain
) -> None:
    async def scenario() -> None:
        await token(accounts, account)
        store.write(lambda unit: unit.accounts.lease(account.id, lease.DURATION)).result()
        renewal = asyncio.create_task(accounts.refresh_now(account))
        await asyncio.sleep(0)  # it has begun, and waits for the lease of the process that removes the account
        await asyncio.wrap_future(accounts.get(account.id))
        keychain.items.clear()
        store.write(lambda unit: unit.accounts.set_state(account.id, AccountState.REMOVED)).result()
        store.write(lambda unit: unit.accounts.release(account.id)).result()
        with pytest.raises(PublishError) as caught:
            await renewal
        assert caught.value.kind is ErrorKind.AUTH

    run(accounts, scenario())
    assert accounts.get(account.id).result().state is AccountState.REMOVED
    assert renewals(x) == 0


# ---- the keychain and the lease ------------------------------------------------------------------


def test_new_tokens_are_stored_before_they_are_used_and_survive_a_locked_keychain(
    accounts: Accounts, account: Account, x: XSimulator, clock: MovingClock, keychain: MemoryKeychain
) -> None:
    def refuse(*_words: str) -> None:
        raise KeyringLocked("Failed to unlock the collection!")

    async def scenario() -> None:
        clock.move(hours=3)
        with pytest.MonkeyPatch.context() as locked:
            locked.setattr(keychain, "set_password", refuse)
            assert (await refusal(accounts, account)).kind is ErrorKind.NETWORK
        assert accounts.get(account.id).result().state is AccountState.CONNECTED
        await token(accounts, account)

    run(accounts, scenario())
    assert renewals(x) == 1  # the refresh token was spent by then


def test_a_canceled_caller_loses_no_tokens(
    accounts: Accounts, account: Account, x: XSimulator, clock: MovingClock, new_session: Callable[[], Accounts]
) -> None:
    clock.move(hours=3)
    x.faults.add(TOKEN, Fault(FaultKind.SLOW, seconds=1))

    async def scenario() -> None:
        caller = asyncio.create_task(token(accounts, account))
        await asyncio.to_thread(renewal_begins, x)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    run(accounts, scenario())  # closing waits for the answer
    other = new_session()
    run(other, token(other, account))
    assert renewals(x) == 1


def test_the_lease_of_another_process_is_waited_for_and_of_a_dead_one_runs_out(
    accounts: Accounts, account: Account, store: Store, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.move(hours=3)
    store.write(lambda unit: unit.accounts.lease(account.id, lease.DURATION)).result()
    monkeypatch.setattr(lease, "WAIT", 0.1)
    error = run(accounts, refusal(accounts, account))
    assert error.passes_by_itself
    assert "Another Quarry" in error.user_message
    clock.move(seconds=lease.DURATION.total_seconds())
    run(accounts, token(accounts, account))
    assert store.write(lambda unit: unit.accounts.lease(account.id, lease.DURATION)).result()  # let go of


def test_a_damaged_entry_counts_as_signed_out(
    accounts: Accounts, account: Account, keychain: MemoryKeychain, tmp_path: Path, new_session, expected_log
) -> None:
    Keychain(keychain, SecretsLock(tmp_path / "lock")).set(account.id, '{"access_token": 1}')
    other = new_session()
    expected_log("cannot be read and counts as missing")
    assert run(other, refusal(other, account)).kind is ErrorKind.AUTH
