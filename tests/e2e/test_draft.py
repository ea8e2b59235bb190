"""`quarry draft` with the real engine, with another server, and killed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from publishers import registry
from tests.e2e.conftest import Ended, command
from tests.engine.oracle import llama_cpp_server
from tests.requirements import ROOT

WANTED = ("draft", "--topic", "We open at nine", "--length", "short", "--variants", "1", "--seed", "7")


def test_the_same_seed_gives_the_same_texts_within_each_limit(quarry: Callable[..., Ended]) -> None:
    first, second = (quarry(*WANTED, "--channel", "x", "--channel", "bluesky", "--json").document for _ in range(2))
    assert [draft["text"] for draft in first["drafts"]] == [draft["text"] for draft in second["drafts"]]
    assert first["seconds"] > 0
    assert [draft["channel"] for draft in first["drafts"]] == ["x", "bluesky"]
    for draft in first["drafts"]:
        count = registry.get(draft["channel"]).count(draft["text"], "post")
        assert draft["count"] == {"used": count.used, "limit": count.limit, "unit": count.unit.value}
        assert 0 < count.used <= count.limit
        made = draft["provenance"]
        assert made["seed"] == 7
        assert made["model"].startswith("SmolLM2-135M")
        assert len(made["file_sha256"]) == 64
        assert made["prompt_version"]


def test_another_server_writes_at_its_address(quarry: Callable[..., Ended], starter_model: Path) -> None:
    with llama_cpp_server(starter_model, model_alias={"someone-elses-model"}) as url:
        document = quarry(*WANTED, "--channel", "local", "--endpoint", url, "--json").document
    [draft] = document["drafts"]
    assert draft["text"]
    assert draft["provenance"]["model"] == "someone-elses-model"
    assert draft["provenance"]["file_sha256"] == ""


def test_no_engine_outlives_a_killed_quarry(data: Path, starter_model: Path) -> None:
    words = ("draft", "--topic", "Everything about rye", "--channel", "local", "--length", "long")
    with subprocess.Popen(command(data, *words), cwd=ROOT, stderr=subprocess.PIPE, text=True) as cli:
        assert cli.stderr
        for line in cli.stderr:
            if "writes variant" in line:
                break
        [address] = (data / "run").glob("engine-*.json")
        engine = psutil.Process(json.loads(address.read_text())["pid"])
        assert alive(engine)
        cli.kill()
    deadline = time.monotonic() + 5
    while alive(engine) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(engine)


def alive(process: psutil.Process) -> bool:
    """A process that ended but that nobody has waited for counts as ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
