"""Rules every test lives under, and fixtures every folder may use."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.leaks import children, leaked_processes, leaked_threads, threads
from tests.logged import ExpectedLog, Recorder, complaints
from tests.requirements import in_ci, require_specs, starter_model_path
from tests.servers.bluesky.pds import pds

# Before anything imports Qt or asks for a keychain: no test opens a window on a real screen or touches real secrets.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"

# No deadline: two cores are shared by whatever else runs. Fresh examples each run; a failing one is printed.
settings.register_profile("quarry", deadline=None, print_blob=True)
settings.load_profile("quarry")


# Importing two hundred modules of tests makes millions of objects that all stay: searching them for garbage, again and
# again, was a third of the collection and, later, of every window test.
gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", type=int, default=1, help="how many times the usual size (docs/bench/kills.md)")


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> int:
    """Multiply posts, kills and the like by this: 1 in the suite, more in a benchmark."""
    return int(request.config.getoption("--scale"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skipped test of a real server or of the API descriptions is a failure."""
    report = yield
    marked = item.get_closest_marker("server") or item.get_closest_marker("specs")
    if report.skipped and marked and in_ci() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true does not allow for tests marked {marked.name}: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the developer's own Quarry out of reach: a program started without --data-dir gets an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUARRY_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session", autouse=True)
def children_hear_ctrl_c() -> None:
    """A shell starts its background jobs deaf to SIGINT and children inherit that, but tests interrupt theirs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_process_outlives_the_session() -> Iterator[None]:
    """Catch the children that fixtures of a session or module forget."""
    before = children()
    yield
    if leaked := leaked_processes(before):
        pytest.fail(f"still running at the end of all tests: {'; '.join(leaked)}", pytrace=False)


@pytest.fixture
def expected_log() -> ExpectedLog:
    """Say what the code under test will log: `expected_log("regex")`. Anything else from WARNING up fails the test."""
    return ExpectedLog()


@pytest.fixture(autouse=True)
def no_unexpected_log(expected_log: ExpectedLog) -> Iterator[None]:
    recorder = Recorder()
    logging.getLogger().addHandler(recorder)
    yield
    logging.getLogger().removeHandler(recorder)
    if wrong := complaints(recorder.records, expected_log):
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """Fail a test that leaves a thread or a child process; session fixtures' own do not count."""
    threads_before, children_before = threads(), children()
    yield
    left = [f"thread {name}" for name in leaked_threads(threads_before)]
    left += [f"process {name}" for name in leaked_processes(children_before)]
    if left:
        pytest.fail(f"left running: {'; '.join(left)}. Join or close it, or make it a fixture's own.", pytrace=False)


@pytest.fixture(scope="session")
def specs() -> Path:
    """../shared/specs; mark the test with `specs`."""
    return require_specs()


@pytest.fixture(scope="session")
def starter_model() -> Path:
    """The GGUF file of the starter model."""
    return starter_model_path()


__all__ = ["pds"]  # the real Bluesky server, one for the whole run
