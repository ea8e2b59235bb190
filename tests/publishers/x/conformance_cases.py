"""The cases of twitter-text's conformance files, read where ../shared is present."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import yaml

from tests.requirements import SPECS, require_specs

_FOLDER = "x/twitter-text"
_ABSENT = {"description": "absent"}


@cache
def _sections(file: str) -> dict[str, list[dict[str, Any]]]:
    path = SPECS / _FOLDER / file
    return yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)["tests"] if path.is_file() else {}


def cases(file: str, *names: str) -> Any:
    """Parametrise a test by `case`, one for each case of these sections; one that skips where the file is absent."""
    found = [case for name in names for case in _sections(file).get(name, [])]
    if _sections(file):
        assert found, f"{file} has none of {names}"
    named = [pytest.param(case, id=case["description"][:60]) for case in found or [_ABSENT]]
    return pytest.mark.parametrize("case", named)


def sections(file: str) -> set[str]:
    """The names of the file's sections; skips where it is absent."""
    require_specs(_FOLDER)
    return set(_sections(file))


def section_cases(file: str, section: str) -> list[dict[str, Any]]:
    """The cases of one section; skips where the file is absent."""
    require_specs(_FOLDER)
    return _sections(file)[section]


def needed(case: dict[str, Any]) -> dict[str, Any]:
    """The case, or a skip where the files are absent."""
    if case is _ABSENT:
        require_specs(_FOLDER)
    return case
