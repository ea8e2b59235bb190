"""Results by either of X's names, and what X does not tell."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from publishers.api import (
    Content,
    Gone,
    Metrics,
)
from publishers.testing.conformance import Answer, Fault, FaultKind, Route
from publishers.x.adapter import adapter
from tests.publishers.x.steps import ask, run_step
from tests.publishers.x.under_test import XUnderTest


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


def test_only_not_found_means_gone(platform: XUnderTest) -> None:
    error = {"type": "https://api.x.com/2/problems/not-authorized-for-resource", "resource_id": "12", "title": "No"}
    answer = Answer.of({"errors": [error, None, {"type": 5}]})
    platform.simulator.faults.add(Route("GET", "^/2/tweets$"), Fault(FaultKind.ANSWER, answer=answer))
    assert ask(platform, lambda context: adapter.post_metrics(context, ["12"])) == {}
