"""An accounts service with the simulated X, a keychain in memory, and a browser that agrees to everything."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import pytest

from app.accounts.service import Accounts
from app.core.words import Account
from app.secrets.contract import SecretsLock
from app.secrets.keychain import Keychain
from app.store.database import Store
from publishers import registry
from publishers.api import Adapter
from publishers.testing.x import Rules, XSimulator
from publishers.x.adapter import XAdapter
from tests.app.conftest import MovingClock
from tests.app.secrets.memory import MemoryKeychain

T = TypeVar("T")
ANSWERS = {"client_id": "quarry-client", "client_secret": "the-app-secret"}


@pytest.fixture
def x(clock: MovingClock) -> Iterator[XSimulator]:
    with XSimulator(Rules(client_secret=ANSWERS["client_secret"]), now=clock) as simulator:
        yield simulator


@pytest.fixture
def keychain() -> MemoryKeychain:
    return MemoryKeychain()


@pytest.fixture
def find(clock: MovingClock) -> Callable[[str], Adapter]:
    """The real adapters, X's on the test's clock."""
    dated = {"x": XAdapter(clock)}
    return lambda platform: dated.get(platform) or registry.get(platform)


@pytest.fixture
def new_session(
    store: Store, clock: MovingClock, find: Callable[[str], Adapter], keychain: MemoryKeychain, tmp_path: Path
) -> Callable[[], Accounts]:
    """The service as another process would open it: nothing is remembered but what is stored."""
    store.write(lambda unit: unit.settings.set("oauth.port", free_port())).result()
    return lambda: Accounts(store, lambda: Keychain(keychain, SecretsLock(tmp_path / "lock")), clock, find=find)


@pytest.fixture
def accounts(new_session: Callable[[], Accounts]) -> Accounts:
    return new_session()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def run(accounts: Accounts, work: Coroutine[Any, Any, T]) -> T:
    """On a loop of its own, connections closed at the end."""

    async def whole() -> T:
        try:
            return await work
        finally:
            await accounts.close()

    return asyncio.run(whole())


async def browse(url: str) -> int:
    """What the browser of a creator who agrees does; gives the status of the page it ends at. Not httpx, whose log
    would hold what a browser shows in its address bar."""

    def follow() -> int:
        with urlopen(url) as page:
            status: int = page.status
            return status

    return await asyncio.to_thread(follow)


async def connect_x(accounts: Accounts, x: XSimulator) -> Account:
    sign_in = await accounts.begin_browser("x", ANSWERS, server=x.url)
    account, status = await asyncio.gather(accounts.complete_browser(sign_in), browse(sign_in.url))
    assert status == 200
    return account


def renewals(x: XSimulator) -> int:
    """How often a refresh token was handed in."""
    return sum(exchange.request.form.get("grant_type") == "refresh_token" for exchange in x.exchanges)
