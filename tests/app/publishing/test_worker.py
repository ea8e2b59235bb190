"""The worker's rules, over a platform made for these tests: it counts what it was told to publish."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.core.words import Attempt, AttemptState, PostState
from app.publishing.backoff import MOST_FAILURES
from app.store.content import fingerprint
from publishers.api import (
    CannotTell,
    Context,
    Found,
    NotFound,
    Outcome,
    Plan,
    Reconciled,
    State,
    Step,
    StepKind,
)
from publishers.errors import ErrorKind, Executed
from tests.app.conftest import MovingClock
from tests.app.publishing.conftest import Desk
from tests.app.publishing.scripted import LIVE, LOST, Scripted, error, script

__all__ = ["script"]


def test_the_armed_row_is_on_disk_before_the_call(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script()
    seen: list[Attempt] = []
    original = adapter._step("commit", StepKind.COMMIT)

    async def run(context: Context, state: State) -> tuple[State, Outcome]:
        [attempt] = desk.store.read(lambda unit: unit.attempts.of_post(post.id)).result()
        seen.append(attempt)
        return await original.action(context, state)

    adapter.plan = lambda *_arguments: Plan(1, (Step("commit", StepKind.COMMIT, run, original.arm),))  # type: ignore[method-assign]
    post = desk.due_post()
    desk.work()
    [before] = seen
    assert before.state is AttemptState.ARMED
    assert before.fingerprint == fingerprint(post.content)
    assert before.resume["state"] == {"key": 1}
    assert before.armed_at == desk.clock()


def test_a_lost_answer_is_looked_up_and_not_sent_again(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script(commit=[LOST], answers=[Found("id-9", "https://example.com/9")])
    post = desk.due_post()
    desk.work()
    assert adapter.ran == ["upload", "commit", "reconcile commit"]
    assert desk.details(post.id).publications[0].remote_id == "id-9"
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_not_found_by_an_authority_is_sent_again_with_its_key(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script(commit=[LOST, LIVE], answers=[NotFound(authoritative=True)])
    desk.due_post()
    desk.work()
    assert adapter.ran == ["upload", "commit", "reconcile commit", "commit"]
    assert adapter.armed == ["commit"]
    assert adapter.keys == [None, 1, 1]


@pytest.mark.parametrize("answer", [NotFound(authoritative=False), CannotTell("It keeps no list.")])
def test_where_nobody_can_tell_the_creator_is_asked(
    desk: Desk, script: Callable[..., Scripted], answer: Reconciled
) -> None:
    adapter = script(commit=[LOST], answers=[answer])
    post = desk.due_post()
    desk.work()
    details = desk.details(post.id)
    assert details.post.state is PostState.NEEDS_USER
    assert "paste its link" in details.post.message
    assert adapter.ran.count("commit") == 1


def test_the_creator_says_that_it_did_not_go_out(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script(commit=[LOST, LIVE], answers=[CannotTell("It keeps no list.")])
    post = desk.due_post()
    desk.work()
    desk.publishing.resolve(post.id, resend=True).result()
    desk.work()
    assert desk.details(post.id).post.state is PostState.PUBLISHED
    assert adapter.keys == [None, 1, 1]


@pytest.mark.parametrize("failure", [error(ErrorKind.DUPLICATE), error(ErrorKind.PLATFORM_DOWN, Executed.YES)])
def test_whatever_may_be_live_is_reconciled(desk: Desk, script: Callable[..., Scripted], failure: Outcome) -> None:
    adapter = script(commit=[failure], answers=[Found("id-2")])
    post = desk.due_post()
    desk.work()
    assert "reconcile commit" in adapter.ran
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_asking_to_wait_burns_no_try(desk: Desk, script: Callable[..., Scripted], clock: MovingClock) -> None:
    later = clock() + timedelta(minutes=15)
    adapter = script(commit=[error(ErrorKind.RATE, retry_at=later), LIVE])
    post = desk.due_post()
    desk.work()
    waiting = desk.attempt(post.id)
    assert (waiting.state, waiting.next_at, waiting.failures) == (AttemptState.WAITING, later, 0)
    assert desk.work() == 0
    clock.move(minutes=15)
    desk.work()
    assert adapter.ran == ["upload", "commit", "commit"]
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_cut_network_is_tried_ever_more_rarely_then_given_up(
    desk: Desk, script: Callable[..., Scripted], clock: MovingClock
) -> None:
    adapter = script(upload=[error(ErrorKind.NETWORK)])
    post = desk.due_post()
    waits = []
    for _ in range(MOST_FAILURES):
        desk.work()
        attempt = desk.attempt(post.id)
        if attempt.next_at is None:
            break
        waits.append(attempt.next_at - clock())
        clock.time = attempt.next_at
    assert waits == sorted(waits)
    assert len(waits) == MOST_FAILURES - 1
    assert desk.details(post.id).post.state is PostState.FAILED
    assert adapter.ran == ["upload"] * MOST_FAILURES


def test_refused_content_fails_with_the_platforms_words(desk: Desk, script: Callable[..., Scripted]) -> None:
    script(commit=[error(ErrorKind.CONTENT)])
    post = desk.due_post()
    desk.work()
    details = desk.details(post.id)
    assert details.post.state is PostState.FAILED
    assert details.post.message == "It is content."
    desk.publishing.retry(post.id).result()
    script(commit=[LIVE])
    desk.work()
    assert [attempt.state for attempt, _ in desk.details(post.id).attempts] == [
        AttemptState.PUBLISHED,
        AttemptState.FAILED,
    ]


def test_a_failure_after_the_commit_does_not_unpublish(desk: Desk, script: Callable[..., Scripted]) -> None:
    kinds = {"commit": StepKind.COMMIT, "comment": StepKind.AFTER_COMMIT}
    script(kinds, comment=[error(ErrorKind.CONTENT)])
    post = desk.due_post()
    desk.work()
    assert desk.details(post.id).post.state is PostState.PUBLISHED
    assert "comment: skipped" in desk.events
