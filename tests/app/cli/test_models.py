from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.cli import engine
from tests.app.cli.conftest import Quarry

MODEL = b"GGUF" + bytes(range(256))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder."""
    monkeypatch.setenv("QUARRY_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rye-1b.gguf"
    path.write_bytes(MODEL)
    return path


def test_a_file_is_imported_verified_and_removed(quarry: Quarry, file: Path, folder: Path) -> None:
    assert quarry.json("models", "import", file) == {"id": "rye-1b", "bytes": len(MODEL)}
    assert (folder / "rye-1b.gguf").read_bytes() == MODEL
    [installed] = quarry.json("models", "list")["installed"]
    assert (installed["id"], installed["bytes"]) == ("rye-1b", len(MODEL))
    assert quarry.json("models", "verify", "rye-1b")["sha256"] == hashlib.sha256(MODEL).hexdigest()
    again = quarry("models", "import", file)
    assert again.code == 3
    assert "There is a model rye-1b already: nothing was imported" in again.err
    assert quarry.json("models", "remove", "rye-1b") == {"id": "rye-1b", "removed": True}
    assert list(folder.iterdir()) == []
    assert file.exists()


def test_the_catalogue_says_what_fits(quarry: Quarry) -> None:
    everything = quarry.json("models", "list")
    assert everything["installed"] == []
    assert sum(row["recommended"] for row in everything["catalogue"]) == 1
    fitting = quarry.json("models", "list", "--fitting")["catalogue"]
    assert fitting == [row for row in everything["catalogue"] if row["fit"] != "too large for this machine"]
    assert quarry.json("models", "list", "--limit", "2")["catalogue"] == everything["catalogue"][:2]
    text = quarry("models", "list").out
    assert "none: `quarry models import FILE`" in text
    assert "← recommended here" in text


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"PK\x03\x04 a zip", "is no GGUF model file: nothing was imported"), (None, "cannot be")]
)
def test_another_file_is_refused(
    quarry: Quarry, file: Path, folder: Path, content: bytes | None, sentence: str
) -> None:
    file.unlink()
    if content:
        file.write_bytes(content)
    said = quarry("models", "import", file)
    assert said.code == 3
    assert sentence in said.err
    assert not folder.exists()


def test_the_engine_gets_a_file_for_a_model_s_id(quarry: Quarry, file: Path, folder: Path) -> None:
    quarry.json("models", "import", file)
    command = engine._with_model_file(["serve", "--model", "rye-1b", "--port", "0"])
    assert command == ["serve", "--model", str(folder / "rye-1b.gguf"), "--port", "0"]
    assert engine._with_model_file(["serve", "--model", "/elsewhere/x.gguf"])[-1] == "/elsewhere/x.gguf"


def test_paths_of_quantize_are_those_of_where_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    whole = engine._with_whole_paths(["quantize", "--type", "q8_0", "a", "/b/c.gguf", "--threads", "1", "--help"])
    assert whole == ["quantize", "--type", "q8_0", str(tmp_path / "a"), "/b/c.gguf", "--threads", "1", "--help"]
    assert engine._with_whole_paths(["bench", "a"]) == ["bench", "a"]
