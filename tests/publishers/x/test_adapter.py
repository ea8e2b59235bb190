"""What is X's own: threads, reconciling by text, uploads that X forgets, numbers, names that change."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from publishers.api import (
    CannotTell,
    Content,
    Context,
    Failed,
    Found,
    Gone,
    Media,
    Metrics,
    NotFound,
    Outcome,
    Part,
    Reconciled,
    State,
    StepKind,
    Wait,
)
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.testing.attempt import Phase
from publishers.testing.bench import Trial
from publishers.testing.conformance import Answer, Fault, FaultKind, Route, Sample
from publishers.testing.samples import film, picture
from publishers.x.adapter import adapter
from publishers.x.spec import CHUNK
from tests.publishers.x.under_test import XUnderTest

T = TypeVar("T")
CREATE = Route("POST", "^/2/tweets$")
THREAD = Content((Part("one"), Part("two"), Part("three")))


def ask(platform: XUnderTest, call: Callable[[Context], Awaitable[T]]) -> T:
    """Call with a context of the account."""

    async def run() -> T:
        async with platform.open_context(platform.tokens, "attempt") as context:
            return await call(context)

    return asyncio.run(run())


def run_step(platform: XUnderTest, content: Content, name: str, state: State) -> tuple[State, Outcome]:
    (step,) = [step for step in adapter.plan(content, "thread").steps if step.name == name]
    return ask(platform, lambda context: step.run(context, state))


def reconcile(platform: XUnderTest, content: Content, step: str, state: State, **settings: Any) -> Reconciled:
    platform.settings = settings
    since = platform.clock.now()
    return ask(platform, lambda context: adapter.reconcile(context, content, step, state, since))


def attempt(platform: XUnderTest, content: Content, format_id: str = "") -> Trial:
    return Trial(platform, Sample("own", content, format_id), "", platform.folder / "record.json")


# ---- plans and threads ---------------------------------------------------------------------------


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


# ---- reconcile -----------------------------------------------------------------------------------


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


# ---- uploads -------------------------------------------------------------------------------------


def upload_until(platform: XUnderTest, media: Media, done: Callable[[Mapping[str, Any]], bool]) -> State:
    """Run the upload step until its entry is as wanted."""
    content = Content((Part("film", (media,)),))
    state: State = {}
    for _ in range(20):
        state, outcome = run_step(platform, content, "media-1.1", state)
        assert isinstance(outcome, Wait), outcome
        entries: Any = state["media"]
        if done(entries["media-1.1"]):
            return state
    raise AssertionError("it never came so far")


def test_each_run_sends_one_chunk(platform: XUnderTest, tmp_path: Path) -> None:
    state = upload_until(platform, film(tmp_path, size=2 * CHUNK + 5), lambda entry: entry["sent"] == CHUNK)
    assert platform.bytes_received() == CHUNK
    assert isinstance(state["media"], dict)


def test_an_upload_that_x_forgot_starts_again(platform: XUnderTest, tmp_path: Path) -> None:
    media = film(tmp_path, size=CHUNK + 5)
    content = Content((Part("film", (media,)),))
    state = upload_until(platform, media, lambda entry: entry["sent"] == CHUNK)
    platform.simulator.media.forget()
    trial = attempt(platform, content)
    trial.attempt()
    state, outcome = run_step(platform, content, "media-1.1", state)
    assert isinstance(outcome, Wait)
    assert state["media"] == {"media-1.1": {"restarts": 1}}
    assert trial.run().phase is Phase.PUBLISHED


def test_an_upload_is_not_restarted_for_ever(platform: XUnderTest, tmp_path: Path) -> None:
    media = film(tmp_path)
    content = Content((Part("film", (media,)),))
    state: State = {"media": {"media-1.1": {"id": "12", "sent": 0, "restarts": 2}}}
    _, outcome = run_step(platform, content, "media-1.1", state)
    assert isinstance(outcome, Failed)
    assert outcome.error.kind is ErrorKind.NOT_FOUND


def test_processing_is_asked_after_the_time_x_names(platform: XUnderTest, tmp_path: Path) -> None:
    media = film(tmp_path, size=100)
    content = Content((Part("film", (media,)),))
    state = upload_until(platform, media, lambda entry: bool(entry.get("finalized")))
    before = platform.clock.now()
    state, outcome = run_step(platform, content, "media-1.1", state)
    assert isinstance(outcome, Wait)
    assert outcome.until
    assert timedelta(seconds=1) <= outcome.until - before < timedelta(seconds=2)
    platform.clock.advance(timedelta(seconds=3))
    state, _ = run_step(platform, content, "media-1.1", state)
    entries: Any = state["media"]
    assert entries["media-1.1"]["ready"]


@pytest.mark.parametrize("change", ["removed", "shorter", "folder"])
def test_a_file_that_changed_is_a_media_error(platform: XUnderTest, tmp_path: Path, change: str) -> None:
    media = film(tmp_path, size=CHUNK + 5)
    content = Content((Part("film", (media,)),))
    state = upload_until(platform, media, lambda entry: entry["sent"] == CHUNK)
    media.facts.path.unlink()
    if change == "shorter":
        media.facts.path.write_bytes(b"short")
    elif change == "folder":
        media.facts.path.mkdir()
    for stored in (state, {}):
        _, outcome = run_step(platform, content, "media-1.1", stored)
        assert isinstance(outcome, Failed)
        assert outcome.error.kind is ErrorKind.MEDIA
        assert media.facts.path.name in outcome.error.user_message


def test_a_picture_that_is_refused_says_why(platform: XUnderTest, tmp_path: Path) -> None:
    platform.simulator.rules.refuse_media = "The pixel count is too large."
    record = attempt(platform, Content((Part("look", (picture(tmp_path),)),))).run()
    assert record.phase is Phase.FAILED
    assert record.error
    assert record.error["kind"] == "media"
    assert "The pixel count is too large." in record.error["message"]


def test_a_second_finalize_that_is_refused_is_no_failure(platform: XUnderTest, tmp_path: Path) -> None:
    media = film(tmp_path, size=100)
    content = Content((Part("film", (media,)),))
    state = upload_until(platform, media, lambda entry: entry["sent"] == 100)
    finalize = Route("POST", "/finalize$")
    refusal = Answer.of({"title": "Invalid Request", "detail": "Already finalized."}, 400)
    platform.simulator.faults.add(finalize, Fault(FaultKind.DROP_ANSWER))
    platform.simulator.faults.add(finalize, Fault(FaultKind.ANSWER, answer=refusal))
    _, lost = run_step(platform, content, "media-1.1", state)
    assert isinstance(lost, Failed)
    again, outcome = run_step(platform, content, "media-1.1", state)
    assert isinstance(outcome, Wait)
    assert platform.simulator.faults.struck == 2
    entries: Any = again["media"]
    assert entries["media-1.1"]["finalized"]


def test_descriptions_arrive(platform: XUnderTest, tmp_path: Path) -> None:
    attempt(platform, Content((Part("", (picture(tmp_path, alt="a “blue” square ü"),)),))).run()
    assert [upload.alt for upload in platform.simulator.media.uploads] == ["a “blue” square ü"]


# ---- answers that are not as they should be ----------------------------------------------------


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


# ---- metrics -------------------------------------------------------------------------------------


def test_metrics_are_read_by_either_name(platform: XUnderTest) -> None:
    run_step(platform, Content.plain("a"), "post-1", {})
    (post,) = platform.simulator.posts.live
    numbers = {"impression_count": 90, "like_count": 7, "reply_count": 2, "repost_count": 3, "quote_count": 1}
    platform.simulator.posts.set_metrics(post.id, {**numbers, "bookmark_count": 4, "url_link_clicks": 5})
    measured = ask(platform, lambda context: adapter.post_metrics(context, [post.id, "12"]))
    assert measured["12"] == Gone()
    metrics = measured[post.id]
    assert isinstance(metrics, Metrics)
    got = dataclasses.asdict(metrics)
    assert got.pop("raw")["impression_count"] == 90
    assert got == {
        "views": 90, "reach": None, "reactions": 7, "comments": 2, "shares": 4, "saves": 4, "clicks": 5,
        "watch_seconds": None,
    }  # fmt: skip


def test_clicks_of_an_old_post_are_unknown_and_not_zero(platform: XUnderTest) -> None:
    run_step(platform, Content.plain("a"), "post-1", {})
    (post,) = platform.simulator.posts.live
    platform.clock.advance(timedelta(days=31))
    platform.tokens = dataclasses.replace(
        platform.tokens, access_token=str(platform.simulator.sign_in.grant()["access_token"])
    )
    metrics = ask(platform, lambda context: adapter.post_metrics(context, [post.id]))[post.id]
    assert isinstance(metrics, Metrics)
    assert metrics.clicks is None
    assert metrics.views == 0
    assert "non_public" not in platform.simulator.requests[-1].query


def test_many_posts_are_asked_in_hundreds(platform: XUnderTest) -> None:
    ids = [str(10**15 + number) for number in range(150)]
    measured = ask(platform, lambda context: adapter.post_metrics(context, ids))
    assert measured == {one: Gone() for one in ids}
    assert len(platform.simulator.requests) == 2


def test_no_posts_cost_no_read(platform: XUnderTest) -> None:
    assert ask(platform, lambda context: adapter.post_metrics(context, [])) == {}
    assert platform.simulator.requests == ()
