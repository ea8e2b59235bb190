"""Uploads that are cut, forgotten, refused, or whose file changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publishers.api import (
    Content,
    Failed,
    Media,
    Part,
    State,
    Wait,
)
from publishers.errors import ErrorKind
from publishers.testing.attempt import Phase
from publishers.testing.conformance import Answer, Fault, FaultKind, Route
from publishers.testing.samples import film, picture
from publishers.x.spec import CHUNK
from tests.publishers.x.steps import attempt, run_step
from tests.publishers.x.under_test import XUnderTest


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
