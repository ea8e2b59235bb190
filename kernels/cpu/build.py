"""Builds the library once per source: with the system's compiler, else with the `ziglang` package, else not at all.

`python -m kernels.cpu.build` is a step of the set-up; a release ships the result beside this file instead.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import platformdirs

SOURCES: Final = Path(__file__).parent
SUFFIX: Final = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
SHIPPED: Final = SOURCES / f"quarry_cpu{SUFFIX}"
FLAGS: Final = ("-std=gnu11", "-O3", "-fno-math-errno", "-ffp-contract=off", "-fvisibility=hidden", "-shared", "-s")
LONGEST_BUILD: Final = 300  # seconds


class BuildError(Exception):
    """There is no library and none can be made; the message says why in one sentence."""


def machine_flags(machine: str) -> tuple[str, ...]:
    """Instruction sets the code may use; kernels.cpu.library asks the processor before it uses them."""
    return ("-mavx2", "-mfma", "-mf16c") if machine.lower() in ("x86_64", "amd64") else ()


def compiler() -> list[str] | None:
    """CC, else what the system has, else zig's; None where there is neither."""
    if named := os.environ.get("CC"):
        return named.split()
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    return None


def compile_command(compile_with: list[str], machine: str, target: Path, system: str = sys.platform) -> list[str]:
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    libraries = [] if system == "win32" else ["-fPIC", "-lm", "-lpthread"]
    return [*compile_with, *FLAGS, *machine_flags(machine), *sources, *libraries, "-o", str(target)]


def fingerprint(machine: str) -> str:
    """Of all that decides what the library computes."""
    digest = hashlib.sha256(repr((FLAGS, machine_flags(machine), sys.platform, machine)).encode())
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def built_library() -> Path:
    """The library for this source and machine, built now if it has to be. Raises BuildError."""
    if SHIPPED.exists():
        return SHIPPED
    machine = platform.machine()
    folder = Path(platformdirs.user_cache_dir("quarry", appauthor=False)) / "kernels"
    path = folder / f"quarry_cpu-{fingerprint(machine)}{SUFFIX}"
    if not path.exists():
        _build(machine, path)
    return path


def _build(machine: str, path: Path) -> None:
    if (compile_with := compiler()) is None:
        raise BuildError("no C compiler was found")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            command = compile_command(compile_with, machine, made)
            done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_BUILD)
            if done.returncode:
                raise BuildError(f"{compile_with[0]} failed: {done.stderr.strip()[-400:]}")
            made.replace(path)  # whoever builds at the same time makes the same file
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the kernels could not be built ({error})") from error


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{built_library()}\n")
    except BuildError as error:
        sys.exit(str(error))
