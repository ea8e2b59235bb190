"""`quarry tour`: each step left something that can be seen without asking Quarry."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.bootstrap import open_services
from app.tour.record import STEPS
from tests.e2e.conftest import Ended

ATOM = "{http://www.w3.org/2005/Atom}"


def test_the_main_job_from_nothing(quarry: Callable[..., Ended], data: Path) -> None:
    tour = quarry("tour", "--topic", "We open at nine", "--json").document
    assert tour["ok"]
    assert [(step["name"], step["ok"]) for step in tour["steps"]] == [(name, True) for name in STEPS]
    evidence: dict[str, Any] = {step["name"]: step["evidence"] for step in tour["steps"]}
    folder = Path(tour["data_dir"])
    assert folder.parent == data

    drafts, publish = evidence["draft"], evidence["publish"]
    assert all(drafts["texts"])
    assert all(speed > 0 for speed in drafts["tokens_per_second"])
    page = Path(publish["file"])
    assert page.is_relative_to(folder)
    assert (page.parent / "text.txt").read_text() == drafts["texts"][0]
    due, sent = datetime.fromisoformat(evidence["schedule"]["due"]), datetime.fromisoformat(publish["sent"])
    assert timedelta(0) <= sent - due < timedelta(seconds=10)

    feed = ET.parse(folder / "site" / "feed.xml").getroot()
    links = [link.get("href", "") for entry in feed.iter(f"{ATOM}entry") for link in entry.iter(f"{ATOM}link")]
    assert [link.removesuffix("index.html") for link in links] == [publish["permalink"]]

    log = (folder / "access.log").read_text().splitlines()
    assert sum(f"/posts/{publish['attempt']}/" in line for line in log) >= evidence["measure"]["views"] > 0
    assert evidence["rank"]["model"] == tour["model"]
    assert evidence["rank"]["posts"] == 1
    with open_services(folder) as opened:
        [row] = opened.ranking.models().result().rows
        details = opened.publishing.details(evidence["approve"]["post"]).result()
    assert row.key == tour["model"]
    assert [publication.permalink for publication in details.publications] == [publish["permalink"]]


def test_without_a_model_it_says_which_step_failed_and_what_to_do(
    quarry: Callable[..., Ended], monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("QUARRY_MODELS_DIR", str(tmp_path / "none"))
    ended = quarry("tour")
    assert ended.code == 3
    assert ended.out.split()[:2] == ["BAD", "set-up"]
    assert "model" in ended.err.splitlines()[-1]
