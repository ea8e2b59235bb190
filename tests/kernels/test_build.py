"""The library is made for every system from this one, with the compiler that the set-up falls back to."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.cpu import build

TARGETS = {
    "x86_64-linux-gnu": ("x86_64", "linux", b"\x7fELF"),
    "aarch64-linux-gnu": ("aarch64", "linux", b"\x7fELF"),
    "x86_64-windows-gnu": ("AMD64", "win32", b"MZ"),
    "aarch64-windows-gnu": ("ARM64", "win32", b"MZ"),
    "x86_64-macos": ("x86_64", "darwin", b"\xcf\xfa\xed\xfe"),
    "aarch64-macos": ("arm64", "darwin", b"\xcf\xfa\xed\xfe"),
}


QUICK = ("x86_64-linux-gnu", "aarch64-linux-gnu", "aarch64-macos")  # zig need not build a C library for these first


@pytest.mark.timeout(900)
@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")
def test_every_system_s_library_is_built_from_here(tmp_path: Path, scale: int):
    """The suite draws one target and optimises little; `--scale 2` makes them all as they are released."""
    for target in TARGETS if scale > 1 else [random.choice(QUICK)]:
        machine, system, magic = TARGETS[target]
        made = tmp_path / target
        command = build.compile_command(
            [sys.executable, "-m", "ziglang", "cc", "-target", target], machine, made, system
        )
        done = subprocess.run(command if scale > 1 else [*command, "-O1"], capture_output=True, text=True)
        assert done.returncode == 0, f"{target}: {done.stderr}"
        assert made.read_bytes().startswith(magic)


def test_a_change_of_the_source_makes_another_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before = build.fingerprint("x86_64")
    assert build.fingerprint("aarch64") != before
    (tmp_path / "one.c").write_text("int one;")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    assert build.fingerprint("x86_64") != before


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(build.BuildError, match="no-such-compiler"):
        build.built_library()
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(build.BuildError, match="no C compiler was found"):
        build.built_library()


def test_a_compiler_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "cc -no-such-option")
    with pytest.raises(build.BuildError, match="no-such-option"):
        build.built_library()
    assert list((tmp_path / "quarry" / "kernels").iterdir()) == []
