"""One clone is set up for all tests here; each gets a copy to spoil."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.bootstrap.tree import Tree, make_tree


class FirstRun(NamedTuple):
    tree: Tree
    result: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, starter_model: Path) -> FirstRun:
    """The whole set-up of a fresh clone."""
    folder = tmp_path_factory.mktemp("bootstrap")
    tree = make_tree(folder / "clone", folder / "models", starter_model)
    return FirstRun(tree, tree.run("tour", "--json"))


@pytest.fixture
def tree(first_run: FirstRun, tmp_path: Path) -> Tree:
    """A clone that is set up."""
    return first_run.tree.copy(tmp_path / "clone")
