"""docs/faults.md names tests that exist, and every fault has one."""

from __future__ import annotations

import ast
import re

from tests.quality.source import tree
from tests.requirements import ROOT

ROWS = [
    line
    for line in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| (?!fault|---)", line)
]


def test_every_fault_has_a_test():
    assert len(ROWS) > 20
    assert [row for row in ROWS if "::" not in row] == []


def test_the_tests_exist():
    missing = []
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", "\n".join(ROWS)):
        path = ROOT / file
        found = path.is_file() and any(
            isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(tree(path))
        )
        if not found:
            missing.append(f"{file}::{name}")
    assert missing == []
