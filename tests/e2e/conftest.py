"""Quarry as a person runs it: processes of their own over a data folder that does not exist yet."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.requirements import ROOT


def command(data: Path, *words: object) -> list[str]:
    return [sys.executable, "-m", "app", *map(str, words), "--data-dir", str(data)]


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class Daemon:
    """`quarry daemon --json`, ready when entered, ended by SIGTERM."""

    def __init__(self, data: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._process = subprocess.Popen(command(data, "daemon", "--json"), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.wait_for(event="started")

    def __enter__(self) -> Self:
        return self

    def wait_for(self, **wanted: str) -> dict[str, Any]:
        """The next event with these values. Every line before it must be JSON as well."""
        assert self._process.stdout
        while line := self._process.stdout.readline():
            self.events.append(json.loads(line))
            if wanted.items() <= self.events[-1].items():
                return self.events[-1]
        raise AssertionError(f"the daemon ended before {wanted}: {self.events}")

    def stop(self) -> int:
        """Send SIGTERM, hear it out, and give its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def threads(self) -> list[int]:
        """Linux's numbers of its threads, the main one not among them."""
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return [int(task.name) for task in tasks if task.name != str(self._process.pid)]

    def ended(self) -> int:
        """Hear it out, and give its exit code."""
        assert self._process.stdout
        self.events += [json.loads(line) for line in self._process.stdout]
        self._process.stdout.close()
        return self._process.wait(timeout=30)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.stop()


@pytest.fixture(scope="package", autouse=True)
def one_engine_thread() -> Iterator[None]:
    """The suite runs a worker on each core: two threads would wait for it as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUARRY_ENGINE_THREADS", "1")
        yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def quarry(data: Path, starter_model: Path) -> Callable[..., Ended]:
    """Run a command to its end."""

    def run(*words: object) -> Ended:
        done = subprocess.run(command(data, *words), cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def daemon(data: Path) -> Iterator[Daemon]:
    with Daemon(data) as started:
        yield started
