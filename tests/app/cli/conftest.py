"""The command line in this process, over a data folder of the test's own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import main


@dataclass(frozen=True, slots=True)
class Said:
    """What one command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that stdout holds."""
        return json.loads(self.out)


class Quarry:
    """Runs commands; `data` is the data folder."""

    def __init__(self, data: Path, read: Callable[[], tuple[str, str]], patch: pytest.MonkeyPatch) -> None:
        self.data = data
        self._read = read
        self._patch = patch

    def __call__(self, *words: object, stdin: str = "") -> Said:
        self._patch.setattr("sys.stdin", io.StringIO(stdin))
        self._read()  # what came before is not this command's
        code = main(["--data-dir", str(self.data), *map(str, words)])
        return Said(code, *self._read())

    def json(self, *words: object, stdin: str = "") -> Any:
        """The document of a command that must succeed."""
        said = self(*words, "--json", stdin=stdin)
        assert said.code == 0, said.err
        return said.document

    def local_account(self, site: Path, **answers: object) -> str:
        """The id of a new account that publishes into `site`."""
        words = [word for name, value in answers.items() for word in ("--answer", f"{name}={value}")]
        return str(self.json("account", "add", "local", "--answer", f"folder={site}", *words)["id"])

    def local_post(self, account: str, text: str = "Cold kitchens need longer rises.") -> str:
        return str(self.json("post", "add", text, "--channel", "local", "--account", account)["id"])


@pytest.fixture
def quarry(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Quarry:
    monkeypatch.setenv("QUARRY_ZONE", "Europe/Berlin")
    return Quarry(tmp_path / "data", capsys.readouterr, monkeypatch)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def account(quarry: Quarry, site: Path) -> str:
    return quarry.local_account(site)
