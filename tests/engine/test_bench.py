"""`engine bench` on a tiny model: every row that was asked for, in the document that cli.md promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.tiny import GRANITE, KV_HEADS, TinyMamba, write_tiny
from tests.requirements import ROOT


def bench(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "bench", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_every_row_is_measured(tmp_path: Path):
    file = write_tiny(
        tmp_path / "tiny.gguf", "granitehybrid", keys=GRANITE, kv_heads=[0, KV_HEADS, 0], rope=False, mamba=TinyMamba()
    )
    how = ("--prompt", "5,300", "--gen", "3", "--depth", "0,70", "--batch", "1,2", "--repeat", 2, "--json")
    done = bench("--model", file, *how)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    rows = {(row["test"], row["depth"], row["batch"]) for row in document["rows"]}
    assert rows == {(test, depth, batch) for test in ("pp5", "pp300", "tg3") for depth in (0, 70) for batch in (1, 2)}
    assert all(0 < row["tok_s"]["min"] <= row["tok_s"]["median"] <= row["tok_s"]["max"] for row in document["rows"])
    assert document["model"] == "tiny"
    assert document["kernels"] == {"step": "cpu"}
    assert document["peak_rss_bytes"] > 1 << 20
    mamba = TinyMamba()
    assert document["state_bytes_per_sequence"] == 2 * 4 * (3 * mamba.channels + mamba.inner * mamba.state)
    assert document["kv_bytes_per_token"] == 2 * 2 * KV_HEADS * 16


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path):
    (tmp_path / "no.gguf").write_bytes(b"nothing")
    done = bench("--model", tmp_path / "no.gguf")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_shape_needs_no_file():
    done = bench("--model", "h-350m", "--prompt", "8", "--gen", "", "--repeat", 1, "--quant", "q8_0", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["model"], document["quant"]) == ("h-350m", "Q8_0, random")
    assert document["kv_bytes_per_token"] == 4 * 2 * 2 * 4 * 64  # 4 layers, keys and values, halves, 4 heads of 64
    assert document["rows"][0]["tok_s"]["median"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--model", "h-2b"), "h-2b"), (("--model", "h-350m", "--prompt", "", "--gen", ""), "nothing to measure")],
)
def test_what_cannot_be_measured_is_one_sentence(words: tuple[str, ...], said: str):
    done = bench(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
