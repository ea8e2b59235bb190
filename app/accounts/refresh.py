"""Keeping accounts signed in: tokens are renewed before they run out, once for all processes.

A renewed set is in the keychain before it is first used. Only the platform's own refusal disconnects an account;
a cut network never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from app.accounts.lease import leased
from app.accounts.tokens import TokenStore, secret_values
from app.core.clock import Clock
from app.core.errors import KnownError
from app.core.ids import Id
from app.core.words import Account, AccountState
from app.store.database import Store
from app.store.unit import Unit
from publishers.api import Adapter, Identity, Refreshes, TokenSet
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import Http

MARGIN = timedelta(minutes=2)  # tokens that end sooner are renewed before a call
ANSWER_WITHIN = 60.0  # seconds; shorter than the lease


class Refresher:
    """Hands out tokens that are good for a while. Every method raises PublishError with `executed` NO, since what
    the tokens were wanted for was not sent."""

    def __init__(self, store: Store, tokens: TokenStore, clock: Clock) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._handed_out: dict[Id, TokenSet] = {}
        self._unsaved: dict[Id, TokenSet] = {}  # renewed when the keychain was locked
        self._running: set[asyncio.Task[TokenSet]] = set()

    async def current(self, account: Account, adapter: Adapter, http: Http) -> TokenSet:
        """The account's tokens, renewed where they are about to run out."""
        with _keychain_errors():
            tokens = await self._tokens.get(account.id)
            if tokens is None or tokens.expires_at != account.expires_at:  # another process has renewed them
                tokens = await self._tokens.get(account.id, fresh=True)
        if tokens is None:
            raise await self._disconnect(account.id, _missing(account))
        if self._runs_out(tokens) and isinstance(adapter, Refreshes):
            try:
                tokens = await self._renew(account, adapter, http, tokens)
            except PublishError as error:
                # What is good for a minute more is better than nothing where only the way to the platform is cut.
                if not (error.passes_by_itself and self._still_good(tokens)):
                    raise
        self._handed_out[account.id] = tokens
        return tokens

    async def renew(self, account: Account, adapter: Adapter, http: Http) -> TokenSet:
        """New tokens although the ones handed out should still be good: the platform has refused them."""
        if not isinstance(adapter, Refreshes):
            name = adapter.capabilities.name
            error = PublishError(ErrorKind.AUTH, f"{name} no longer accepts the sign-in: connect the account again.")
            raise await self._disconnect(account.id, error)
        return await self._renew(account, adapter, http, self._handed_out.get(account.id))

    async def replace(self, account_id: Id, tokens: TokenSet) -> None:
        """Store the tokens of a new sign-in and mark the account connected."""
        async with leased(self._store, account_id):
            await self._save(account_id, tokens)

    async def finish(self) -> None:
        """Wait for renewals that are on their way, so that no answer is lost."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _renew(self, account: Account, adapter: Refreshes, http: Http, refused: TokenSet | None) -> TokenSet:
        """In a task of its own: whoever waits for it may be canceled, but the answer must be kept."""
        task = asyncio.create_task(self._renew_leased(account.id, adapter, http, refused))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _renew_leased(self, account_id: Id, adapter: Refreshes, http: Http, refused: TokenSet | None) -> TokenSet:
        async with leased(self._store, account_id) as account:
            with _keychain_errors():
                held = await self._tokens.get(account_id, fresh=True)
            if held is None:
                raise await self._disconnect(account_id, _missing(account))
            if refused not in (None, held) and not self._runs_out(held):  # another process was faster
                self._unsaved.pop(account_id, None)
                return held
            renewed = self._unsaved.pop(account_id, None) or await self._ask(account, adapter, http, held)
            with _keychain_errors():
                try:
                    await self._save(account_id, renewed)
                except KnownError:
                    self._unsaved[account_id] = renewed  # the old refresh token is spent: keep the new until it opens
                    raise
            return renewed

    async def _ask(self, account: Account, adapter: Refreshes, http: Http, held: TokenSet) -> TokenSet:
        identity = Identity(account.remote_id, account.handle, account.server, account.name)
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await adapter.refresh(http.bound(secrets=secret_values(held)), identity, held)
        except TimeoutError as error:
            raise PublishError(
                ErrorKind.NETWORK,
                f"The sign-in of {account.label} could not be renewed in time: nothing was sent and "
                "Quarry tries again by itself.",
            ) from error
        except PublishError as error:
            error.executed = Executed.NO  # of what the tokens were wanted for
            if error.kind is ErrorKind.AUTH:
                await self._disconnect(account.id, error)
            raise

    async def _save(self, account_id: Id, tokens: TokenSet) -> None:
        await self._tokens.put(account_id, tokens)
        await asyncio.wrap_future(
            self._store.write(lambda unit: unit.accounts.refreshed(account_id, tokens.expires_at))
        )

    async def _disconnect(self, account_id: Id, error: PublishError) -> PublishError:
        """Note that the creator has to sign in again, unless they removed the account; gives `error` back."""

        def write(unit: Unit) -> None:
            if unit.accounts.get(account_id).state is not AccountState.REMOVED:
                unit.accounts.set_state(account_id, AccountState.NEEDS_SIGN_IN, error.user_message)

        await asyncio.wrap_future(self._store.write(write))
        return error

    def _runs_out(self, tokens: TokenSet) -> bool:
        return tokens.expires_at is not None and tokens.expires_at <= self._clock() + MARGIN

    def _still_good(self, tokens: TokenSet) -> bool:
        return tokens.expires_at is not None and tokens.expires_at > self._clock()


def _missing(account: Account) -> PublishError:
    return PublishError(
        ErrorKind.AUTH,
        f"The sign-in of {account.label} is not in this computer's keychain: connect the account again.",
    )


@contextmanager
def _keychain_errors() -> Iterator[None]:
    """A locked keychain is like a cut network: it disconnects nothing, and what waits is tried again."""
    try:
        yield
    except KnownError as error:
        raise PublishError(ErrorKind.NETWORK, error.message, detail=error.detail) from error
