"""The passphrase vault: one encrypted file for computers without a keychain.

    magic (8) | scrypt cost (1) | salt (16) | check (16) | nonce (12) | AES-256-GCM of the JSON {name: value}

scrypt (RFC 7914) makes 64 bytes of the passphrase: 32 are the key, 16 of the others the check that tells a wrong
passphrase from a damaged file. All before the ciphertext is authenticated with it.
"""

from __future__ import annotations

import errno
import hmac
import json
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from app.core.errors import KnownError
from app.core.files import replace_file
from app.secrets.contract import SecretsLock, checked_name

COST = 17  # log2 of scrypt's N: 128 MB and about 0.4 s, as OWASP's password storage cheat sheet asks
SHORTEST = 8  # characters of a new passphrase
_COSTS = range(10, 19)  # what is accepted from a file: at most 256 MB
_MAGIC = b"QUARRYV1"
_SALT, _CHECK, _NONCE = 16, 16, 12
_HEADER = len(_MAGIC) + 1 + _SALT + _CHECK
_LARGEST = 16 * 2**20  # bytes


@dataclass(frozen=True, slots=True, repr=False)
class _Keys:
    """What a passphrase becomes for one vault."""

    header: bytes
    key: bytes

    @classmethod
    def derive(cls, passphrase: str, cost: int, salt: bytes) -> Self:
        made = Scrypt(salt=salt, length=64, n=2**cost, r=8, p=1).derive(
            unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
        )
        return cls(_MAGIC + bytes([cost]) + salt + made[32 : 32 + _CHECK], made[:32])


class Vault:
    """SecretStore over the file. Every call reads it anew, so that processes see each other's writes."""

    def __init__(self, path: Path, lock: SecretsLock, keys: _Keys) -> None:
        self._path = path
        self._lock = lock
        self._keys = keys

    @classmethod
    def create(cls, path: Path, lock: SecretsLock, passphrase: str, *, cost: int | None = None) -> Vault:
        """A new, empty vault. Raises KnownError for a short passphrase, a full disk, or where one stands already."""
        if len(passphrase) < SHORTEST:
            raise KnownError(
                f"The passphrase is too short: nothing was stored; choose one of at least {SHORTEST} characters."
            )
        vault = cls(path, lock, _Keys.derive(passphrase, cost or COST, secrets.token_bytes(_SALT)))
        with lock.held():
            if path.exists():
                raise KnownError("Another Quarry has just made a vault here: nothing was changed; try again.")
            vault._store({})
        return vault

    @classmethod
    def unlock(cls, path: Path, lock: SecretsLock, passphrase: str) -> Vault:
        """An existing vault. Raises KnownError for a wrong passphrase or a damaged file, which stays as it is."""
        header = _read_file(path)[:_HEADER]
        cost, salt = header[len(_MAGIC)], header[len(_MAGIC) + 1 : len(_MAGIC) + 1 + _SALT]
        if cost not in _COSTS:
            raise _damaged(path)
        keys = _Keys.derive(passphrase, cost, salt)
        if not hmac.compare_digest(keys.header, header):
            raise KnownError("The passphrase does not open the vault: nothing was changed; try another.")
        vault = cls(path, lock, keys)
        with lock.held():
            vault._load()
        return vault

    def get(self, name: str, *, fresh: bool = False) -> str | None:
        checked_name(name)
        with self._lock.held():
            return self._load().get(name)

    def set(self, name: str, value: str) -> None:
        checked_name(name)
        with self._lock.held():
            self._store({**self._load(), name: value})

    def delete(self, name: str) -> None:
        checked_name(name)
        with self._lock.held():
            held = self._load()
            if held.pop(name, None) is not None:
                self._store(held)

    def _load(self) -> dict[str, str]:
        data = _read_file(self._path)
        header, nonce, sealed = data[:_HEADER], data[_HEADER : _HEADER + _NONCE], data[_HEADER + _NONCE :]
        if header != self._keys.header:
            raise KnownError(
                "The vault was replaced by another while it was open: nothing was changed; restart Quarry, unlock it."
            )
        try:
            held: dict[str, str] = json.loads(AESGCM(self._keys.key).decrypt(nonce, sealed, header))
        except InvalidTag as error:
            raise _damaged(self._path) from error
        return held

    def _store(self, held: dict[str, str]) -> None:
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._keys.key).encrypt(nonce, json.dumps(held).encode(), self._keys.header)
        try:
            replace_file(self._path, self._keys.header + nonce + sealed)
        except OSError as error:
            reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
            raise KnownError(
                f"The vault {self._path} could not be written ({reason}): what it held is safe; "
                "put that right and try again."
            ) from error


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise KnownError(
            f"The vault {path} cannot be read ({error.strerror}): nothing was changed; check the file and try again."
        ) from error
    if not data.startswith(_MAGIC) or not _HEADER + _NONCE + 16 <= len(data) <= _LARGEST:
        raise _damaged(path)
    return data


def _damaged(path: Path) -> KnownError:
    return KnownError(
        f"The vault {path} is damaged: it was left as it is; restore it from a backup, or move it away and connect "
        "your accounts again."
    )
