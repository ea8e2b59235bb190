"""Options that every command has, and how a command speaks: results on stdout, everything else on stderr."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.bootstrap import Services, open_services
from app.core.errors import KnownError, WrongUsage
from app.core.folder import DataFolder, default_data_folder
from app.secrets.opening import has_vault


@dataclass(slots=True)
class Call:
    """One run of the command line (`typer.Context.obj`): what a report of an unexpected error must know."""

    data_dir: Path | None = None
    secrets: list[str] = field(default_factory=list)  # typed or piped in; never written anywhere


def _chosen(context: typer.Context, value: Path | None) -> Path | None:
    """`quarry --data-dir DIR post list` means the same as `quarry post list --data-dir DIR`."""
    call: Call = context.obj
    source = context.get_parameter_source("data_dir")
    if call.data_dir is None or (source is not None and source.name == "COMMANDLINE"):
        call.data_dir = value
    return call.data_dir


DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="QUARRY_DATA_DIR",
        callback=_chosen,
        help="Folder with the database, media and settings.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The most rows to list.")]
FromDay = Annotated[str, typer.Option("--from", help="First day, e.g. 2026-12-01.")]
ToDay = Annotated[str, typer.Option("--to", help="Last day, e.g. 2026-12-31.")]

# Texts come from models and platforms: none may move the cursor or change the terminal.
_CONTROLS = dict.fromkeys(code for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t")


@contextmanager
def services(data_dir: Path | None) -> Iterator[Services]:
    """The services over the named (or the usual) data folder; the vault's passphrase is asked at a terminal."""
    folder = DataFolder(data_dir or default_data_folder())
    with open_services(folder.root, passphrase=lambda: ask_passphrase(new=not has_vault(folder))) as opened:
        yield opened


def ask_passphrase(*, new: bool) -> str | None:
    """From a terminal, a new one twice; None where nobody can be asked."""
    if not sys.stdin.isatty():
        return None
    if not new:
        return getpass.getpass("Passphrase of the vault: ") or None
    say("There is no keychain here: secrets go to a vault in the data folder, which a passphrase opens.")
    passphrase = getpass.getpass("New passphrase: ")
    if passphrase != getpass.getpass("The same once more: "):
        raise KnownError("The two passphrases differ: nothing was stored; try again.")
    return passphrase or None


def day(text: str) -> datetime | None:
    """Midnight of the day people typed, naive; None for "". Raises WrongUsage."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d")
    except ValueError as error:
        raise WrongUsage(f"“{text}” is no day: write it like 2026-12-24.") from error


def printable(text: str) -> str:
    """`text` without control characters."""
    return text.translate(_CONTROLS)


def say(line: str) -> None:
    """Progress and remarks."""
    typer.echo(printable(line), err=True)


def show(document: Any, text: str, *, as_json: bool) -> None:
    """The result: `document` as JSON, or `text` for people."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1) if as_json else printable(text))
