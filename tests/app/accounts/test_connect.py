from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from keyring.errors import KeyringLocked

from app.accounts.service import Accounts
from app.core.errors import KnownError, NotThere, ServiceDown, WrongUsage
from app.core.words import AccountState
from app.store.database import Store
from publishers.errors import ErrorKind, PublishError
from publishers.testing.x import XSimulator
from tests.app.accounts.conftest import ANSWERS, connect_x, run
from tests.app.conftest import MovingClock
from tests.app.secrets.memory import MemoryKeychain


def no_keychain() -> None:
    raise AssertionError("nobody may ask for the keychain here")


@pytest.fixture
def folder_only(store: Store, clock: MovingClock) -> Accounts:
    return Accounts(store, no_keychain, clock)  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    return {"folder": str(tmp_path / "site"), "title": "My <site>"}


# ---- the local folder ----------------------------------------------------------------------------


def test_a_folder_is_connected_and_used_without_a_keychain(folder_only: Accounts, site: dict[str, str]) -> None:
    async def scenario() -> None:
        account = await folder_only.connect_password("local", site)
        assert (account.state, account.label) == (AccountState.CONNECTED, "My <site>")
        async with folder_only.context(account, attempt="a1", target="t1") as context:
            assert context.settings["folder"] == site["folder"]
            assert (context.attempt, context.target, context.tokens.access_token) == ("a1", "t1", "")
            assert context.identity.remote_id == site["folder"]
        assert await folder_only.test(account.id) == account
        again = await folder_only.connect_password("local", {**site, "title": "Renamed"})
        assert (again.id, again.label) == (account.id, "Renamed")
        await folder_only.remove(account.id)
        with pytest.raises(PublishError, match="was removed") as caught:
            async with folder_only.context(account):
                pass
        assert caught.value.kind is ErrorKind.AUTH

    run(folder_only, scenario())
    assert folder_only.all().result() == []
    assert Path(site["folder"], "index.html").exists()  # what was published stays


def test_a_folder_that_cannot_be_written_any_more_is_told(folder_only: Accounts, site: dict[str, str]) -> None:
    account = run(folder_only, folder_only.connect_password("local", site))
    Path(site["folder"]).rename(site["folder"] + "-moved")
    Path(site["folder"]).write_text("a file now")
    with pytest.raises(KnownError):
        run(folder_only, folder_only.test(account.id))


def test_the_creators_numbers_of_a_platform_reach_its_adapter(
    folder_only: Accounts, site: dict[str, str], store: Store
) -> None:
    def settings(unit):
        unit.settings.set("platform.local.settle_seconds", 3)
        unit.settings.set("platform.local_.settle_seconds", 4)
        unit.settings.set("platform.local.folder", "elsewhere")

    store.write(settings).result()

    async def scenario() -> None:
        async with folder_only.context(await folder_only.connect_password("local", site)) as context:
            assert context.settings["settle_seconds"] == 3
            assert context.settings["folder"] == site["folder"]  # what an account answered is nearer

    run(folder_only, scenario())


# ---- the form ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "answers", "sentence"),
    [
        ("nowhere", {}, "no platform 'nowhere'"),
        ("local", {"fodler": "x"}, "does not ask for 'fodler'; it asks for: folder"),
        ("local", {}, "Folder is missing"),
        ("local", {"folder": "  "}, "Folder is missing"),
        ("local", {"folder": "x\0y"}, "Folder cannot be right"),
        ("bluesky", {"identifier": "a.test", "password": "pass-" + "x" * 5000}, "App password cannot be right"),
        ("x", {}, "X is connected in the browser"),
    ],
)
def test_a_wrong_form_is_told_before_anything_is_sent(
    folder_only: Accounts, platform: str, answers: dict[str, str], sentence: str
) -> None:
    with pytest.raises(WrongUsage, match=sentence) as caught:
        run(folder_only, folder_only.connect_password(platform, answers))
    assert "pass-x" not in caught.value.message


def test_the_browser_is_not_asked_for_a_folder(folder_only: Accounts, site: dict[str, str]) -> None:
    with pytest.raises(WrongUsage, match="without the browser"):
        run(folder_only, folder_only.begin_browser("local", site))


# ---- the browser ---------------------------------------------------------------------------------


def test_an_account_is_connected_in_the_browser(accounts: Accounts, x: XSimulator, keychain: MemoryKeychain) -> None:
    async def scenario() -> None:
        account = await connect_x(accounts, x)
        assert (account.platform, account.handle, account.server) == ("x", "quarry_creator", x.url)
        assert account.state is AccountState.CONNECTED
        assert account.answers == {"client_id": "quarry-client"}
        assert account.expires_at is not None
        async with accounts.context(account) as context:
            assert context.tokens.expires_at == account.expires_at
            answer = await context.http.request(
                "GET", f"{x.url}/2/users/me", headers={"Authorization": f"Bearer {context.tokens.access_token}"}
            )
            assert answer.json()["data"]["id"] == account.remote_id
        assert (await connect_x(accounts, x)).id == account.id

    run(accounts, scenario())
    assert len(accounts.all("x").result()) == 1


def test_the_address_to_register_is_the_one_that_is_used(accounts: Accounts, x: XSimulator, store: Store) -> None:
    registered = accounts.redirect_uri("x").result()
    x.rules.redirect_uris = frozenset({registered})
    run(accounts, connect_x(accounts, x))
    store.write(lambda unit: unit.settings.set("oauth.port", "no port")).result()
    assert accounts.redirect_uri("x").result() == "http://127.0.0.1:8721/callback"


def test_an_address_can_be_pasted_where_the_browser_is_elsewhere(accounts: Accounts, x: XSimulator) -> None:
    async def scenario() -> None:
        for name, sentence in (("kode=", "holds no code"), ("code=", "belongs to another sign-in")):
            sign_in = await accounts.begin_browser("x", ANSWERS, server=x.url)
            async with httpx.AsyncClient() as browser:
                address = (await browser.get(sign_in.url)).headers["location"]
            with pytest.raises(KnownError, match=sentence):
                await accounts.complete_browser(sign_in, address.replace("code=", name).replace("state=", "state=x"))
        sign_in = await accounts.begin_browser("x", ANSWERS, server=x.url)
        async with httpx.AsyncClient() as browser:
            address = (await browser.get(sign_in.url)).headers["location"]
        assert (await accounts.complete_browser(sign_in, f" {address}\n")).state is AccountState.CONNECTED

    run(accounts, scenario())


def test_declining_connects_nothing_and_frees_the_port(accounts: Accounts, x: XSimulator) -> None:
    x.rules.decline = True

    async def scenario() -> None:
        for _ in range(2):  # the second would find the port taken
            with pytest.raises(KnownError, match="declined"):
                await connect_x(accounts, x)
        sign_in = await accounts.begin_browser("x", ANSWERS, server=x.url)
        with pytest.raises(KnownError, match="taken by another program"):
            await accounts.begin_browser("x", ANSWERS, server=x.url)
        await sign_in.close()

    run(accounts, scenario())
    assert accounts.all().result() == []


def test_a_platform_that_is_down_stores_nothing(accounts: Accounts, x: XSimulator) -> None:
    async def scenario() -> None:
        sign_in = await accounts.begin_browser("x", ANSWERS, server="http://127.0.0.1:9")
        address = f"{sign_in.redirect_uri}?code=c&state={sign_in.request.state}"
        with pytest.raises(ServiceDown, match="X could not be reached: nothing was stored"):
            await accounts.complete_browser(sign_in, address)

    run(accounts, scenario())
    assert accounts.all().result() == []


# ---- the keychain fails --------------------------------------------------------------------------


def lock_writes(keychain: MemoryKeychain, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_words: str) -> None:
        raise KeyringLocked("Failed to unlock the collection!")

    monkeypatch.setattr(keychain, "set_password", refuse)
    monkeypatch.setattr(keychain, "delete_password", refuse)


def test_a_closed_keychain_is_told_before_a_code_is_spent(store: Store, clock: MovingClock, x: XSimulator) -> None:
    def closed():
        raise KnownError("There is no keychain.")

    accounts = Accounts(store, closed, clock)
    with pytest.raises(KnownError, match="no keychain"):
        run(accounts, accounts.begin_browser("x", ANSWERS, server=x.url))
    with pytest.raises(KnownError, match="no keychain"):
        run(accounts, accounts.connect_password("bluesky", {"identifier": "a.test", "password": "secret"}))
    assert not x.requests


def test_an_account_whose_secrets_were_not_stored_asks_to_sign_in(
    accounts: Accounts, x: XSimulator, keychain: MemoryKeychain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as locked:
        lock_writes(keychain, locked)
        with pytest.raises(KnownError, match="unlock it"):
            run(accounts, connect_x(accounts, x))
    [account] = accounts.all().result()
    assert account.state is AccountState.NEEDS_SIGN_IN
    assert run(accounts, connect_x(accounts, x)) == accounts.get(account.id).result()
    assert accounts.get(account.id).result().state is AccountState.CONNECTED


def test_removing_deletes_the_secrets_or_nothing(
    accounts: Accounts, x: XSimulator, keychain: MemoryKeychain, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = run(accounts, connect_x(accounts, x))
    with monkeypatch.context() as locked:
        lock_writes(keychain, locked)
        with pytest.raises(KnownError, match="unlock it"):
            run(accounts, accounts.remove(account.id))
    assert accounts.get(account.id).result().state is AccountState.CONNECTED
    run(accounts, accounts.remove(account.id))
    assert keychain.items == {}
    assert accounts.get(account.id).result().state is AccountState.REMOVED
    again = run(accounts, connect_x(accounts, x))
    assert (again.id, again.state) == (account.id, AccountState.CONNECTED)


def test_an_account_nobody_knows(accounts: Accounts) -> None:
    with pytest.raises(NotThere):
        run(accounts, accounts.remove("00000000-0000-7000-8000-000000000000"))


def test_connections_end_with_the_loop_that_forgot_to_close_them(accounts: Accounts, x: XSimulator) -> None:
    asyncio.run(connect_x(accounts, x))  # an unclosed socket would be a ResourceWarning, which fails
    asyncio.run(connect_x(accounts, x))
