"""Whether an armed post went through: found by its text, and never by guessing."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publishers.api import (
    CannotTell,
    Content,
    Failed,
    Found,
    NotFound,
    Part,
    Reconciled,
    State,
)
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.testing.attempt import Phase
from publishers.testing.conformance import Answer, Fault, FaultKind, Route
from publishers.testing.samples import picture
from publishers.x.adapter import adapter
from tests.publishers.x.steps import CREATE, THREAD, ask, attempt, reconcile, run_step
from tests.publishers.x.under_test import XUnderTest


def test_after_a_lost_answer_the_duplicate_refusal_leads_to_the_post(platform: XUnderTest) -> None:
    content = Content.plain("only once, see example.com & <more>")
    platform.simulator.faults.add(CREATE, Fault(FaultKind.DROP_ANSWER))
    _, lost = run_step(platform, content, "post-1", {})
    assert isinstance(lost, Failed)
    assert (lost.error.kind, lost.error.executed) == (ErrorKind.NETWORK, Executed.UNKNOWN)
    _, again = run_step(platform, content, "post-1", {})
    assert isinstance(again, Failed)
    assert (again.error.kind, again.error.executed) == (ErrorKind.DUPLICATE, Executed.UNKNOWN)
    (post,) = platform.simulator.posts.live
    found = reconcile(platform, content, "post-1", {})
    assert found == Found(post.id, f"https://x.com/i/status/{post.id}", {"posts": [post.id]})


def test_each_part_is_found_in_its_own_thread(platform: XUnderTest) -> None:
    attempt(platform, Content((Part("other"), Part("two"))), "thread").run()
    (platform.folder / "record.json").unlink()
    state: State = {}
    platform.simulator.posts.live[1].text = "two."  # so that X takes the same words again
    for name in ("post-1", "post-2"):
        state, _ = run_step(platform, THREAD, name, state)
    platform.simulator.posts.live[1].text = "two"
    found = reconcile(platform, THREAD, "post-2", {"posts": [platform.simulator.posts.live[2].id]})
    assert isinstance(found, Found)
    assert found.state["posts"] == state["posts"]


def test_a_post_of_long_ago_is_not_ours(platform: XUnderTest) -> None:
    content = Content.plain("good morning")
    run_step(platform, content, "post-1", {})
    platform.clock.advance(timedelta(hours=1))
    assert reconcile(platform, content, "post-1", {}, settle_seconds=0) == NotFound(authoritative=False)


def test_nothing_is_believed_before_the_settle_time(platform: XUnderTest) -> None:
    content = Content.plain("shown late")
    platform.simulator.rules.timeline_delay = 30
    run_step(platform, content, "post-1", {})
    since = platform.clock.now()

    def look() -> Reconciled:
        return ask(platform, lambda context: adapter.reconcile(context, content, "post-1", {}, since))

    assert isinstance(look(), CannotTell)
    platform.clock.advance(timedelta(seconds=61))
    assert isinstance(look(), Found)


@pytest.mark.parametrize("odd", [-1, 4000, "60", True, None])
def test_an_odd_settle_setting_is_ignored(platform: XUnderTest, odd: Any) -> None:
    assert isinstance(reconcile(platform, Content.plain("a"), "post-1", {}, settle_seconds=odd), CannotTell)


def test_pictures_without_words_are_told_apart_by_their_number(platform: XUnderTest, tmp_path: Path) -> None:
    photo = picture(tmp_path)
    one, two = Content((Part("", (photo,)),)), Content((Part("", (photo, photo)),))
    assert attempt(platform, two).run().phase is Phase.PUBLISHED
    assert reconcile(platform, one, "post-1", {}, settle_seconds=0) == NotFound(authoritative=False)
    assert isinstance(reconcile(platform, two, "post-1", {}), Found)


def test_a_long_timeline_is_read_page_by_page(platform: XUnderTest) -> None:
    content = Content.plain("the first of many")
    run_step(platform, content, "post-1", {})
    for number in range(120):
        run_step(platform, Content.plain(f"another {number}"), "post-1", {})
    assert isinstance(reconcile(platform, content, "post-1", {}), Found)


@pytest.mark.parametrize("step", ["post-2", "post-0", "media-1.1", ""])
def test_a_step_the_plan_does_not_have(platform: XUnderTest, step: str) -> None:
    assert isinstance(reconcile(platform, Content.plain("a"), step, {}), CannotTell)


@pytest.mark.parametrize(
    "body",
    [[], {"data": {}}, {"data": "x"}, {"data": [None, {"id": 5}, {"id": "x"}], "meta": 3}],
)
def test_a_timeline_that_makes_no_sense_finds_nothing(platform: XUnderTest, body: Any) -> None:
    platform.simulator.faults.add(Route("GET", "/tweets$"), Fault(FaultKind.ANSWER, answer=Answer.of(body)))
    with contextlib.suppress(PublishError):
        assert not isinstance(reconcile(platform, Content.plain("a"), "post-1", {}), Found)


def test_an_earlier_part_is_not_taken_for_a_later_one(platform: XUnderTest, tmp_path: Path) -> None:
    photo = picture(tmp_path)
    content = Content((Part("", (photo,)), Part("", (photo,))))
    assert attempt(platform, Content((Part("", (photo,)),))).run().phase is Phase.PUBLISHED
    (first,) = platform.simulator.posts.live
    answer = reconcile(platform, content, "post-2", {"posts": [first.id]}, settle_seconds=0)
    assert answer == NotFound(authoritative=False)
