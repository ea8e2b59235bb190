from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.core.clock import WallTime
from app.core.errors import KnownError, WrongUsage
from app.core.words import AttemptState, Channel, DraftState, PostState
from app.publishing.progress import Progress
from publishers.api import Content
from tests.app.publishing.conftest import LOCAL, Desk
from tests.app.samples import draft

LEASE = timedelta(seconds=60)


def test_an_approved_draft_becomes_a_post_and_goes_out_at_its_time(desk: Desk) -> None:
    account = desk.account()
    made = desk.store.write(lambda unit: unit.drafts.add(draft("Rye keeps."))).result()
    post = desk.publishing.approve(made.id, account.id).result()
    assert post.state is PostState.APPROVED
    assert desk.store.read(lambda unit: unit.drafts.get(made.id)).result().state is DraftState.APPROVED
    when = WallTime(datetime(2026, 3, 2, 14), "Europe/Berlin")  # 13:00 UTC, an hour ahead
    desk.publishing.schedule(post.id, when, post.version).result()
    assert desk.work() == 0
    desk.clock.move(hours=1)
    assert desk.work() == 1
    details = desk.details(post.id)
    assert details.post.state is PostState.PUBLISHED
    assert desk.live() == ["Rye keeps."]
    [publication] = details.publications
    assert publication.permalink.startswith("file:")
    assert publication.next_pull_at is not None
    [(attempt, history)] = details.attempts
    assert attempt.state is AttemptState.PUBLISHED
    assert [run.event for run in history][-1] == "published"
    assert "armed" in [run.event for run in history]


def test_what_the_platform_would_refuse_is_not_approved_and_the_draft_stays(desk: Desk) -> None:
    account = desk.account()
    made = desk.store.write(lambda unit: unit.drafts.add(draft("x" * 20_001))).result()
    with pytest.raises(KnownError, match="The draft was kept"):
        desk.publishing.approve(made.id, account.id).result()
    assert desk.store.read(lambda unit: unit.drafts.get(made.id)).result().state is DraftState.OPEN
    assert desk.publishing.listed().result() == []


def test_a_draft_for_another_platform_is_refused(desk: Desk) -> None:
    account = desk.account()
    with pytest.raises(KnownError, match="choose an account of that platform"):
        desk.publishing.add(Content.plain("Hi"), Channel("x", "post"), account.id).result()


def test_ids_may_be_typed_by_their_ending(desk: Desk) -> None:
    post = desk.due_post()
    assert desk.publishing.get(post.id[-8:]).result().id == post.id
    with pytest.raises(KnownError, match="There is no post"):
        desk.publishing.get("%").result()


def test_a_post_without_an_attempt_is_canceled_and_rescheduled(desk: Desk) -> None:
    post = desk.due_post()
    assert desk.publishing.cancel(post.id).result().state is PostState.CANCELED
    assert desk.work() == 0
    assert desk.publishing.publish_now(post.id).result().state is PostState.SCHEDULED
    desk.work()
    assert desk.live() == ["Hello"]
    with pytest.raises(KnownError, match="published"):
        desk.publishing.cancel(post.id).result()


def resting(desk: Desk, progress: Progress, state: AttemptState = AttemptState.NEEDS_USER) -> str:
    """A post whose attempt stopped at `progress` and waits for the creator."""
    post = desk.due_post()
    attempt = desk.store.write(lambda unit: unit.attempts.claim("w", LEASE)).result()
    assert attempt
    stopped = replace(
        attempt,
        state=state,
        step="publish",
        resume=progress.to_json(),
        armed_at=None if progress.clear_to_send else desk.clock(),
        lease_owner="",
        lease_until=None,
    )
    desk.store.write(lambda unit: unit.attempts.save(stopped, owner="w")).result()
    desk.store.write(lambda unit: unit.posts.set_state(post.id, PostState.NEEDS_USER, "Look at it.")).result()
    return post.id


UNKNOWN = Progress(index=0, clear_to_send=False)


def test_while_it_is_unknown_nothing_is_sent_again(desk: Desk) -> None:
    post = resting(desk, UNKNOWN)
    for action in (desk.publishing.retry, desk.publishing.cancel):
        with pytest.raises(KnownError):
            action(post).result()
    desk.clock.move(days=1)
    assert desk.work() == 0


def test_the_creator_says_that_it_is_live(desk: Desk) -> None:
    post = resting(desk, UNKNOWN)
    with pytest.raises(WrongUsage, match="no web address"):
        desk.publishing.resolve(post, link="javascript:alert(1)")
    assert desk.publishing.resolve(post, link="https://example.com/1").result().state is PostState.PUBLISHED
    assert desk.work() == 0
    details = desk.details(post)
    assert [publication.permalink for publication in details.publications] == ["https://example.com/1"]
    assert details.attempts[0][0].state is AttemptState.PUBLISHED
    assert desk.live() == []


def test_one_answer_at_a_time(desk: Desk) -> None:
    post = resting(desk, UNKNOWN)
    with pytest.raises(WrongUsage):
        desk.publishing.resolve(post)
    with pytest.raises(WrongUsage):
        desk.publishing.resolve(post, link="https://example.com/1", resend=True)
    fine = desk.due_post("Other")
    with pytest.raises(KnownError, match="Nothing is unknown"):
        desk.publishing.resolve(fine.id, resend=True).result()


def test_a_stopped_attempt_goes_on_where_it_was(desk: Desk) -> None:
    post = resting(desk, Progress(index=0))
    desk.publishing.retry(post).result()
    desk.work()
    details = desk.details(post)
    assert details.post.state is PostState.PUBLISHED
    assert len(details.attempts) == 1


def test_canceling_a_stopped_attempt_leaves_nothing_live(desk: Desk) -> None:
    post = resting(desk, Progress(index=0))
    assert desk.publishing.cancel(post).result().state is PostState.CANCELED
    assert desk.details(post).attempts[0][0].state is AttemptState.CANCELED
    assert desk.work() == 0
    assert desk.live() == []


def test_the_calendar_lists_by_time(desk: Desk) -> None:
    account = desk.account()
    now = desk.clock()
    for days in (3, 1, 9):
        post = desk.publishing.add(Content.plain(f"day {days}"), LOCAL, account.id).result()
        desk.publishing.schedule(post.id, WallTime.of(now + timedelta(days=days), "UTC")).result()
    week = desk.publishing.due_between(now, now + timedelta(days=7)).result()
    assert sorted(post.content.text for post in week) == ["day 1", "day 3"]
