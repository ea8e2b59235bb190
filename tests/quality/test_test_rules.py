"""The rules of tests/conftest.py catch what they are made for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import ROOT

BAD_TESTS = """
import logging, subprocess, sys, threading
import pytest
from tests import leaks
from tests.requirements import require_server

leaks.GRACE = 0.1
forever = threading.Event()


def test_leaves_a_thread():
    threading.Thread(target=forever.wait, name="waits", daemon=True).start()


def test_leaves_a_process():
    global process  # or its end would be a ResourceWarning, which fails too
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def test_stops_what_an_earlier_test_left():
    forever.set()
    with process:
        process.terminate()


def test_warns():
    logging.getLogger("quarry").warning("the disk is nearly full")


def test_warns_as_expected(expected_log):
    expected_log("nearly full")
    logging.getLogger("quarry").warning("the disk is nearly full")


def test_does_not_warn_as_expected(expected_log):
    expected_log("nearly full")


@pytest.mark.server
def test_needs_a_server():
    pytest.skip("no node")


def test_needs_a_server_too():
    require_server("no npm")


def test_ends_what_it_starts():
    worker = threading.Thread(target=lambda: None)
    worker.start()
    subprocess.run([sys.executable, "-c", ""])
"""


def outcomes(folder: Path, ci: str) -> dict[str, set[str]]:
    """Run the bad tests under our rules; answer each test's outcomes (a leak is an ERROR after PASSED)."""
    file = folder / "test_bad.py"
    file.write_text(BAD_TESTS)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "tests.conftest"]
    command += ["-c", str(ROOT / "pyproject.toml"), str(file)]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    found: dict[str, set[str]] = {}
    for name, outcome in re.findall(r"::test_(\w+) (PASSED|FAILED|SKIPPED|ERROR)", done.stdout):
        found.setdefault(name, set()).add(outcome)
    return found


@pytest.mark.parametrize(("ci", "skipped"), [("true", "FAILED"), ("", "SKIPPED")])
def test_the_rules_catch_bad_tests(tmp_path: Path, ci: str, skipped: str):
    assert outcomes(tmp_path, ci) == {
        "leaves_a_thread": {"PASSED", "ERROR"},
        "leaves_a_process": {"PASSED", "ERROR"},
        "stops_what_an_earlier_test_left": {"PASSED"},
        "warns": {"PASSED", "ERROR"},
        "warns_as_expected": {"PASSED"},
        "does_not_warn_as_expected": {"PASSED", "ERROR"},
        "needs_a_server": {skipped},
        "needs_a_server_too": {skipped},
        "ends_what_it_starts": {"PASSED"},
    }
