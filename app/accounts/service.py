"""The accounts service: connect, test, remove, and the Context an adapter works with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress

from app.accounts.answers import Answers, check_answers
from app.accounts.browser import PORT_SETTING, BrowserSignIn, redirect_port
from app.accounts.lease import leased
from app.accounts.refresh import Refresher
from app.accounts.tokens import OpenSecrets, TokenStore, secret_values
from app.core.clock import Clock
from app.core.errors import KnownError, ServiceDown, WrongUsage
from app.core.ids import Id, new_id
from app.core.words import Account, AccountState
from app.store.database import Store
from app.store.unit import Unit
from publishers import registry
from publishers.api import (
    Adapter,
    AuthKind,
    Capabilities,
    Connected,
    Context,
    Identity,
    Json,
    SignsInByBrowser,
    SignsInByPassword,
    TokenSet,
)
from publishers.errors import ErrorKind, PublishError
from publishers.http import Http, open_http
from publishers.oauth import CodeListener


class Accounts:
    """Connected identities. Secrets go to the secret store alone, which opens when an account first needs one.

    Coroutines belong on one loop. Those a creator starts raise KnownError; `context` and `refresh_now`, which the
    workers use, raise PublishError."""

    def __init__(
        self,
        store: Store,
        secrets: OpenSecrets,
        clock: Clock,
        *,
        find: Callable[[str], Adapter] = registry.get,
    ) -> None:
        self._store = store
        self._clock = clock
        self._find = find
        self._tokens = TokenStore(secrets)
        self._refresher = Refresher(store, self._tokens, clock)
        self._pool: AbstractAsyncContextManager[Http] | None = None
        self._pool_loop: asyncio.AbstractEventLoop | None = None
        self._http: Http | None = None

    # ---- looking -------------------------------------------------------------------------------

    def platforms(self) -> tuple[Capabilities, ...]:
        """What can be connected, by name of the platform."""
        return registry.platforms()

    def all(self, platform: str | None = None) -> Future[Sequence[Account]]:
        """Every account that was not removed, oldest first."""
        return self._store.read(lambda unit: unit.accounts.all(platform))

    def get(self, account_id: Id) -> Future[Account]:
        """By its id or the unique ending of one. Raises NotThere."""
        return self._store.read(lambda unit: unit.accounts.get(account_id))

    def redirect_uri(self, platform: str) -> Future[str]:
        """The address to register with the platform before connecting; its port is 0 where any will do."""
        capabilities = self._adapter(platform).capabilities
        return self._store.read(
            lambda unit: CodeListener(redirect_port(capabilities, unit.settings.get(PORT_SETTING))).redirect_uri
        )

    # ---- connecting ----------------------------------------------------------------------------

    async def connect_password(self, platform: str, answers: Mapping[str, str]) -> Account:
        """Sign in with the answers to the platform's questions. The same identity again keeps its account's id."""
        adapter = self._adapter(platform)
        if not isinstance(adapter, SignsInByPassword):
            raise WrongUsage(f"{adapter.capabilities.name} is connected in the browser.")
        checked = check_answers(adapter.capabilities, answers)
        await self._open_secrets(adapter)
        http = await self._open_http()
        with _as_told_to_creator(adapter.capabilities):
            connected = await adapter.sign_in(http.bound(secrets=checked.secrets), checked.given, self._clock())
            return await self._keep(adapter, checked, connected)

    async def begin_browser(self, platform: str, answers: Mapping[str, str], *, server: str = "") -> BrowserSignIn:
        """Start listening for the browser; open `url` of the result, then complete or close it.

        `server` replaces the platform's own address."""
        adapter = self._adapter(platform)
        capabilities = adapter.capabilities
        if not isinstance(adapter, SignsInByBrowser):
            raise WrongUsage(f"{capabilities.name} is connected without the browser.")
        checked = check_answers(capabilities, answers)
        port = redirect_port(
            capabilities,
            await asyncio.wrap_future(self._store.read(lambda unit: unit.settings.get(PORT_SETTING))),
        )
        await self._open_secrets(adapter)
        try:
            return await BrowserSignIn.begin(capabilities, adapter, checked.given, server or capabilities.server, port)
        except PublishError as error:
            raise KnownError(error.user_message, detail=error.detail) from error

    async def complete_browser(self, sign_in: BrowserSignIn, pasted: str = "") -> Account:
        """Wait for the browser, or take the address it ended at from `pasted`, and connect the account."""
        adapter = self._adapter(sign_in.platform)
        assert isinstance(adapter, SignsInByBrowser)
        checked = check_answers(adapter.capabilities, sign_in.answers)
        http = await self._open_http()
        try:
            with _as_told_to_creator(adapter.capabilities):
                code = await sign_in.code(pasted)
                secrets = (*checked.secrets, code, sign_in.request.verifier)
                connected = await adapter.complete(
                    http.bound(secrets=secrets),
                    sign_in.server,
                    checked.given,
                    sign_in.redirect_uri,
                    sign_in.request,
                    code,
                )
                return await self._keep(adapter, checked, connected)
        finally:
            await sign_in.close()

    async def _keep(self, adapter: Adapter, answers: Answers, connected: Connected) -> Account:
        """Store the account, then its tokens: a crash in between leaves an account to sign in to, never a secret
        that no account knows of."""
        who = connected.identity
        signed = adapter.capabilities.auth is not AuthKind.NONE
        account = Account(
            new_id(),
            adapter.capabilities.platform,
            who.remote_id,
            who.handle,
            who.server,
            name=who.name,
            answers=answers.public,
            state=AccountState.NEEDS_SIGN_IN if signed else AccountState.CONNECTED,
        )
        account = await asyncio.wrap_future(self._store.write(lambda unit: unit.accounts.save(account)))
        if signed:
            await self._refresher.replace(account.id, connected.tokens)
        return await self._row(account.id)

    # ---- afterwards ----------------------------------------------------------------------------

    async def test(self, account_id: Id) -> Account:
        """Prove that the account works: the folder can be written, or the platform renews the sign-in."""
        account = await self._row(account_id)
        adapter = self._adapter(account.platform)
        http = await self._open_http()
        with _as_told_to_creator(adapter.capabilities):
            if adapter.capabilities.auth is not AuthKind.NONE:
                await self._refresher.renew(account, adapter, http)
            elif isinstance(adapter, SignsInByPassword):
                await adapter.sign_in(http, account.answers, self._clock())
        return await self._row(account.id)

    async def remove(self, account_id: Id) -> None:
        """Delete its secrets, then hide it; what was published through it stays."""
        account = await self._row(account_id)
        with suppress(registry.UnknownPlatform):  # its plugin may be gone; its secrets are not
            if self._find(account.platform).capabilities.auth is AuthKind.NONE:
                await asyncio.wrap_future(self._store.write(lambda unit: _mark_removed(unit, account.id)))
                return
        try:
            async with leased(self._store, account.id):
                await self._tokens.delete(account.id)
                await asyncio.wrap_future(self._store.write(lambda unit: _mark_removed(unit, account.id)))
        except PublishError as error:
            raise ServiceDown(error.user_message) from error

    # ---- for the workers -----------------------------------------------------------------------

    @asynccontextmanager
    async def context(self, account: Account, *, attempt: str = "", target: str = "") -> AsyncIterator[Context]:
        """What a step, a reconcile or a pull may use: fresh tokens, HTTP that knows what to blot out.

        Raises PublishError(AUTH) where the creator has to sign in, NETWORK where the tokens could not be renewed or
        the keychain is locked; UnknownPlatform. Nothing was sent then."""

        def look(unit: Unit) -> tuple[Account, dict[str, Json]]:
            return unit.accounts.get(account.id), unit.settings.under(f"platform.{account.platform}.")

        account, overrides = await asyncio.wrap_future(self._store.read(look))
        adapter = self._find(account.platform)
        _refuse_unless_connected(account)
        http, tokens = await self._open_http(), TokenSet()
        if adapter.capabilities.auth is not AuthKind.NONE:
            tokens = await self._refresher.current(account, adapter, http)
        yield Context(
            http=http.bound(secrets=secret_values(tokens)),
            identity=Identity(account.remote_id, account.handle, account.server, account.name),
            tokens=tokens,
            now=self._clock,
            attempt=attempt,
            target=target,
            settings={**overrides, **account.answers},
        )

    async def refresh_now(self, account: Account) -> None:
        """The platform has refused the tokens of the last context: renew them, unless another process has.

        Raises PublishError: AUTH where the creator has to sign in, else what passes by itself."""
        account = await self._row(account.id)
        _refuse_unless_connected(account)
        await self._refresher.renew(account, self._find(account.platform), await self._open_http())

    async def close(self) -> None:
        """Finish renewals that are on their way and close the connections."""
        await self._refresher.finish()
        pool, self._pool, self._http = self._pool, None, None
        if pool is not None and self._pool_loop is asyncio.get_running_loop():
            await pool.__aexit__(None, None, None)

    # ---- within --------------------------------------------------------------------------------

    def _adapter(self, platform: str) -> Adapter:
        try:
            return self._find(platform)
        except registry.UnknownPlatform as error:
            raise WrongUsage(str(error)) from error

    async def _row(self, account_id: Id) -> Account:
        return await asyncio.wrap_future(self.get(account_id))

    async def _open_secrets(self, adapter: Adapter) -> None:
        """Ask for the keychain before an app password or a code is spent."""
        if adapter.capabilities.auth is not AuthKind.NONE:
            await self._tokens.open()

    async def _open_http(self) -> Http:
        """One connection pool for all accounts. A loop that ends without `close` ends the pool with its generators."""
        loop = asyncio.get_running_loop()
        if self._http is None or self._pool_loop is not loop:
            self._pool, self._pool_loop = open_http(now=self._clock), loop
            self._http = await self._pool.__aenter__()
        return self._http


def _mark_removed(unit: Unit, account_id: Id) -> None:
    unit.accounts.set_state(account_id, AccountState.REMOVED)


def _refuse_unless_connected(account: Account) -> None:
    if account.state is AccountState.REMOVED:
        raise PublishError(ErrorKind.AUTH, f"The account {account.label} was removed: choose another for this post.")
    if account.state is AccountState.NEEDS_SIGN_IN:
        sentence = account.attention or f"{account.label} is signed out: connect the account again."
        raise PublishError(ErrorKind.AUTH, sentence)


@contextmanager
def _as_told_to_creator(capabilities: Capabilities) -> Iterator[None]:
    """A failure while the creator waits: nobody tries again by itself, so the sentence must not say so."""
    try:
        yield
    except PublishError as error:
        if error.kind in {ErrorKind.NETWORK, ErrorKind.PLATFORM_DOWN}:
            raise ServiceDown(
                f"{capabilities.name} could not be reached: nothing was stored; check the connection and try again.",
                detail=f"{error.user_message} {error.detail}".strip(),
            ) from error
        raise KnownError(error.user_message, detail=error.detail) from error
