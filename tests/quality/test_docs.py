"""What a person can type or set is documented, and nothing else is."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from app.core.settings import MachineSettings
from tests.quality.source import PACKAGES, modules
from tests.requirements import ROOT

CLI_PAGE = ROOT / "docs" / "cli.md"
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
# The command line is a later step than these tests; the day app/cli exists they run, and this mark goes.
needs_cli = pytest.mark.skipif(importlib.util.find_spec("app.cli") is None, reason="app.cli is not built yet")


def commands(command: object, path: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Each command as people type it, with its long options; groups themselves have none."""
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from commands(child, f"{path} {name}".strip())
    elif isinstance(command, TyperCommand) and not command.hidden:
        options = (option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
        yield path, frozenset(option for option in options if option.startswith("--") and option != "--help")


def sections(page: str) -> Mapping[str, str]:
    """The text under each heading that is a command in backticks; under '' what stands before the first of them."""
    parts = re.split(r"^#+ `([^`]+)`.*$", page, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def undocumented(command: object, page: str) -> list[str]:
    """Name the commands without a section and the options that neither it nor the page's opening names."""
    found = sections(page)
    missing = []
    for path, options in commands(command):
        if path not in found:
            missing.append(path)
            continue
        named = set(re.findall(r"--[a-z][a-z-]*", found[path] + found[""]))
        missing += sorted(f"{path} {option}" for option in options - named)
    return missing


def test_an_undocumented_command_is_found():
    root = typer.Typer()
    post = typer.Typer()
    root.add_typer(post, name="post")

    @post.command()
    def add(text: str = "", data_dir: str = "") -> None: ...

    @root.command()
    def tour(topic: str = "") -> None: ...

    command = typer.main.get_command(root)
    page = "`--data-dir` everywhere\n## `post add`\n`--text`\n"
    assert undocumented(command, page) == ["tour"]
    assert undocumented(command, page + "### `tour` and its steps\n`--seed`") == ["tour --topic"]
    assert undocumented(command, page + "### `tour`\n`--topic`") == []


@needs_cli
def test_every_command_and_option_is_documented():
    root = importlib.import_module("app.cli.root").app
    assert undocumented(typer.main.get_command(root), CLI_PAGE.read_text(encoding="utf-8")) == []


@needs_cli
def test_every_documented_command_exists():
    root = importlib.import_module("app.cli.root").app
    real = {path for path, _ in commands(typer.main.get_command(root))}
    of_the_engine = {f"engine {name}" for name in ("serve", "bench", "quantize", "selftest")}
    elsewhere = of_the_engine | {"test", ""}  # of quarry.py
    assert sections(CLI_PAGE.read_text(encoding="utf-8")).keys() - real - elsewhere == set()


def test_every_setting_is_documented_in_its_own_words():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \|(.*)\|$", SETTINGS_PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    fields = MachineSettings.model_fields
    assert rows.keys() == fields.keys()
    assert {name for name, field in fields.items() if field.description not in rows[name]} == set()


def test_every_variable_of_the_environment_is_documented():
    code = [*modules(*PACKAGES, "packaging"), ROOT / "quarry.py"]
    used = {name for path in code for name in re.findall(r"\bQUARRY_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))}
    assert used - set(re.findall(r"QUARRY_[A-Z_]+", SETTINGS_PAGE.read_text(encoding="utf-8"))) == set()
