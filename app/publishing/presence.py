"""Who is alive: a worker holds a lock file for as long as its process runs, so that the leases of one that was
killed can be taken over at once instead of waiting for them to run out.

The system lets go of the lock when the process ends, whatever ended it; a number of a process, which may be given
to another one, could not tell that.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.ids import new_id

_FRESH = 300.0  # seconds


class Presence:
    """This worker's name and its sign of life."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder
        self._host = socket.gethostname()
        name = new_id()
        self.owner = f"{self._host}:{name}"
        self._lock = FileLock(self._file(name), thread_local=False)
        self._lock.acquire()

    def is_dead(self, owner: str) -> bool:
        """Whether that worker of this machine has ended. Those of other machines, and anything doubtful, count as
        alive: their leases run out by themselves."""
        host, _, name = owner.partition(":")
        file = self._file(name)
        if owner == self.owner or host != self._host or not file.is_file():
            return False
        return _is_free(file)

    def sweep(self) -> None:
        """Remove the files of workers that are dead. Only after their leases were freed: a file that is missing
        says nothing any more. Fresh files may be about to be locked and are left alone."""
        for file in self._folder.glob("worker-*.lock"):
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > _FRESH and _is_free(file):
                    file.unlink(missing_ok=True)

    def end(self) -> None:
        """No more work is claimed under this name."""
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"worker-{Path(name).name}.lock"


def _is_free(file: Path) -> bool:
    """Whether nobody holds the lock."""
    lock = FileLock(file, thread_local=False)
    try:
        with lock.acquire(timeout=0):
            return True
    except Timeout:
        return False
