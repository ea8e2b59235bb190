"""The system's keychain through `keyring`, with values of any length.

Windows stores at most 1,280 UTF-16 units in an item, and a JWT is longer. So a value is cut into items:

    <name>      the head: generation, number of pieces, digest, and the first piece
    <name>/a/1  the further pieces of generation a, counted from 1; a new value takes generation b, and so on

A new value's further pieces are written first, then the head, which switches to them in one step, then the old ones
are deleted. The digest tells a reader that another process replaced the value while it was read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self

import keyring
import keyring.backends.chainer
import keyring.backends.fail
import keyring.backends.null
from keyring.backend import KeyringBackend

from app.core.errors import KnownError
from app.secrets.contract import SecretsLock, checked_name

SERVICE = "Quarry"
ITEM = 1200  # characters of one item, ASCII alone
_HEAD = re.compile(r"1 (?P<generation>[ab]) (?P<count>\d{1,4}) (?P<digest>[0-9a-f]{16}) (?P<piece>[ -~]*)")
_HEAD_ROOM = len("1 a 9999 0123456789abcdef ")
_REFUSED = ("keyrings.alt", "keyrings.cryptfile")  # plain text, or questions asked in the middle of a terminal's work
_log = logging.getLogger(__name__)


class NoKeychain(Exception):
    """There is no keychain that can be used; the message says why in a few words."""


class KeychainDown(KnownError):
    """The keychain did not do what was asked."""


@dataclass(frozen=True, slots=True)
class _Head:
    generation: str
    count: int
    digest: str
    piece: str

    @classmethod
    def parse(cls, item: str | None) -> Self | None:
        found = _HEAD.fullmatch(item) if item else None
        return cls(found["generation"], int(found["count"]), found["digest"], found["piece"]) if found else None

    def __str__(self) -> str:
        return f"1 {self.generation} {self.count} {self.digest} {self.piece}"


class Keychain:
    """SecretStore over one keyring backend. Each secret is read once a session: some systems ask the creator at
    every read."""

    def __init__(self, backend: KeyringBackend, lock: SecretsLock) -> None:
        self._backend = backend
        self._lock = lock
        self._guard = threading.Lock()
        self._seen: dict[str, str] = {}

    def get(self, name: str, *, fresh: bool = False) -> str | None:
        checked_name(name)
        with self._guard:
            if not fresh and name in self._seen:
                return self._seen[name]
            value = self._load(name)
            if value is None:
                self._seen.pop(name, None)
            else:
                self._seen[name] = value
            return value

    def set(self, name: str, value: str) -> None:
        checked_name(name)
        text = json.dumps(value)  # ASCII: one character is one UTF-16 unit
        first, rest = text[: ITEM - _HEAD_ROOM], text[ITEM - _HEAD_ROOM :]
        pieces = [rest[at : at + ITEM] for at in range(0, len(rest), ITEM)]
        with self._guard, self._lock.held():
            self._seen.pop(name, None)
            old = _Head.parse(self._read(name))
            generation, other = ("b", "a") if old and old.generation == "a" else ("a", "b")
            self._delete_pieces(name, generation)  # left by a write that was cut off
            for number, piece in enumerate(pieces, 1):
                self._write(f"{name}/{generation}/{number}", piece)
            self._write(name, str(_Head(generation, len(pieces) + 1, _digest(text), first)))
            self._seen[name] = value
            with suppress(KeychainDown):  # the new value stands; the next write or delete clears the rest
                self._delete_pieces(name, other)

    def delete(self, name: str) -> None:
        checked_name(name)
        with self._guard, self._lock.held():
            self._seen.pop(name, None)
            if self._read(name) is not None:
                self._delete(name)
            for generation in "ab":
                self._delete_pieces(name, generation)

    def probe(self, *, write: bool) -> None:
        """Prove that the keychain can be used. Raises KeychainDown."""
        if not write:
            self._read("probe")
            return
        self._write("probe", "works")
        if self._read("probe") != "works":
            raise KeychainDown("The keychain forgets what it is given.")
        self._delete("probe")

    def _load(self, name: str) -> str | None:
        head, text = self._collect(name)
        if text is None and head is not None:  # perhaps replaced meanwhile; nobody writes while we hold the lock
            with self._lock.held():
                head, text = self._collect(name)
        if text is None and head is not None:
            _log.warning("the keychain's entry %s is damaged and counts as missing", name)
        if text is None:
            return None
        value: str = json.loads(text)
        return value

    def _collect(self, name: str) -> tuple[str | None, str | None]:
        """The head item as it stands, and the text whose digest it promises."""
        item = self._read(name)
        head = _Head.parse(item)
        if head is None:
            return item, None
        text = head.piece
        for number in range(1, head.count):
            piece = self._read(f"{name}/{head.generation}/{number}")
            if piece is None:
                return item, None
            text += piece
        return item, text if _digest(text) == head.digest else None

    def _delete_pieces(self, name: str, generation: str) -> None:
        """Delete from the last to the first, so that a crash leaves a row without gaps that is found again."""
        count = 0
        while self._read(f"{name}/{generation}/{count + 1}") is not None:
            count += 1
        for number in range(count, 0, -1):
            self._delete(f"{name}/{generation}/{number}")

    def _read(self, item: str) -> str | None:
        with _translated():
            return self._backend.get_password(SERVICE, item)

    def _write(self, item: str, text: str) -> None:
        with _translated(text):
            self._backend.set_password(SERVICE, item, text)

    def _delete(self, item: str) -> None:
        with _translated():
            self._backend.delete_password(SERVICE, item)


def find_backend() -> KeyringBackend:
    """The backend `keyring` chooses or is told to use, if it keeps secrets secret. Raises NoKeychain."""
    try:
        chosen = keyring.get_keyring()
    except Exception as error:  # a configured backend is a plugin and may raise anything while it loads
        raise NoKeychain(f"the configured one does not load: {type(error).__name__}") from error
    candidates = list(chosen.backends) if isinstance(chosen, keyring.backends.chainer.ChainerBackend) else [chosen]
    for backend in candidates:
        if not _refused(backend):
            return backend
    found = candidates and not isinstance(chosen, keyring.backends.fail.Keyring)
    raise NoKeychain(f"{type(chosen).__module__} does not keep secrets safely" if found else "none was found")


def _refused(backend: KeyringBackend) -> bool:
    unsafe = (keyring.backends.fail.Keyring, keyring.backends.null.Keyring, keyring.backends.chainer.ChainerBackend)
    kind = type(backend)
    return isinstance(backend, unsafe) or kind.__module__.startswith(_REFUSED) or "Plaintext" in kind.__name__


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _translated(secret: str = "") -> Iterator[None]:
    """Whatever a backend raises, as one sentence without the secret."""
    try:
        yield
    except Exception as error:  # a backend is a plugin: besides KeyringError, D-Bus and OS errors come through
        told = f"{type(error).__name__}: {error}"
        raise KeychainDown(
            "The keychain could not be used: nothing was changed; unlock it, then try again.",
            detail=told.replace(secret, "…") if secret else told,
        ) from None
