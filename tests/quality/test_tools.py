"""The linters, the formatter, the type checker and the import contracts, as tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import ROOT


def passes(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)


def script(name: str) -> str:
    """The path of a console script of the environment that runs the tests."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed beside {sys.executable}"
    return found


def test_ruff_finds_nothing():
    passes(script("ruff"), "check", ".")


def test_code_is_formatted():
    passes(script("ruff"), "format", "--check", ".")


def test_types_are_right():
    passes(sys.executable, "-m", "mypy")


def test_imports_point_one_way():
    passes(script("lint-imports"))
