"""`quarry daemon` as a process: on time, once, and gone when it is told to."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.bootstrap import Services, open_services
from app.core.clock import WallTime, utc_now
from app.core.words import Channel, Post, PostState
from publishers.api import Content
from tests.e2e.conftest import Daemon, Ended


@pytest.fixture
def services(data: Path) -> Iterator[Services]:
    """This process's own Quarry on the folder."""
    with open_services(data) as opened:
        yield opened


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def plan(services: Services, site: Path, texts: list[str], ahead: timedelta) -> list[Post]:
    connected = services.accounts.connect_password("local", {"folder": str(site), "title": "Site"})
    account = services.loop.run(connected).result()
    posts = []
    for text in texts:
        post = services.publishing.add(Content.plain(text), Channel("local", "post"), account.id).result()
        when = WallTime.of(utc_now() + ahead, "Europe/Berlin")
        posts.append(services.publishing.schedule(post.id, when).result())
    return posts


def live(site: Path) -> list[str]:
    return [path.read_text() for path in site.glob("posts/*/text.txt")]


def test_a_post_goes_out_at_its_time_and_is_told(services: Services, daemon: Daemon, site: Path) -> None:
    [post] = plan(services, site, ["On time"], timedelta(seconds=2))
    done = daemon.wait_for(state="published")
    assert done["post"] == post.id
    assert set(done) == {"time", "event", "post", "attempt", "state", "detail"}
    assert post.due_at is not None
    sent = services.publishing.details(post.id).result().publications[0].published_at
    assert timedelta(0) <= sent - post.due_at < timedelta(seconds=10)
    assert datetime.fromisoformat(done["time"]) >= sent
    assert live(site) == ["On time"]
    assert daemon.stop() == 0
    assert daemon.events[-1]["event"] == "stopped"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sends a signal to a thread")
def test_a_signal_that_another_thread_is_handed_ends_it_all_the_same(daemon: Daemon) -> None:
    """The kernel may hand a process's signal to any of its threads; the main one sleeps on."""
    os.kill(daemon.threads()[0], signal.SIGTERM)
    assert daemon.ended() == 0


def test_two_daemons_and_a_window_on_one_folder_publish_once(
    services: Services, daemon: Daemon, data: Path, site: Path
) -> None:
    texts = [f"Loaf {number}" for number in range(6)]
    with Daemon(data) as other:
        posts = plan(services, site, texts, timedelta(seconds=1))

        ours = services.loop.run(services.outbox.run_forever())
        deadline = time.monotonic() + 60
        while len(live(site)) < len(texts) and time.monotonic() < deadline:
            time.sleep(0.05)
        ours.cancel()
        assert (daemon.stop(), other.stop()) == (0, 0)
        services.loop.run(services.outbox.work_due()).result()
        assert Counter(live(site)) == dict.fromkeys(texts, 1)
        for post in posts:
            details = services.publishing.details(post.id).result()
            assert details.post.state is PostState.PUBLISHED
            assert (len(details.attempts), len(details.publications)) == (1, 1)


def test_once_does_what_is_due_and_ends(quarry: Callable[..., Ended], services: Services, site: Path) -> None:
    plan(services, site, ["Due"], timedelta(0))
    plan(services, site, ["Later"], timedelta(hours=1))
    ended = quarry("daemon", "--once")
    assert ended.code == 0
    assert live(site) == ["Due"]
    assert "published" in ended.out


def test_a_folder_of_a_newer_quarry_is_left_alone(quarry: Callable[..., Ended], data: Path) -> None:
    with open_services(data):
        pass
    with closing(sqlite3.connect(data / "quarry.db")) as database:
        database.execute("PRAGMA user_version=999")
    before = (data / "quarry.db").read_bytes()
    ended = quarry("daemon", "--json")
    assert (ended.code, ended.out) == (3, "")
    assert "last used by a newer Quarry" in ended.err
    assert "install the newer version" in ended.err
    assert (data / "quarry.db").read_bytes() == before
