"""Plans, threads, and answers that are not as they should be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publishers.api import (
    Content,
    Failed,
    Found,
    Metrics,
    Part,
    StepKind,
)
from publishers.errors import ErrorKind, Executed
from publishers.testing.attempt import Phase
from publishers.testing.conformance import Answer, Fault, FaultKind
from publishers.testing.samples import picture
from publishers.x.adapter import adapter
from tests.publishers.x.steps import CREATE, THREAD, ask, attempt, reconcile, run_step
from tests.publishers.x.under_test import XUnderTest


def test_plan_uploads_first_and_commits_each_part(tmp_path: Path) -> None:
    photo = picture(tmp_path)
    plan = adapter.plan(Content((Part("a", (photo, photo)), Part("b", (photo,)))), "thread")
    assert [(step.name, step.kind) for step in plan.steps] == [
        ("media-1.1", StepKind.PREPARE_MEDIA),
        ("media-1.2", StepKind.PREPARE_MEDIA),
        ("media-2.1", StepKind.PREPARE_MEDIA),
        ("post-1", StepKind.COMMIT),
        ("post-2", StepKind.COMMIT),
    ]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(KeyError):
        adapter.plan(THREAD, "article")


def test_parts_of_a_thread_reply_to_each_other(platform: XUnderTest) -> None:
    record = attempt(platform, THREAD, "thread").run()
    one, two, three = platform.simulator.posts.live
    assert (one.reply_to, two.reply_to, three.reply_to) == ("", one.id, two.id)
    assert record.remote_id == one.id
    assert record.permalink == f"https://x.com/i/status/{one.id}"


def test_a_thread_that_is_refused_half_way_says_so(platform: XUnderTest) -> None:
    refusal = Answer.of({"title": "Forbidden", "detail": "Not this one.", "type": "about:blank"}, 403)
    platform.simulator.faults.add(CREATE, Fault(FaultKind.ANSWER, skip=1, answer=refusal))
    trial = attempt(platform, THREAD, "thread")
    record = trial.run()
    assert record.phase is Phase.PARTLY
    assert record.error
    assert "Not this one." in record.error["message"]
    assert len(platform.simulator.posts.live) == 1


def test_a_state_that_does_not_fit_sends_nothing(platform: XUnderTest) -> None:
    _, outcome = run_step(platform, THREAD, "post-2", {})
    assert isinstance(outcome, Failed)
    assert outcome.error.kind is ErrorKind.BUG
    assert platform.simulator.posts.live == []


@pytest.mark.parametrize("body", [[], {}, {"data": 3}, {"data": {"id": 12}}, {"data": {"id": "x"}}, b"<html>"])
def test_an_unreadable_yes_is_unknown(platform: XUnderTest, body: Any) -> None:
    answer = Answer(201, body) if isinstance(body, bytes) else Answer.of(body, 201)
    platform.simulator.faults.add(CREATE, Fault(FaultKind.ANSWER, answer=answer))
    _, outcome = run_step(platform, Content.plain("a"), "post-1", {})
    assert isinstance(outcome, Failed)
    assert (outcome.error.kind, outcome.error.executed) == (ErrorKind.PLATFORM_DOWN, Executed.UNKNOWN)


def test_the_rate_header_of_x_is_honoured(platform: XUnderTest) -> None:
    platform.simulator.rules.limits = {"POST /2/tweets": 1}
    before = platform.clock.now()
    run_step(platform, Content.plain("a"), "post-1", {})
    _, outcome = run_step(platform, Content.plain("b"), "post-1", {})
    assert isinstance(outcome, Failed)
    assert (outcome.error.kind, outcome.error.executed) == (ErrorKind.RATE, Executed.NO)
    assert outcome.error.retry_at
    assert timedelta(minutes=14) < outcome.error.retry_at - before <= timedelta(minutes=15, seconds=1)


@pytest.mark.parametrize("name", ["post.fields", "tweet.fields"])
def test_either_name_of_the_fields_is_understood(platform: XUnderTest, name: str) -> None:
    platform.simulator.rules.fields_parameter = name
    content = Content.plain("a")
    run_step(platform, content, "post-1", {})
    (post,) = platform.simulator.posts.live
    platform.simulator.posts.set_metrics(post.id, {"repost_count": 3, "quote_count": 1})
    assert isinstance(reconcile(platform, content, "post-1", {}), Found)
    measured = ask(platform, lambda context: adapter.post_metrics(context, [post.id]))[post.id]
    assert isinstance(measured, Metrics)
    assert measured.shares == 4


def test_what_x_says_is_quoted_without_secrets(platform: XUnderTest) -> None:
    said = {"title": "Invalid Request", "detail": f"No such thing: {platform.tokens.access_token}"}
    platform.simulator.faults.add(CREATE, Fault(FaultKind.ANSWER, answer=Answer.of(said, 400)))
    _, outcome = run_step(platform, Content.plain("a"), "post-1", {})
    assert isinstance(outcome, Failed)
    assert "No such thing: …" in outcome.error.user_message
    assert platform.tokens.access_token not in outcome.error.user_message + outcome.error.detail
