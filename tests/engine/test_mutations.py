"""Model files with random damage: each is refused with one sentence or loads, soon and within its own size.

2,000 files here with a fresh seed, 20,000 with --scale 10 (docs/bench/mutations.md).
"""

from __future__ import annotations

import random
import resource
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import psutil
import pytest

from engine.checkpoint.source import open_checkpoint
from engine.errors import ModelFileError
from tests.engine.tiny import GRANITE, TinyExperts, TinyMamba, write_tiny
from tests.engine.tiny_folder import write_tiny_folder

FILES = 2000
MAX_SECONDS = 5.0
SPARE_BYTES = 64 << 20  # beside the file's own size
EXTREMES = (0, 1, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
JSON_PIECES = (
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"-",
    b"1e999",
    b"null",
    b"true",
    b"NaN",
    b'"":{},',
    b"[" * 9999,
)


def flip(data: bytearray, end: int, rng: random.Random) -> None:
    data[rng.randrange(end)] ^= 1 << rng.randrange(8)


def write_number(data: bytearray, end: int, rng: random.Random) -> None:
    """The numbers that break careless readers, at any place and width."""
    at, width = rng.randrange(end), rng.choice((1, 2, 4, 8))
    data[at : at + width] = (rng.choice(EXTREMES) % (1 << 8 * width)).to_bytes(width, "little")


def write_json(data: bytearray, end: int, rng: random.Random) -> None:
    at = rng.randrange(end)
    data[at : at + rng.randrange(3)] = rng.choice(JSON_PIECES)


def write_digits(data: bytearray, end: int, rng: random.Random) -> None:
    """Another number where a text holds one."""
    digits = [at for at in range(end) if data[at : at + 1].isdigit()]
    if digits:
        at = rng.choice(digits)
        data[at : at + 1] = str(rng.choice(EXTREMES)).encode()


def cut(data: bytearray, end: int, rng: random.Random) -> None:
    del data[rng.randrange(rng.choice((end, len(data)))) :]


def take_out(data: bytearray, end: int, rng: random.Random) -> None:
    at = rng.randrange(end)
    del data[at : at + rng.choice((1, 8, 40))]


def repeat(data: bytearray, end: int, rng: random.Random) -> None:
    """A piece stands twice: keys, tensors and lengths no longer fit."""
    at = rng.randrange(end)
    piece = data[at : at + rng.choice((1, 8, 60, 300))]
    data[at:at] = piece


def add(data: bytearray, end: int, rng: random.Random) -> None:
    data += rng.randbytes(rng.choice((1, 32, 5000)))


BINARY = (flip, flip, write_number, write_number, write_number, cut, take_out, repeat, add)
TEXT = (flip, write_json, write_json, write_digits, write_digits, cut, take_out, repeat, add)


@dataclass(frozen=True)
class Target:
    """A file to damage, the model it belongs to, its sound content, and where its numbers end and its weights begin."""

    model: Path
    path: Path
    sound: bytes
    header: int

    def damage(self, rng: random.Random) -> None:
        """Change one to four places, mostly in the header."""
        data = bytearray(self.sound)
        for _ in range(rng.choice((1, 1, 2, 4))):
            if data:
                end = min(len(data), self.header if rng.random() < 0.9 else len(data))
                rng.choice(BINARY if self.path.suffix == ".gguf" else TEXT)(data, end, rng)
        self.path.write_bytes(data)

    def repair(self) -> None:
        self.path.write_bytes(self.sound)


def target(model: Path, path: Path) -> Target:
    sound = path.read_bytes()
    header = len(sound)
    if path.suffix == ".gguf":
        header = gguf.GGUFReader(path).data_offset
    elif path.suffix == ".safetensors":
        header = 8 + int.from_bytes(sound[:8], "little")
    return Target(model, path, sound, header)


def file_targets(folder: Path) -> list[Target]:
    path = folder / "tiny.gguf"
    parts: dict[str, Any] = {"kv_heads": [0, 2], "mamba": TinyMamba(), "experts": TinyExperts(count=2)}
    write_tiny(path, "granitehybrid", keys=GRANITE, rope=False, template="{{ messages }}", **parts)
    return [target(path, path)]


def folder_targets(folder: Path) -> list[Target]:
    """The files with weights three times: they are damaged more often than the small ones."""
    whole, parts = write_tiny_folder(folder / "whole"), write_tiny_folder(folder / "parts", 2, num_local_experts=0)
    for model in (whole, parts):
        (model / "chat_template.jinja").write_text("{{ messages }}")
    files = [(model, path) for model in (whole, parts) for path in sorted(model.iterdir())]
    weights = [(model, path) for model, path in files if path.suffix == ".safetensors"]
    return [target(model, path) for model, path in files + 2 * weights]


@contextmanager
def memory_for(model: Path) -> Iterator[None]:
    """Let the process have the model's size and SPARE_BYTES more; what asks for more gets a MemoryError."""
    size = sum(file.stat().st_size for file in model.iterdir()) if model.is_dir() else model.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + size + SPARE_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def load(model: Path) -> str:
    """Read everything; the refusal, or "" where it loads."""
    try:
        with open_checkpoint(model) as checkpoint:
            for name in checkpoint.weights:
                checkpoint.weights[name]
    except ModelFileError as error:
        return error.message
    return ""


@pytest.mark.parametrize("targets_in", [file_targets, folder_targets])
def test_a_damaged_model_is_refused_or_loads(targets_in: Callable[[Path], list[Target]], tmp_path: Path, scale: int):
    seed, count = secrets.randbits(32), FILES // 2 * scale
    targets = targets_in(tmp_path)
    assert [load(target.model) for target in targets] == [""] * len(targets)
    loaded, resident = 0, psutil.Process().memory_info().rss
    for i in range(count):
        rng = random.Random(f"{seed} {i}")
        chosen = rng.choice(targets)
        chosen.damage(rng)
        started = time.monotonic()
        try:
            with memory_for(chosen.model):
                refusal = load(chosen.model)
            assert time.monotonic() - started < MAX_SECONDS
            assert refusal == "" or (refusal.endswith(".") and "\n" not in refusal and len(refusal) < 1000)
        except BaseException:
            print(f"seed {seed}, number {i}: {chosen.path.name}")
            raise
        finally:
            chosen.repair()
        loaded += refusal == ""
    print(f"seed {seed}: {loaded} of {count} loaded")
    assert psutil.Process().memory_info().rss - resident < SPARE_BYTES  # nothing stays behind
    assert 0 < loaded < count // 2  # damage that nothing notices would prove as little as total loss
