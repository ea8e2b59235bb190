"""Errors of ours: a report, a banner, and the window goes on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.core.errors import KnownError
from app.core.report import write_report
from app.ui.crash import CrashGuard
from tests.logged import ExpectedLog


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def guard(tmp_path: Path, told: list[Any]) -> Iterator[CrashGuard]:
    made = CrashGuard(tmp_path, told.append, told.append)
    before = sys.excepthook
    made.install()
    yield made
    made.remove()
    assert sys.excepthook is before


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_a_report_holds_the_traceback_and_twenty_are_kept(tmp_path: Path):
    for number in range(23):
        write_report(tmp_path, raised(ZeroDivisionError(f"number {number}")))
    reports = sorted(tmp_path.glob("report-*.txt"))
    assert len(reports) == 20
    assert "ZeroDivisionError: number 22" in reports[-1].read_text()
    assert "in raised" in reports[-1].read_text()


def test_an_error_nobody_caught_is_reported(guard: CrashGuard, told: list[Any], expected_log: ExpectedLog):
    expected_log("unexpected error")
    error = raised(ZeroDivisionError("in a slot"))
    sys.excepthook(type(error), error, error.__traceback__)
    [path] = told
    assert isinstance(path, Path)
    assert "in a slot" in path.read_text()


def test_a_thread_s_error_is_reported(guard: CrashGuard, told: list[Any], expected_log: ExpectedLog):
    expected_log("unexpected error")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    assert "ZeroDivisionError" in told[0].read_text()


def test_a_known_error_is_said_and_needs_no_report(guard: CrashGuard, told: list[Any], tmp_path: Path):
    error = raised(KnownError("The disk is full."))
    sys.excepthook(type(error), error, error.__traceback__)
    assert told == [error]
    assert list(tmp_path.glob("report-*.txt")) == []


def test_faults_of_c_code_have_a_file(guard: CrashGuard, tmp_path: Path):
    import faulthandler

    assert faulthandler.is_enabled()
    assert (tmp_path / "faults.txt").exists()


def test_no_place_for_a_report_is_said_too(
    guard: CrashGuard, told: list[Any], tmp_path: Path, expected_log: ExpectedLog
):
    expected_log("unexpected error")
    expected_log("no crash report")
    guard.logs = tmp_path / "in the way"
    guard.logs.write_text("a file where the folder should be")
    guard.report(raised(ZeroDivisionError()))
    assert told == [None]


def test_the_window_says_it_from_any_thread(window: Any, tmp_path: Path, qtbot: QtBot):
    thread = threading.Thread(target=lambda: window.report(tmp_path / "report-1.txt"))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: window._banner.isVisible() and window._banner.problem.key == "crash")
    assert window._banner.problem.remedy.text == "Show report"
