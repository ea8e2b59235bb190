from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.cli.conftest import Quarry

NAMES = ["machine", "disk", "database", "engine", "models", "scheduler", "accounts", "platforms"]


def test_a_healthy_machine(quarry: Quarry, account: str, starter_model: Path) -> None:
    report = quarry.json("doctor")
    assert report["ok"]
    assert [check["name"] for check in report["checks"]] == NAMES
    text = quarry("doctor").out
    assert "BAD" not in text
    assert "1 connected" in text


def test_what_is_wrong_is_marked_and_the_exit_code_says_so(
    quarry: Quarry, account: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QUARRY_MODELS_DIR", str(tmp_path / "empty"))
    quarry.json("post", "schedule", quarry.local_post(account), "--at", "2031-07-01T09:00")
    said = quarry("doctor", "--json")
    assert said.code == 3
    bad = {check["name"]: check["advice"] for check in said.document["checks"] if not check["ok"]}
    assert bad.keys() == {"models", "scheduler"}
    assert "quarry daemon" in bad["scheduler"]
    assert "starter model" in bad["models"]
    assert "see the lines marked BAD" in said.err
