"""Files that are damaged, foreign, cut off or in the way cost a reading and never more."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine import prefix_files
from engine.cpu.decoder import CpuDecoder
from engine.loader import load_model
from engine.prefix_files import PARTIAL, SUFFIX
from engine.prefix_store import PrefixStore
from engine.reading import Prompt
from tests.engine.prefixes import MIB, files, read, tokens, written
from tests.engine.processes import TOKEN, engine
from tests.engine.tiny import write_tiny
from tests.engine.waiting import until
from tests.logged import ExpectedLog
from tests.requirements import ROOT

KEY, OTHER = b"k" * 32, b"o" * 32
PARTS = (np.arange(1000, dtype=np.float32), np.zeros(0, np.float32), np.arange(5000).astype(np.uint8))
SIZE = sum(part.nbytes for part in PARTS)
WHOLE = b"".join(part.tobytes() for part in PARTS)


def saved(folder: Path, *keys: bytes, parts: Sequence[np.ndarray] = PARTS) -> list[Path]:
    with files(folder) as opened:
        for key in keys:
            opened.save(key, 100, parts)
            assert until(lambda key=key: (folder / (key.hex() + SUFFIX)).exists())
    return [folder / (key.hex() + SUFFIX) for key in keys]


def test_what_was_written_is_read_and_is_the_owners_alone(tmp_path: Path):
    folder = tmp_path / "new" / "prefixes"
    [path] = saved(folder, KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with files(folder) as opened:
        assert opened.has(KEY)
        assert not opened.has(OTHER)
        memory = opened.load(KEY, 100, SIZE)
        assert memory is not None
        assert memory.tobytes() == WHOLE
        assert opened.load(OTHER, 100, SIZE) is None
        assert written(opened, 1)
        assert opened.counts.bytes == path.stat().st_size
        assert opened.counts.damaged == 0


@pytest.fixture
def damaged(expected_log: ExpectedLog) -> None:
    expected_log("A kept prompt on disk is damaged .*: it was deleted, and the text is read again")


@example(0, 1, 0)
@example(63, 255, 0)
@example(64 + SIZE - 1, 1, 0)
@example(0, 0, 1)
@example(0, 0, 64 + SIZE)
@example(0, 0, -1)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 64 + SIZE - 1), st.integers(1, 255), st.just(0))
@pytest.mark.usefixtures("damaged")
def test_any_change_is_found_out_and_the_file_is_deleted(tmp_path: Path, at: int, flip: int, cut: int):
    folder = tmp_path / "prefixes"
    path = folder / (KEY.hex() + SUFFIX)
    if not (tmp_path / "sound").exists():
        (tmp_path / "sound").write_bytes(saved(folder, KEY)[0].read_bytes())
    data = bytearray((tmp_path / "sound").read_bytes())
    data[at] ^= flip
    path.write_bytes(data[: len(data) - cut] if cut >= 0 else data + b"x")
    with files(folder) as opened:
        assert opened.load(KEY, 100, SIZE) is None
        assert opened.counts.damaged == 1
    assert not path.exists()


@pytest.mark.usefixtures("damaged")
@pytest.mark.parametrize(("tokens", "size"), [(101, SIZE), (100, SIZE + 64), (100, SIZE - 64)])
def test_a_file_of_another_length_is_foreign(tmp_path: Path, tokens: int, size: int):
    [path] = saved(tmp_path, KEY)
    with files(tmp_path) as opened:
        assert opened.load(KEY, tokens, size) is None
    assert not path.exists()


@pytest.mark.usefixtures("damaged")
def test_a_file_under_anothers_name_is_foreign(tmp_path: Path):
    first, second = saved(tmp_path, KEY, OTHER)
    second.write_bytes(first.read_bytes())
    with files(tmp_path) as opened:
        assert opened.load(OTHER, 100, SIZE) is None
        assert opened.load(KEY, 100, SIZE) is not None


@pytest.mark.usefixtures("damaged")
def test_a_folder_in_the_place_of_a_file_is_survived(tmp_path: Path):
    (tmp_path / (KEY.hex() + SUFFIX)).mkdir()
    with files(tmp_path) as opened:
        assert opened.load(KEY, 100, SIZE) is None


def test_the_least_recently_used_files_go_first(tmp_path: Path):
    keys = [bytes([at]) * 32 for at in range(4)]
    paths = saved(tmp_path, *keys[:3])
    for age, path in enumerate(paths):
        os.utime(path, (time.time() - 100 + age,) * 2)
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not ours")
    with files(tmp_path, 3 * paths[0].stat().st_size) as opened:
        opened.touch(keys[0])
        opened.save(keys[3], 100, PARTS)
        assert until(lambda: opened.has(keys[3]) and not opened.has(keys[1]))
        assert [opened.has(key) for key in keys] == [True, False, True, True]
        assert (opened.counts.files, opened.counts.bytes) == (3, 3 * paths[0].stat().st_size)
    assert foreign.exists()


def test_what_is_larger_than_the_limit_is_not_written(tmp_path: Path):
    [path] = saved(tmp_path, KEY)
    with files(tmp_path, path.stat().st_size) as opened:
        opened.save(OTHER, 100, (np.zeros(SIZE + 1, np.uint8),))
        opened.close()
        assert [opened.has(KEY), opened.has(OTHER)] == [True, False]


def test_a_slow_disk_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """More than a few are not waited for: they are not written."""
    with files(tmp_path) as opened:
        opened.save(KEY, 100, PARTS)
        assert written(opened, 1)
        stopped = threading.Event()
        monkeypatch.setattr(opened, "_write", lambda *_task: stopped.wait(10))
        for at in range(10):
            opened.save(bytes([at]) * 32, 100, PARTS)
        assert 5 <= opened.counts.skipped <= 6  # one is being written and four wait
        stopped.set()


def test_a_folder_that_cannot_be_is_said_once(tmp_path: Path, expected_log: ExpectedLog):
    expected_log("Prompts cannot be kept in .*: from now on they are kept in memory only")
    (tmp_path / "file").write_text("in the way")
    with files(tmp_path / "file" / "prefixes") as opened:
        opened.save(KEY, 100, PARTS)
        assert until(lambda: not opened.has(KEY))
        assert opened.load(KEY, 100, SIZE) is None
        assert opened.counts.files == 0


def test_a_full_disk_leaves_no_half_and_is_said_once(
    tmp_path: Path, expected_log: ExpectedLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    expected_log("Prompts cannot be kept in .*No space left on device")

    def full(*_what: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(prefix_files, "_write_part", full)
    with files(tmp_path) as opened:
        for key in (KEY, OTHER):
            opened.save(key, 100, PARTS)
        assert until(lambda: not opened.has(KEY) and not opened.has(OTHER))
        opened.save(KEY, 100, PARTS)
        assert not opened.has(KEY)
    assert list(tmp_path.iterdir()) == []
    assert len(caplog.records) == 1


KILLED = """
import os, sys, numpy, engine.prefix_files as files
from pathlib import Path
write, left = files._write_part, int(sys.argv[2])
def dying(file, part, checksum):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    return write(file, part, checksum)
files._write_part = dying
opened = files.PrefixFiles(Path(sys.argv[1]), 1 << 20)
opened.save(b"k" * 32, 100, (numpy.ones(1000, numpy.uint8),) * 3)
opened.close()
"""


def test_kill_9_in_the_middle_of_writing_leaves_no_damage(tmp_path: Path):
    for parts_before in (0, 2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(parts_before)], cwd=ROOT, check=False)
        assert done.returncode == -9
    partial = [path for path in tmp_path.iterdir() if path.name.endswith(PARTIAL)]
    assert len(partial) == len(list(tmp_path.iterdir())) == 2
    os.utime(partial[0], (time.time() - 7200,) * 2)
    with files(tmp_path) as opened:
        assert opened.load(KEY, 100, 3000) is None
        assert until(lambda: not partial[0].exists())  # nobody goes on with it
        opened.save(KEY, 100, (np.ones(1000, np.uint8),) * 3)
        assert written(opened, 1)
        assert opened.load(KEY, 100, 3000) is not None
        assert opened.counts.damaged == 0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.mark.usefixtures("damaged")
def test_a_damaged_prefix_is_read_again_with_the_same_bits(tiny: Path, tmp_path: Path):
    decoder = load_model(tiny, threads=1).decoder
    assert isinstance(decoder, CpuDecoder)
    prompt = Prompt(tokens(250), (100, 200))
    with files(tmp_path) as disk:
        cold, _ = read(decoder, prompt, PrefixStore(decoder, "a model", MIB, disk))
    assert len(list(tmp_path.iterdir())) == 2  # the end is near the second one
    longest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(longest.read_bytes())
    data[-1] ^= 1
    longest.write_bytes(data)
    with files(tmp_path) as disk:
        logits, had = read(decoder, prompt, PrefixStore(decoder, "a model", MIB, disk))
        assert had == 100
        assert disk.counts.damaged == 1
    np.testing.assert_array_equal(logits, cold)


def test_the_engine_goes_on_after_a_restart(tiny: Path, tmp_path: Path):
    request = {"messages": [{"role": "user", "content": "A source text. " * 10}], "max_tokens": 8, "seed": 7}

    def answer() -> tuple[str, int]:
        with (
            engine(tiny, "--prefix-dir", str(tmp_path / "kept"), "--prefix-disk", "1") as running,
            httpx.Client(base_url=running.url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as http,
        ):
            said = http.post("/v1/chat/completions", json=request, timeout=60).json()
            metric = r'^quarry_prefix_entries\{place="disk"\} (\d+)$'
            assert until(lambda: re.search(metric, http.get("/metrics").text, re.M)[1] == "1")  # type: ignore[index]
            return said["choices"][0]["message"]["content"], said["usage"]["prompt_tokens_details"]["cached_tokens"]

    text, cached = answer()
    assert cached == 0
    again, cached = answer()
    assert again == text
    assert cached > 100
