from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import KnownError, NotThere
from app.models.installed import find, import_file, installed, remove, sha256_of
from tests.requirements import ROOT

STARTER = "SmolLM2-135M-Instruct.Q4_1"


def gguf(path: Path, size: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF".ljust(size, b"\0"))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_the_largest_comes_first_and_the_starter_last(folder: Path) -> None:
    for name, size in ((STARTER, 300), ("small", 100), ("granite-4.0-h-1b-Q4_K_M", 200)):
        gguf(folder / f"{name}.gguf", size)
    (folder / "notes.txt").write_text("no model")
    models = installed(folder)
    assert [model.id for model in models] == ["granite-4.0-h-1b-Q4_K_M", "small", STARTER]
    assert [model.known and model.known.id for model in models] == ["granite-4.0-h-1b", None, STARTER]
    assert find(folder, "") == models[0]
    assert find(folder, "small.gguf") == models[1]


def test_a_file_outside_the_folder_may_be_named(folder: Path, tmp_path: Path) -> None:
    elsewhere = gguf(tmp_path / "elsewhere.gguf")
    assert find(folder, str(elsewhere)).path == elsewhere


def test_a_model_that_is_not_there_names_those_that_are(folder: Path) -> None:
    with pytest.raises(NotThere, match="installed: none"):
        find(folder, "")
    gguf(folder / "small.gguf")
    with pytest.raises(NotThere, match=r"no model “big”.*installed: small"):
        find(folder, "big")


def test_what_was_imported_is_the_same_file(folder: Path, tmp_path: Path) -> None:
    source = gguf(tmp_path / "rye.gguf", 3_000_000)
    model = import_file(folder, source)
    assert sha256_of(model.path) == hashlib.sha256(source.read_bytes()).hexdigest()
    remove(model)
    assert installed(folder) == []
    with pytest.raises(KnownError, match="cannot be removed"):
        remove(model)


@pytest.mark.parametrize("content", [b"", b"GGU", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_foreign_file_is_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "loaf.gguf"
    source.write_bytes(content)
    with pytest.raises(KnownError, match=r"loaf\.gguf is no GGUF model file: nothing was imported"):
        import_file(folder, source)
    assert not folder.exists()


def test_no_room_is_said_before_a_byte_is_copied(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10))
    with pytest.raises(KnownError, match=r"The disk has no room for .* nothing was imported; free some space"):
        import_file(folder, gguf(tmp_path / "rye.gguf"))
    assert list(folder.iterdir()) == []


def test_a_disk_that_fills_while_copying_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    """With a real limit on the size of files, in a process of its own."""
    source = gguf(tmp_path / "rye.gguf", 3_000_000)
    program = f"""
import resource, signal
from pathlib import Path
from app.core.errors import KnownError
from app.models.installed import import_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    import_file(Path({str(folder)!r}), Path({str(source)!r}))
except KnownError as error:
    print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "rye.gguf could not be copied (File too large): nothing was imported.\n"
    assert list(folder.iterdir()) == []
    assert source.exists()
