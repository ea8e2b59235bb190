from __future__ import annotations

import csv
from pathlib import Path

import pytest

from app.bootstrap import open_services
from tests.app.cli.conftest import Quarry


@pytest.fixture
def published(quarry: Quarry, site: Path, tmp_path: Path) -> str:
    """A post of today with two visitors."""
    log = tmp_path / "access.log"
    account = quarry.local_account(site, base_url="http://127.0.0.1:9", access_log=log)
    post = quarry.json("post", "publish", quarry.local_post(account))
    [attempt] = post["attempts"]
    seen = f'[24/Nov/2026:12:00:00 +0000] "GET /posts/{attempt["id"]}/ HTTP/1.1" 200 512 "-" "Firefox"'
    log.write_text("no log line\n" + "".join(f"192.0.2.{host} - - {seen}\n" for host in (1, 2)) + "192.0.2.3 - - [24/")
    with open_services(quarry.data) as opened:
        opened.loop.run(opened.pulls.pull_now([post["publications"][0]["id"]])).result()
    return str(post["id"])


def test_without_results_it_says_how_to_get_some(quarry: Quarry) -> None:
    assert quarry("insights", "overview").out == "0 posts in 28 days.\n"
    assert "Nothing was published yet" in quarry("insights", "posts").out
    assert quarry.json("insights", "models") == {
        "best": None,
        "note": "Nothing was measured yet: publish a post and its results come here.",
        "rows": [],
    }
    assert quarry.json("insights", "prompts")["rows"] == []


def test_a_post_s_numbers(quarry: Quarry, published: str) -> None:
    [row] = quarry.json("insights", "posts")
    assert (row["post"], row["metrics"], row["uplift"]) == (published, {"views": 2}, None)
    assert "views 2" in quarry("insights", "posts").out
    assert quarry.json("insights", "posts", "--to", "2001-01-01") == []
    assert quarry.json("insights", "posts", "--from", "2001-01-01") == [row]
    assert quarry.json("insights", "overview")["comparison"]["now"]["metrics"]["views"] == {"value": 2, "n": 1}
    assert "views" in quarry("insights", "overview").out
    assert (
        quarry.json("insights", "overview", "--from", "2001-01-01", "--to", "2001-01-31")["comparison"]["now"]["posts"]
        == 0
    )


def test_a_log_of_another_kind_is_told_and_the_views_are_kept(quarry: Quarry, published: str, tmp_path: Path) -> None:
    (tmp_path / "access.log").write_bytes(b"\x00\xff" * 500 + b'\n{"json": "lines"}\n')
    with open_services(quarry.data) as opened:
        [publication] = opened.publishing.details(published).result().publications
        [pulled] = opened.loop.run(opened.pulls.pull_now([publication.id])).result()
    assert pulled.metrics is None
    assert "No line of the access log" in pulled.message
    assert "views stay as they were" in pulled.message
    [row] = quarry.json("insights", "posts")
    assert row["metrics"] == {"views": 2}


def test_rankings_say_what_is_not_known_yet(quarry: Quarry, published: str) -> None:
    board = quarry.json("insights", "models")
    [row] = board["rows"]
    assert (row["label"], row["verdict"], row["n"], row["waiting"]) == ("written by hand", "not enough data yet", 0, 1)
    assert "Not enough data yet" in board["note"]
    assert "not enough data yet" in quarry("insights", "prompts").out


def test_rows_go_to_a_file(quarry: Quarry, published: str, tmp_path: Path) -> None:
    file = tmp_path / "posts.csv"
    said = quarry("insights", "posts", "--csv", file, "--json")
    assert f"1 rows are in {file}." in said.err
    with file.open(encoding="utf-8-sig", newline="") as text:
        [row] = csv.DictReader(text)
    assert (row["post"], row["views"], row["clicks"]) == (published, "2", "")
    assert said.document[0]["metrics"] == {"views": 2}
    assert quarry("insights", "models", "--csv", tmp_path).code == 3
    assert quarry("insights", "models", "--csv", tmp_path / "models.csv").code == 0
