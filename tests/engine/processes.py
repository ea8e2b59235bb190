"""Engines as child processes, started as the app starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOKEN = "test-token"
COMMAND = (sys.executable, "-m", "engine", "serve", "--with-owner", "--model")


@dataclass(frozen=True)
class Engine:
    """A running engine. Closing `process.stdin` ends it."""

    process: subprocess.Popen[str]
    port: int
    model: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def environment() -> dict[str, str]:
    return {**os.environ, "QUARRY_ENGINE_TOKEN": TOKEN}


@contextmanager
def engine(model: Path, *options: str) -> Iterator[Engine]:
    process = subprocess.Popen(
        [*COMMAND, str(model), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Engine(process, json.loads(process.stdout.readline())["port"], model)
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
