"""How attempts go on: parts, waits, changed plans, other workers' deaths."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.core.words import AttemptState, PostState
from app.publishing.backoff import next_try
from publishers.api import (
    CannotTell,
    Content,
    Done,
    NeedsUser,
    StepKind,
    Wait,
)
from publishers.errors import ErrorKind, PublishError
from tests.app.conftest import MovingClock
from tests.app.publishing.conftest import Desk
from tests.app.publishing.scripted import LIVE, LOST, Scripted, error, script

__all__ = ["script"]


def test_an_address_looked_up_afterwards_is_kept(desk: Desk, script: Callable[..., Scripted]) -> None:
    kinds = {"commit": StepKind.COMMIT, "look": StepKind.AFTER_COMMIT}
    script(kinds, commit=[Done("1")], look=[Done(permalink="https://example.com/late")])
    post = desk.due_post()
    desk.work()
    assert [one.permalink for one in desk.details(post.id).publications] == ["https://example.com/late"]


def test_what_follows_a_part_only_the_creator_knows_of_is_not_sent(desk: Desk, script: Callable[..., Scripted]) -> None:
    kinds = {"first": StepKind.COMMIT, "second": StepKind.COMMIT}
    adapter = script(kinds, answers=[CannotTell("It keeps no list.")], first=[LOST], second=[LIVE])
    post = desk.due_post()
    desk.work()
    desk.publishing.resolve(post.id, link="https://example.com/1").result()
    assert desk.work() == 0
    details = desk.details(post.id)
    assert details.post.state is PostState.PARTLY_PUBLISHED
    assert "1 more of its parts" in details.post.message
    assert "second" not in adapter.ran


def test_a_thread_that_stops_in_the_middle_goes_on_there(desk: Desk, script: Callable[..., Scripted]) -> None:
    kinds = {"first": StepKind.COMMIT, "second": StepKind.COMMIT}
    adapter = script(kinds, first=[Done("1")], second=[error(ErrorKind.CONTENT), Done("2")])
    post = desk.due_post()
    desk.work()
    assert desk.details(post.id).post.state is PostState.PARTLY_PUBLISHED
    desk.publishing.retry(post.id).result()
    desk.work()
    assert adapter.ran == ["first", "second", "second"]
    details = desk.details(post.id)
    assert details.post.state is PostState.PUBLISHED
    assert [(publication.part, publication.remote_id) for publication in details.publications] == [(0, "1"), (1, "2")]


def test_an_upload_goes_on_at_its_part(desk: Desk, script: Callable[..., Scripted], clock: MovingClock) -> None:
    until = clock() + timedelta(minutes=1)
    adapter = script(upload=[Wait(), Wait(until, "processing"), Done()])
    post = desk.due_post()
    desk.work()
    assert adapter.ran == ["upload", "upload"]
    assert desk.attempt(post.id).resume["state"] == {"upload": 2}
    clock.time = until
    desk.work()
    assert adapter.ran == ["upload", "upload", "upload", "commit"]


def test_the_creators_turn_and_back(desk: Desk, script: Callable[..., Scripted]) -> None:
    script(upload=[NeedsUser("Open the app and confirm."), Done()])
    post = desk.due_post()
    desk.work()
    assert desk.details(post.id).post.message == "Open the app and confirm."
    desk.publishing.retry(post.id).result()
    desk.work()
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_changed_plan_starts_over_before_the_commit(
    desk: Desk, script: Callable[..., Scripted], clock: MovingClock
) -> None:
    adapter = script(upload=[Wait(clock() + timedelta(minutes=1)), Done()])
    post = desk.due_post()
    desk.work()
    adapter.version = 2
    clock.move(minutes=1)
    desk.work()
    assert "upload: started over" in desk.events
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_changed_plan_never_touches_what_may_be_live(
    desk: Desk, script: Callable[..., Scripted], clock: MovingClock
) -> None:
    adapter = script(commit=[LOST], answers=[CannotTell("down")])
    adapter.answers = []

    async def unreachable(*_arguments: Any):
        raise PublishError(ErrorKind.NETWORK, "No way there.")

    adapter.reconcile = unreachable  # type: ignore[assignment,method-assign]
    post = desk.due_post()
    desk.work()
    assert desk.attempt(post.id).state is AttemptState.UNKNOWN
    adapter.version = 2
    clock.move(hours=2)
    desk.work()
    assert desk.details(post.id).post.state is PostState.NEEDS_USER
    assert adapter.ran.count("commit") == 1


def test_two_workers_at_once_make_one_commit(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script()
    desk.due_post()
    first, second = desk.worker(), desk.worker()
    futures = [desk.loop.run(worker.work_due()) for worker in (first, second)]
    assert sorted(future.result() for future in futures) == [0, 1]
    assert adapter.ran == ["upload", "commit"]


def test_a_dead_workers_lease_is_not_waited_for(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script()
    post = desk.due_post()
    dead = desk.worker()
    held = desk.store.write(lambda unit: unit.attempts.claim(dead.owner, timedelta(minutes=1))).result()
    assert held
    assert desk.work() == 0  # its process lives
    dead._presence._lock.release()  # as the system does when a process is killed
    assert desk.work() == 1
    assert adapter.ran == ["upload", "commit"]
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_file_that_changed_since_it_was_chosen_is_not_published(desk: Desk, tmp_path) -> None:
    from PIL import Image

    from publishers.api import Media, Part

    picture = tmp_path / "a.png"
    Image.new("RGB", (4, 4), "red").save(picture)
    facts = desk.media.attach(picture)
    account = desk.account()
    content = Content((Part("With a picture", (Media(facts, "red"),)),))
    post = desk.publishing.add(content, desk.due_post("other", account).channel, account.id).result()
    desk.publishing.publish_now(post.id).result()
    facts.path.write_bytes(b"something else")
    desk.work()
    details = desk.details(post.id)
    assert details.post.state is PostState.NEEDS_USER
    assert details.post.message


@pytest.mark.parametrize("failures", range(1, 30))
def test_waits_are_bounded(failures: int, clock: MovingClock) -> None:
    wait = next_try(PublishError(ErrorKind.NETWORK, ""), failures, clock()) - clock()
    assert timedelta(seconds=20) <= wait <= timedelta(hours=1)
