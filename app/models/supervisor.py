"""The engine process: started by whoever needs it first, shared by all, dead with its owner.

`run/engine-<key>.lock` is held by the owner for as long as its engine runs; `run/engine-<key>.json` (mode 0600)
tells the others port, pid and token. The child reads its token from the environment and ends at EOF of its
standard input, so that it dies with its owner even after kill -9; the next user then gets the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.errors import ServiceDown
from app.core.files import replace_file
from app.core.folder import DataFolder
from app.core.settings import MachineSettings
from app.models.installed import InstalledModel
from engine.client import EngineClient
from engine.protocol import EngineError

_START_SECONDS = 120  # a large model on a slow disk
_POLL = 0.1


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Where an engine listens and what opens it."""

    port: int
    pid: int
    token: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __repr__(self) -> str:
        return f"Address(port={self.port}, pid={self.pid})"


class Supervisor:
    """Engines of one data folder, as this process sees them."""

    def __init__(self, folder: DataFolder, settings: MachineSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._owned: dict[str, tuple[FileLock, subprocess.Popen[bytes]]] = {}
        self._starting = asyncio.Lock()

    async def connect(self, model: InstalledModel) -> EngineClient:
        """A client of the engine that runs `model`, started here if no one runs it yet.

        Raises ServiceDown with the engine's own last words when it does not come up."""
        key = hashlib.sha256(str(model.path).encode()).hexdigest()[:12]
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        async with self._starting:
            while True:
                if (address := self._read(key)) and await _answers(address):
                    return EngineClient(address.url, address.token)
                if (lock := self._try_lock(key)) is not None:
                    address = await self._start(key, model, lock)
                    return EngineClient(address.url, address.token)
                if asyncio.get_running_loop().time() > deadline:
                    raise ServiceDown(
                        f"Another Quarry holds the engine of {model.name} and it does not answer: "
                        "no text was lost; close the other Quarry and try again."
                    )
                await asyncio.sleep(_POLL)

    def close(self) -> None:
        """End the engines this process owns."""
        for key, (lock, process) in self._owned.items():
            _end(process)
            self._file(key).unlink(missing_ok=True)
            lock.release()
        self._owned.clear()

    def _file(self, key: str) -> Path:
        return self._folder.run / f"engine-{key}.json"

    def _read(self, key: str) -> Address | None:
        try:
            return Address(**json.loads(self._file(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _try_lock(self, key: str) -> FileLock | None:
        if owned := self._owned.pop(key, None):  # ours, and it no longer answers
            lock, process = owned
            _end(process)
            return lock
        lock = FileLock(self._folder.run / f"engine-{key}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock

    async def _start(self, key: str, model: InstalledModel, lock: FileLock) -> Address:
        token = secrets.token_urlsafe(32)
        log = self._folder.logs / "engine.log"
        command = [sys.executable, "-m", "engine", "serve", "--with-owner", "--model", str(model.path)]
        command += ["--context", str(self._settings.engine_context), "--prefix-dir", str(self._folder.prefixes)]
        if self._settings.engine_threads:
            command += ["--threads", str(self._settings.engine_threads)]
        process = None
        try:
            process = _launch(command, token, log)
            line = await asyncio.wait_for(asyncio.to_thread(_first_line, process), _START_SECONDS)
            port = int(json.loads(line)["port"])
        except (OSError, ValueError, KeyError, TimeoutError) as error:
            if process is not None:
                _end(process)
            lock.release()
            raise ServiceDown(
                f"The engine could not start {model.name}: {_last_words(log)} No text was lost; "
                "choose another model or see logs/engine.log.",
                detail=str(error),
            ) from error
        address = Address(port, process.pid, token)
        replace_file(self._file(key), json.dumps(asdict(address)).encode())
        self._owned[key] = (lock, process)
        return address


async def _answers(address: Address) -> bool:
    """Whether an engine that takes this token is there. A dead engine's port may belong to another program."""
    async with EngineClient(address.url, address.token) as client:
        try:
            return bool(await client.models())
        except EngineError:
            return False


def _launch(command: list[str], token: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as errors:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "QUARRY_ENGINE_TOKEN": token},
            cwd=Path(__file__).parents[2],
        )


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: Path) -> str:
    """The engine's last line of error, which is a sentence for the creator where the engine knew the cause."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else "it ended without a word."
