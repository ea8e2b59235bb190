"""The files the rules look at."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

from tests.requirements import ROOT

PACKAGES = ("app", "engine", "kernels", "publishers")
CODE_SUFFIXES = (".py", ".c", ".cpp", ".h", ".cu", ".cuh", ".js")


@cache
def project_files() -> tuple[Path, ...]:
    """Every file of the project: tracked, or new and not ignored."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout.split("\0")
    return tuple(ROOT / name for name in names if name and (ROOT / name).is_file())


def code_files() -> list[Path]:
    """Every file of code, tests and scripts included."""
    return [path for path in project_files() if path.suffix in CODE_SUFFIXES]


def modules(*packages: str) -> list[Path]:
    """The Python modules of the named top-level folders."""
    folders = tuple(ROOT / package for package in packages)
    return [path for path in project_files() if path.suffix == ".py" and any(path.is_relative_to(f) for f in folders)]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), path)


def name_of(path: Path) -> str:
    """The path as reports name it."""
    return path.relative_to(ROOT).as_posix()
