"""A keychain in memory behind keyring's own interface, with Windows' limit and power cuts on request."""

from __future__ import annotations

from collections.abc import Callable

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

WINDOWS_BYTES = 2560


class PowerCut(BaseException):
    """The machine stops here. Not an Exception, so that no handler carries on."""


class MemoryKeychain(KeyringBackend):
    priority = -1  # never chosen by itself

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[tuple[str, str], str] = {}
        self.calls = 0
        self.cut_at: int | None = None  # the number of the call that is not carried out any more
        self.before: Callable[[], None] | None = None  # runs once, before the next read

    def get_password(self, service: str, username: str) -> str | None:
        self._call()
        if hook := self.before:
            self.before = None
            hook()
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._call()
        assert len(password.encode("utf-16-le")) <= WINDOWS_BYTES
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._call()
        if (service, username) not in self.items:
            raise PasswordDeleteError("no such item")
        del self.items[service, username]

    def _call(self) -> None:
        if self.calls == self.cut_at:
            raise PowerCut
        self.calls += 1
