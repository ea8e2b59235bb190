"""quarry engine …: hands over to the engine's own command line, in this process's place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from app.core.errors import NotThere
from app.core.folder import models_folder
from app.models.installed import find


def engine(context: typer.Context) -> None:
    """The model engine alone: `quarry engine serve --model M`. Takes what `python -m engine` takes."""
    command = [sys.executable, "-m", "engine", *_with_whole_paths(_with_model_file(context.args))]
    os.chdir(Path(__file__).parents[2])
    if sys.platform == "win32":  # execv there returns to the shell at once
        raise typer.Exit(subprocess.call(command))
    os.execv(command[0], command)  # noqa: S606 — no shell: the list goes to the system as it is


def _with_model_file(arguments: Sequence[str]) -> list[str]:
    """A model's id becomes its file; whatever else stands there is the engine's to judge."""
    given = list(arguments)
    for index, argument in enumerate(given[:-1]):
        if argument == "--model":
            try:
                given[index + 1] = str(find(models_folder(), given[index + 1]).path)
            except NotThere:
                if (path := Path(given[index + 1])).exists():
                    given[index + 1] = str(path.absolute())
    return given


def _with_whole_paths(arguments: list[str]) -> list[str]:
    """What `quantize` reads and writes, as it is meant in the folder where the command was given."""
    if arguments[:1] != ["quantize"]:
        return arguments
    values = [index + 1 for index, argument in enumerate(arguments) if argument in ("--type", "--threads")]
    return [
        argument if index == 0 or index in values or argument.startswith("-") else str(Path(argument).absolute())
        for index, argument in enumerate(arguments)
    ]
