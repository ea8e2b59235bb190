"""Scheduler processes that die: `python -m tests.app.publishing.mortal` reads one order a line and answers each.

It imports everything once and forks a child for each order, so that a kill costs a tenth of a second. The child is
a whole Quarry process: it opens the data folder, does what is due, and gets SIGKILL before or after its n-th write
to the database, or after a time, whichever the order says.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy.orm import configure_mappers

from app import bootstrap
from app.store.database import Store
from publishers import registry

# What Quarry and its libraries import when they first need it. A module that is missing here costs each child its time.
IMPORTED_LATE = (
    "anyio._backends._asyncio",
    "anyio.streams.tls",
    "app.secrets.keychain",
    "app.secrets.vault",
    "certifi",
    "httpcore",
    "keyring.backends.fail",
)


@dataclass(frozen=True, slots=True)
class Order:
    """0 = do not die that way."""

    data_dir: str
    before_write: int = 0
    after_write: int = 0
    after_seconds: float = 0.0


class Mortals:
    """The forking process, as the test sees it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.publishing.mortal"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def run(self, order: Order) -> bool:
        """Whether the child was killed; False = it did all that was due and ended by itself."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        assert status in {0, -signal.SIGKILL}, f"the child failed by itself: {status}"
        return status != 0


def serve() -> None:
    """The forking process. It has no threads of its own, so that its children start clean."""
    for platform in registry.platform_ids():
        registry.get(platform)
    for module in IMPORTED_LATE:
        importlib.import_module(module)
    configure_mappers()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        child = os.fork()
        if child == 0:
            live(order)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def live(order: Order) -> None:
    """Do what is due, until killed."""
    writes = 0

    class MortalStore(Store):
        def write(self, work: Any) -> Future[Any]:
            nonlocal writes
            writes += 1
            if writes == order.before_write:
                die()
            future = super().write(work)
            if writes == order.after_write:
                future.result()
                die()
            return future

    setattr(bootstrap, "Store", MortalStore)  # noqa: B010 — a class in a class's place is no assignment to mypy
    if order.after_seconds:
        threading.Timer(order.after_seconds, die).start()
    with bootstrap.open_services(Path(order.data_dir)) as services:
        while services.loop.run(services.outbox.work_due()).result():
            pass
    if order.after_seconds:
        os._exit(0)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve()
