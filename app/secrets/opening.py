"""Which place keeps a data folder's secrets: chosen once, then remembered, so that an outage never splits them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from app.core.errors import KnownError
from app.core.folder import DataFolder
from app.secrets.contract import SecretsLock, SecretStore
from app.secrets.keychain import Keychain, KeychainDown, NoKeychain, find_backend
from app.secrets.vault import Vault

PASSPHRASE_VARIABLE = "QUARRY_VAULT_PASSPHRASE"
Ask = Callable[[], str | None]
"""Asks the creator for the vault's passphrase (prompt, dialog, stdin); None where nobody can be asked or they
declined. `has_vault` tells beforehand whether it is a new one, to be typed twice."""


def has_vault(folder: DataFolder) -> bool:
    return _vault(folder).exists()


def open_secrets(folder: DataFolder, passphrase: Ask) -> SecretStore:
    """The secrets of a prepared data folder.

    A new folder uses the keychain; it gets a vault where there is no keychain, or where QUARRY_VAULT_PASSPHRASE is
    set, which is how a creator chooses one. Blocks while the system or the creator is asked. Raises KnownError.
    """
    lock = SecretsLock(folder.run / "secrets.lock")
    if has_vault(folder):
        return Vault.unlock(_vault(folder), lock, _passphrase(passphrase, _LOCKED))
    if _marker(folder).exists():
        return _remembered_keychain(folder, lock)
    reason = f"{PASSPHRASE_VARIABLE} is set"
    if not os.environ.get(PASSPHRASE_VARIABLE):
        try:
            return _new_keychain(folder, lock)
        except NoKeychain as error:
            reason = str(error)
    word = _passphrase(passphrase, _NEITHER.format(reason=reason))
    if has_vault(folder):  # made by another process while the creator typed
        return Vault.unlock(_vault(folder), lock, word)
    return Vault.create(_vault(folder), lock, word)


def _new_keychain(folder: DataFolder, lock: SecretsLock) -> Keychain:
    """The keychain, proved by a round trip and remembered. Raises NoKeychain."""
    backend = find_backend()
    keychain = Keychain(backend, lock)
    with lock.held():
        try:
            keychain.probe(write=True)
        except KeychainDown as error:
            raise NoKeychain(error.detail or error.message) from error
        try:
            _marker(folder).write_text(f"The sign-ins of this data folder are kept in: {backend.name}\n", "utf-8")
        except OSError as error:
            raise KnownError(
                f"The data folder cannot be written ({error.strerror}): nothing was stored; check it and try again."
            ) from error
    return keychain


def _remembered_keychain(folder: DataFolder, lock: SecretsLock) -> Keychain:
    try:
        keychain = Keychain(find_backend(), lock)
        keychain.probe(write=False)
    except (NoKeychain, KeychainDown) as error:
        reason = error.detail if isinstance(error, KeychainDown) else str(error)
        raise KnownError(
            f"The keychain that holds this data folder's sign-ins cannot be reached ({reason}): nothing was changed; "
            f"unlock it and try again, or delete {_marker(folder)} to start a vault and connect your accounts anew."
        ) from error
    return keychain


def _passphrase(ask: Ask, without: str) -> str:
    word = os.environ.get(PASSPHRASE_VARIABLE) or ask()
    if not word:
        raise KnownError(without)
    return word


def _vault(folder: DataFolder) -> Path:
    return folder.root / "vault"


def _marker(folder: DataFolder) -> Path:
    return folder.root / "keychain.txt"


_LOCKED = (
    f"The vault of this data folder is locked and no passphrase was given: nothing was changed; "
    f"type it, or set {PASSPHRASE_VARIABLE}."
)
_NEITHER = (
    "There is no keychain to keep the sign-in in ({reason}) and no passphrase for a vault: nothing was stored; "
    f"install or unlock a keychain (GNOME Keyring, KWallet), or set {PASSPHRASE_VARIABLE} to use an encrypted vault."
)
