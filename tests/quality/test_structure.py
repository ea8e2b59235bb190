"""Rules about the shape of the code that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import grimp
import pytest

from tests.quality.source import PACKAGES, code_files, modules, name_of, project_files, tree
from tests.requirements import ROOT

ASKS_FOR_A_REASON = 300  # lines
TOO_LONG = 800

# Why a file of more than 300 lines is one idea all the same. Above 500 the reason must be a very good one.
LONG_FILES = {
    "app/core/words.py": "Quarry's vocabulary, which is read as one list",
    "publishers/api.py": "the whole contract of an adapter, read in one go by whoever writes one",
    "tests/app/analytics/test_pulls.py": "one table of what a platform may answer, and its one small platform",
    "quarry.py": "the set-up must be one file of the standard library, readable before anything is installed",
}

EMPTY_NAMES = re.compile(r"(manager|helpers?|utils?)$", re.IGNORECASE)


def test_long_files_have_a_reason():
    lengths = {name_of(path): path.read_bytes().count(b"\n") for path in code_files()}
    long = {name: lines for name, lines in lengths.items() if lines > ASKS_FOR_A_REASON}
    assert {name: lines for name, lines in long.items() if lines > TOO_LONG} == {}, "too long, whatever the reason"
    assert {name: long[name] for name in long.keys() - LONG_FILES.keys()} == {}, "split it, or give its reason above"
    assert LONG_FILES.keys() - long.keys() == set(), "no longer long: take its reason away"


def test_names_say_what_a_thing_is():
    found = [name_of(path) for path in modules(*PACKAGES, "tests") if EMPTY_NAMES.search(path.stem)]
    for path in modules(*PACKAGES, "tests"):
        classes = (node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))
        found += [f"{name_of(path)}: {node.name}" for node in classes if EMPTY_NAMES.search(node.name)]
    assert found == []


def platform_comparisons(code: ast.AST) -> Iterator[int]:
    """The lines where something named `platform` (not sys.platform) is compared with a text or matched against one."""
    for node in ast.walk(code):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(_is_platform, sides)) and any(map(_holds_text, sides)):
                yield node.lineno
        elif isinstance(node, ast.Match) and _is_platform(node.subject):
            yield node.lineno


def _is_platform(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "platform" and not (isinstance(node.value, ast.Name) and node.value.id == "sys")
    return isinstance(node, ast.Name) and node.id == "platform"


def _holds_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(_holds_text, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("if platform == 'x': pass", True),
        ("if 'x' != post.platform: pass", True),
        ("if account.platform in ('x', 'bluesky'): pass", True),
        ("match post.platform:\n  case 'x': pass", True),
        ("if sys.platform == 'win32': pass", False),
        ("if platform == account.platform: pass", False),
        ("if kind == 'x': pass", False),
    ],
)
def test_a_platform_comparison_is_recognised(code: str, found: bool):
    assert list(platform_comparisons(ast.parse(code))) == ([1] if found else [])


def test_only_an_adapter_asks_which_platform_it_is():
    """What differs between platforms is data in their capabilities (docs of publishers/api.py)."""
    adapters = tuple(ROOT / "publishers" / name for name in adapter_folders())
    outside = [path for path in modules(*PACKAGES) if not any(path.is_relative_to(folder) for folder in adapters)]
    found = [f"{name_of(path)}:{line}" for path in outside for line in platform_comparisons(tree(path))]
    assert found == []


def adapter_folders() -> list[str]:
    """The platforms: the folders of publishers/ but for the simulators and the conformance suite."""
    packages = (path.parent for path in modules("publishers") if path.name == "__init__.py")
    return sorted(folder.name for folder in packages if folder.parent.name == "publishers" and folder.name != "testing")


def test_adapters_do_not_import_each_other():
    graph = grimp.build_graph("publishers", cache_dir=None)
    found = [
        f"{importer} imports {imported}"
        for one, other in permutations(adapter_folders(), 2)
        for importer, imported in graph.find_shortest_chains(f"publishers.{one}", f"publishers.{other}")
    ]
    assert found == []


def test_packaging_is_no_package():
    """An __init__.py there would shadow the PyPI package of that name for everybody."""
    assert [name_of(path) for path in project_files() if path == ROOT / "packaging" / "__init__.py"] == []


def test_every_folder_of_tests_is_a_package():
    """Without its __init__.py two test files of one name cannot live in two folders."""
    folders: set[Path] = {path.parent for path in modules("tests")}
    assert sorted(name_of(folder) for folder in folders if not (folder / "__init__.py").exists()) == []
