"""Errors by who can help: the creator (KnownError), time (ServiceDown), or us (everything else)."""

from __future__ import annotations


class KnownError(Exception):
    """Something the creator can put right. `message` is one sentence: what happened, what was kept, what to do."""

    exit_code = 3

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class WrongUsage(KnownError):
    """A command or call was given something that cannot be meant."""

    exit_code = 2


class ServiceDown(KnownError):
    """A server this needs (the engine, a platform) does not answer; trying later can help."""

    exit_code = 4


class Stale(KnownError):
    """The row changed since it was read; the write was refused so that nothing is overwritten."""


class NotThere(KnownError):
    """No row has that id."""


EXIT_BUG = 70
"""Exit code of an unexpected error, after its report was written (sysexits.h EX_SOFTWARE)."""
