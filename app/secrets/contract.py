"""What the rest of the app knows of secrets: a name, a text, nothing of where it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from app.core.errors import KnownError

LOCK_SECONDS = 30.0
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


class SecretStore(Protocol):
    """Secrets by name. Every method may wait for the creator to unlock something, so none is called on the window's
    thread; all are safe from any thread and from several processes. They raise KnownError where the secrets cannot
    be reached, and then nothing was changed."""

    def get(self, name: str, *, fresh: bool = False) -> str | None:
        """The secret, or None where there is none. `fresh` looks again although it was read before: another
        process may have replaced it."""
        ...

    def set(self, name: str, value: str) -> None:
        """Store or replace, whole: a crash leaves the old value or the new one."""
        ...

    def delete(self, name: str) -> None:
        """Remove; deleting what is not there is no error."""
        ...


def checked_name(name: str) -> str:
    """`name`, or ValueError where a keychain or file could misread it."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name of a secret: {name!r}")
    return name


class SecretsLock:
    """One writer at a time over all processes of a data folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it. Raises KnownError when another process does not let go."""
        try:
            with FileLock(self._path, timeout=LOCK_SECONDS):
                yield
        except Timeout as error:
            raise KnownError(
                "Another Quarry is using the stored sign-ins and does not let go: nothing was changed; "
                "answer its question or close it, then try again."
            ) from error
