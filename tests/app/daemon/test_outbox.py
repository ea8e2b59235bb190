"""The scheduler of one process, over a local folder and real time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.bootstrap import Services, open_services
from app.core.clock import WallTime, utc_now
from app.core.words import Channel, Post
from app.daemon.heartbeat import last_beat
from app.daemon.outbox import Happening
from publishers.api import Content
from tests.app.conftest import MovingClock


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def post(services: Services, tmp_path: Path) -> Post:
    return approved(services, tmp_path)


def approved(services: Services, tmp_path: Path) -> Post:
    """A post without a time."""
    answers = {"folder": str(tmp_path / "site"), "title": "Site", "access_log": str(tmp_path / "access.log")}
    account = services.loop.run(services.accounts.connect_password("local", answers)).result()
    return services.publishing.add(Content.plain("Rye"), Channel("local", "post"), account.id).result()


def heard(services: Services) -> asyncio.Queue[Happening]:
    """Everything that happens, in order."""
    queue: asyncio.Queue[Happening] = asyncio.Queue()
    services.outbox.listen(queue.put_nowait)
    return queue


async def until(queue: asyncio.Queue[Happening], state: str) -> Happening:
    while (happening := await asyncio.wait_for(queue.get(), 20)).state != state:
        pass
    return happening


def test_a_post_that_gets_its_time_later_wakes_the_scheduler(services: Services, post: Post) -> None:
    queue = heard(services)

    async def play() -> Happening:
        running = asyncio.create_task(services.outbox.run_forever())
        await asyncio.sleep(0)
        when = WallTime.of(utc_now() + timedelta(seconds=0.5), "Europe/Berlin")
        await asyncio.wrap_future(services.publishing.schedule(post.id, when))
        try:
            return await until(queue, "published")
        finally:
            running.cancel()

    done = services.loop.run(play()).result()
    assert done.post == post.id
    details = services.publishing.details(post.id).result()
    assert details.post.due_at is not None
    assert details.publications[0].published_at >= details.post.due_at
    beat = last_beat(services.folder)
    assert beat is not None
    assert beat.alive(utc_now())


def test_results_are_pulled_when_they_are_due_and_told(tmp_path: Path, clock: MovingClock) -> None:
    with open_services(tmp_path / "data", clock=clock) as services:
        post = approved(services, tmp_path)
        services.publishing.publish_now(post.id).result()
        assert services.loop.run(services.outbox.work_due()).result() == 1
        [publication] = services.publishing.details(post.id).result().publications
        due = services.loop.run(services.outbox.next_wake()).result()
        assert due == publication.next_pull_at
        assert due is not None
        clock.time = due
        (tmp_path / "access.log").touch()
        queue = heard(services)
        assert services.loop.run(services.outbox.work_due()).result() == 1
        assert [(queue.get_nowait().event, queue.empty())] == [("measured", True)]


def test_nothing_planned_is_nothing_to_wake_for(services: Services, post: Post) -> None:
    assert services.loop.run(services.outbox.next_wake()).result() is None
    assert services.loop.run(services.outbox.work_due()).result() == 0


def test_zone_rules_that_changed_move_what_waits(services: Services, post: Post) -> None:
    """As after an update of tzdata: the row holds an instant that its wall time no longer means."""
    tomorrow = WallTime.of(utc_now() + timedelta(days=1), "Europe/Berlin")
    services.publishing.schedule(post.id, tomorrow).result()

    def spoil(unit):
        unit.session.connection().exec_driver_sql("UPDATE post SET due_at = due_at - 3600000000")

    services.store.write(spoil).result()

    moved = threading.Event()
    unsubscribe = services.store.changes.subscribe(lambda change: moved.set() if change.kind == "post" else None)
    running = services.loop.run(services.outbox.run_forever())
    assert moved.wait(20)
    running.cancel()
    unsubscribe()
    assert services.publishing.get(post.id).result().due_at == tomorrow.to_utc()
