"""Rules about the files around the code: the lock, the decisions, the commands, what must never be committed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.quality.source import name_of, project_files
from tests.requirements import ROOT

LOCK = ROOT / "packaging" / "lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Which extras each lock holds (packaging/lock/README.md); torch is in none (docs/adr/003-lock.md).
LOCKED_EXTRAS = {"app.txt": ("engine",), "dev.txt": ("engine", "dev")}

# Written in two parts so that this file does not hold what it looks for.
FOREIGN = {
    "a path of one machine": re.compile("(?<![\\w.])/(work|root)" + r"/\w"),
    "the host of a package registry": re.compile(
        r"pypi\." + r"org|python" + r"hosted\.org|npmjs\." + r"(org|com)|(deb|security)\.debian\." + "org",
        re.IGNORECASE,
    ),
    "an unfinished merge": re.compile("^(<{7}|>{7}) ", re.MULTILINE),
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
}
SECTIONS = ("## Context", "## Decision", "## Consequences")


class Pin(NamedTuple):
    requirement: Requirement
    hashes: int

    @property
    def version(self) -> str:
        (specifier,) = self.requirement.specifier
        assert specifier.operator == "==", f"{self.requirement} is not pinned"
        return specifier.version


def pins(path: Path) -> Iterator[Pin]:
    """The pinned packages of a lock; one package may stand there once for each range of Python versions."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(str.strip, text.splitlines()):
        requirement, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        yield Pin(Requirement(requirement), len(hashes))


@pytest.mark.parametrize("lock", sorted(LOCKED_EXTRAS))
def test_the_lock_holds_what_the_project_asks_for(lock: str):
    extras = [text for extra in LOCKED_EXTRAS[lock] for text in PROJECT["optional-dependencies"][extra]]
    wanted = [Requirement(text) for text in PROJECT["dependencies"] + extras]
    held: dict[str, list[Pin]] = {}
    for pin in pins(LOCK / lock):
        held.setdefault(canonicalize_name(pin.requirement.name), []).append(pin)
    missing = [str(want) for want in wanted if canonicalize_name(want.name) not in held]
    assert missing == [], f"make {lock} again: packaging/lock/README.md says how"
    refused = [
        f"{want} but {pin.requirement}"
        for want in wanted
        for pin in held[canonicalize_name(want.name)]
        if not want.specifier.contains(pin.version, prereleases=True)
    ]
    assert refused == [], f"make {lock} again: packaging/lock/README.md says how"


@pytest.mark.parametrize("lock", [*sorted(LOCKED_EXTRAS), "starter-model.txt", "compiler.txt"])
def test_the_lock_pins_hashes_and_names_no_index(lock: str):
    assert [str(pin.requirement) for pin in pins(LOCK / lock) if not pin.hashes] == []
    text = (LOCK / lock).read_text(encoding="utf-8")
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links", text) == []
    assert [str(pin.requirement) for pin in pins(LOCK / lock) if pin.requirement.name in ("torch", "triton")] == []


def test_the_two_locks_agree():
    dev = {str(pin.requirement) for pin in pins(LOCK / "dev.txt")}
    assert [str(pin.requirement) for pin in pins(LOCK / "app.txt") if str(pin.requirement) not in dev] == []


def test_quarry_installs_the_torch_the_project_names():
    import quarry

    assert PROJECT["optional-dependencies"]["torch"] == [quarry.TORCH]


def test_decisions_are_numbered_and_complete():
    files = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [re.match(r"(\d{3})-[a-z0-9-]+\.md$", path.name) for path in files]
    assert all(numbers), "an ADR is called NNN-title.md"
    assert files
    assert [int(number[1]) for number in numbers if number] == list(range(1, len(files) + 1))
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(path.name[:3])}. "), f"{path.name} starts with '# N. Title'"
        assert [part for part in SECTIONS if part not in text] == [], f"{path.name} lacks a section"


def test_ci_runs_exactly_the_test_command():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["exec python3 quarry.py test"]


def test_the_readme_names_both_commands():
    blocks = re.findall(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    commands = {line.split("#")[0].strip() for block in blocks for line in block.splitlines()}
    assert {"python3 quarry.py", "python3 quarry.py test"} <= commands


@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_nothing_foreign_is_committed(kind: str):
    found = []
    for path in project_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{name_of(path)}: {match[0]}" for match in FOREIGN[kind].finditer(text)]
    assert found == []


def test_links_between_our_papers_lead_somewhere():
    broken = []
    for path in (path for path in project_files() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                broken.append(f"{name_of(path)} -> {target}")
    assert broken == []
