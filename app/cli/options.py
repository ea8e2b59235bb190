"""Options that every command has, and how a command speaks: results on stdout, everything else on stderr."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from app.bootstrap import Services, open_services

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="QUARRY_DATA_DIR", help="Folder with the database, media and settings."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The most rows to list.")]


@contextmanager
def services(data_dir: Path | None) -> Iterator[Services]:
    """The services over the named (or the usual) data folder; the vault's passphrase is asked at a terminal."""
    with open_services(data_dir, passphrase=ask_passphrase) as opened:
        yield opened


def ask_passphrase() -> str | None:
    """From a terminal; None where nobody can be asked."""
    if not sys.stdin.isatty():
        return None
    return getpass.getpass("Passphrase of the vault: ") or None


def say(line: str) -> None:
    """Progress and remarks."""
    typer.echo(line, err=True)


def show(document: Any, text: str, *, as_json: bool) -> None:
    """The result: `document` as JSON, or `text` for people."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1) if as_json else text)
