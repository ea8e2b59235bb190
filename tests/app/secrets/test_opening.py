from __future__ import annotations

from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import InitError

from app.core.errors import KnownError
from app.core.folder import DataFolder
from app.secrets.keychain import Keychain
from app.secrets.opening import PASSPHRASE_VARIABLE, has_vault, open_secrets
from app.secrets.vault import Vault
from tests.app.secrets.memory import MemoryKeychain

PASSPHRASE = "correct horse battery"


def nobody() -> None:
    return None


def creator() -> str:
    return PASSPHRASE


@pytest.fixture(autouse=True)
def no_keychain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    monkeypatch.setattr("app.secrets.vault.COST", 10)  # scrypt in milliseconds
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture
def folder(folder: DataFolder) -> DataFolder:
    return folder.prepare()


class DismissedKeychain(MemoryKeychain):
    """Locked, and the creator closes the system's question."""

    def get_password(self, service: str, username: str) -> str | None:
        raise InitError("Failed to create the collection: Prompt dismissed..")

    set_password = get_password  # type: ignore[assignment]


class ForgetfulKeychain(MemoryKeychain):
    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class PlaintextKeyring(MemoryKeychain):
    """Named like those of keyrings.alt."""


def test_the_keychain_is_the_first_choice_and_is_remembered(folder: DataFolder) -> None:
    keychain = MemoryKeychain()
    keyring.set_keyring(keychain)
    open_secrets(folder, nobody).set("name", "value")
    assert isinstance(again := open_secrets(folder, creator), Keychain)
    assert again.get("name") == "value"
    assert not has_vault(folder)
    assert [item for _, item in keychain.items] == ["name"]  # the probe is gone


@pytest.mark.parametrize(
    "backend",
    [fail.Keyring, null.Keyring, chainer.ChainerBackend, DismissedKeychain, ForgetfulKeychain, PlaintextKeyring],
)
def test_without_a_safe_keychain_the_vault_takes_over(folder: DataFolder, backend: type[KeyringBackend]) -> None:
    keyring.set_keyring(backend())
    with pytest.raises(KnownError, match="keychain") as caught:
        open_secrets(folder, nobody)
    assert PASSPHRASE_VARIABLE in caught.value.message
    assert not has_vault(folder)
    open_secrets(folder, creator).set("name", "value")
    assert isinstance(again := open_secrets(folder, creator), Vault)
    assert again.get("name") == "value"


def test_the_variable_chooses_a_vault_and_opens_it(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(MemoryKeychain())
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert isinstance(open_secrets(folder, nobody), Vault)
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    assert isinstance(open_secrets(folder, creator), Vault)
    with pytest.raises(KnownError, match="locked and no passphrase"):
        open_secrets(folder, nobody)
    with pytest.raises(KnownError, match="does not open"):
        open_secrets(folder, lambda: "wrong passphrase")


@pytest.mark.parametrize("outage", [fail.Keyring, DismissedKeychain])
def test_an_outage_of_the_keychain_does_not_start_a_vault(
    folder: DataFolder, outage: type[KeyringBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    keychain = MemoryKeychain()
    keyring.set_keyring(keychain)
    open_secrets(folder, nobody).set("name", "value")
    keyring.set_keyring(outage())
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    with pytest.raises(KnownError, match="cannot be reached"):
        open_secrets(folder, creator)
    assert not has_vault(folder)
    keyring.set_keyring(keychain)
    assert open_secrets(folder, nobody).get("name") == "value"
