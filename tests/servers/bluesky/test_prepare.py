"""Where the PDS cannot be installed, the reason is one line and nothing breaks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.bluesky import prepare


@pytest.fixture
def run(tmp_path: Path):
    """Run a copy of prepare.py on a machine that has only the given programs."""
    shutil.copy(prepare.__file__, tmp_path / "prepare.py")
    programs = tmp_path / "bin"
    programs.mkdir()

    def run_with(**scripts: str) -> subprocess.CompletedProcess[str]:
        for name, script in scripts.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        return subprocess.run(
            [sys.executable, tmp_path / "prepare.py"],
            env={"PATH": str(programs)},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    return run_with


def test_nothing_there(run):
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Bluesky PDS: skipped, it needs nodejs npm g++ make")
    assert done.stdout.count("\n") == 1


def test_old_node(run):
    done = run(node="echo v18.19.0", npm="", make="", **{"g++": ""})
    assert (done.returncode, done.stderr) == (0, "")
    assert "needs Node 20 or newer and this machine has v18.19.0" in done.stdout


def test_what_npm_says_is_shown_when_it_fails(run, tmp_path: Path):
    (tmp_path / "package-lock.json").write_text("{}")
    done = run(node="echo v20.1.0", npm="echo the registry is away >&2; exit 1", make="", **{"g++": ""})
    assert done.returncode == 0
    assert "`npm ci --ignore-scripts --no-audit --no-fund` failed: the registry is away" in done.stdout
    assert not (tmp_path / "node_modules").exists()


@pytest.mark.parametrize(("version", "major"), [("v20.20.2", 20), ("18.20.4+dfsg-1~deb12u1", 18), ("", 0), ("x", 0)])
def test_major_version(version: str, major: int):
    assert prepare._major(version) == major


def test_reason_without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs Node 20" in prepare.missing_reason()
