"""`engine quantize` where something is wrong: one sentence, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from engine.errors import ModelFileError, OutputError
from engine.quantize import MIXTURES, quantize
from tests.engine.tiny import write_tiny
from tests.engine.tiny_folder import CONFIG, write_tiny_folder
from tests.requirements import ROOT


def silent(_line: str) -> None:
    pass


def put(folder: Path, name: str, change: Callable[[np.ndarray], object]) -> None:
    weights = {key: values.copy() for key, values in load_file(folder / "model.safetensors").items()}
    change(weights[name])
    save_file(weights, folder / "model.safetensors")


def config_with(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(json.dumps(CONFIG | changes))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "not a number": (lambda f: put(f, "model.norm.weight", lambda v: v.fill(np.nan)), "not a number"),
    "too large": (
        lambda f: put(f, "model.embed_tokens.weight", lambda v: v.fill(-1e5)),
        "embed holds a number too large",
    ),
    "cut": (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]), "damaged"),
    "no tensor for a bias": (config_with(attention_bias=True), "bias is missing"),
    "bounded steps": (config_with(time_step_limit=[0.1, 0.5]), "bound their time steps"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_or_written_is_one_sentence(tmp_path: Path, name: str):
    change, message = REFUSED[name]
    source = write_tiny_folder(tmp_path / "model")
    change(source)
    with pytest.raises(ModelFileError, match=message):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q4_k_m"], 1, silent)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_experts_without_positions_have_no_key(tmp_path: Path):
    """llama.cpp's granitemoe rotates whatever the file says (compared with it in float32)."""
    source = write_tiny_folder(tmp_path / "model", layer_types=["attention"] * 3)
    with pytest.raises(ModelFileError, match="attention layers without positions"):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q8_0"], 1, silent)


def test_a_quantised_model_is_not_rounded_again(tmp_path: Path):
    source = write_tiny(tmp_path / "tiny.gguf", quantise=gguf.GGMLQuantizationType.Q8_0)
    with pytest.raises(ModelFileError, match=r"embed is Q8_0.*take a file with F32"):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q4_k_m"], 1, silent)


def test_what_exists_is_left_as_it_is(tmp_path: Path):
    source = write_tiny(tmp_path / "tiny.gguf")
    before = source.read_bytes()
    with pytest.raises(OutputError, match=r"tiny\.gguf exists"):
        quantize(source, source, MIXTURES["q8_0"], 1, silent)
    assert source.read_bytes() == before
    assert list(tmp_path.iterdir()) == [source]


def test_too_little_room_is_told_before_a_byte_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    with pytest.raises(OutputError, match=r"needs 0 MB and 0 MB of the disk are free; nothing was written"):
        quantize(write_tiny(tmp_path / "tiny.gguf"), tmp_path / "out.gguf", MIXTURES["q8_0"], 1, silent)
    assert not list(tmp_path.glob("*out*"))


def test_whoever_stops_it_finds_nothing(tmp_path: Path):
    def stop(_line: str) -> None:
        raise KeyboardInterrupt

    source = write_tiny(tmp_path / "tiny.gguf")
    with pytest.raises(KeyboardInterrupt):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q8_0"], 2, stop)
    assert list(tmp_path.iterdir()) == [source]


FULL = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); "


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path):
    """The system refuses the 50,001st byte."""
    source = write_tiny(tmp_path / "tiny.gguf")
    command = [sys.executable, "-c", FULL + "runpy.run_module('engine', run_name='__main__')", "quantize"]
    done = subprocess.run([*command, source, tmp_path / "out.gguf"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    *_, last = done.stderr.splitlines()
    assert last.endswith("out.gguf cannot be written (File too large); nothing of it was kept.")
    assert list(tmp_path.iterdir()) == [source]


def test_the_command(tmp_path: Path):
    source = write_tiny(tmp_path / "tiny.gguf")
    command: list[str | Path] = [sys.executable, "-m", "engine", "quantize"]
    command += [source, tmp_path / "out.gguf", "--type", "q8_0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-2:] == ["100 % of 0.1 MB", f"{tmp_path / 'out.gguf'}: 0.1 MB of Q8_0"]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1
