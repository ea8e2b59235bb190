"""No secret stands anywhere but in the keychain, whatever happened before."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import pytest

from app.accounts.service import Accounts
from app.accounts.tokens import secret_values
from app.core.errors import KnownError
from app.core.folder import DataFolder
from app.store.database import Store
from publishers.errors import PublishError
from publishers.testing.faults import Fault, FaultKind, Route
from publishers.testing.x import XSimulator
from tests.app.accounts.conftest import ANSWERS, connect_x, run
from tests.app.conftest import MovingClock

ECHO = Fault(FaultKind.ECHO)  # the platform repeats what it was sent in its error
TOKEN = Route("POST", "/2/oauth2/token")


def told(error: BaseException) -> str:
    """Everything an error says, its causes included."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None:
        chain.append(at)
        at = at.__cause__ or at.__context__
    said = [f"{one!r} {one} {getattr(one, 'detail', '')} {getattr(one, 'user_message', '')}" for one in chain]
    return "\n".join([*said, *traceback.format_exception(error)])


def test_no_secret_leaves_the_keychain(
    accounts: Accounts,
    x: XSimulator,
    clock: MovingClock,
    store: Store,
    folder: DataFolder,
    new_session: Callable[[], Accounts],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets: set[str] = {ANSWERS["client_secret"]}
    errors: list[str] = []

    async def scenario() -> None:
        x.faults.add(TOKEN, ECHO)
        with pytest.raises(KnownError) as refused:
            await connect_x(accounts, x)
        errors.append(told(refused.value))
        x.faults.add(Route("GET", "/2/users/me"), ECHO)
        with pytest.raises(KnownError) as refused:
            await connect_x(accounts, x)
        errors.append(told(refused.value))
        account = await connect_x(accounts, x)
        for _ in range(2):
            async with accounts.context(account) as context:
                secrets.update(secret_values(context.tokens))
                x.faults.add(Route("GET", "/2/tweets"), ECHO)
                bearer = {"Authorization": f"Bearer {context.tokens.access_token}"}
                with pytest.raises(PublishError) as echoed:
                    await context.http.request("GET", f"{x.url}/2/tweets", headers=bearer)
                errors.append(told(echoed.value) + repr(context))
            clock.move(hours=3)
            x.faults.add(TOKEN, ECHO)
            with pytest.raises(PublishError) as echoed:
                async with accounts.context(account):
                    pass
            errors.append(told(echoed.value))

    run(accounts, scenario())
    secrets |= {exchange.request.form.get("code", "") for exchange in x.exchanges}
    secrets |= {exchange.request.form.get("code_verifier", "") for exchange in x.exchanges}
    secrets -= {"", ANSWERS["client_id"]}
    assert len(secrets) >= 7  # the app's, and tokens, codes and verifiers of their own at each turn
    store.close()
    places = {
        path.name: path.read_bytes().decode("utf-8", "replace") for path in folder.root.rglob("*") if path.is_file()
    }
    places |= {"errors": "\n".join(errors), "log": caplog.text}
    assert "quarry.db" in places
    assert [(name, secret[:9]) for name, text in places.items() for secret in secrets if secret in text] == []
