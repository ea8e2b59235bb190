"""Uploads: every byte arrives, and after a cut they go on where they stood."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from publishers.api import Refreshes
from publishers.testing.bench import Trial, needs, upload_trial
from publishers.testing.faults import Fault, FaultKind
from publishers.testing.platform import Call, PlatformUnderTest
from publishers.testing.record import Phase


class UploadCases:
    def test_file_arrives_whole(self, platform: PlatformUnderTest) -> None:
        one = upload_trial(platform)
        one.assert_published_once(one.run())
        _assert_stored(one)

    @pytest.mark.parametrize("kind", [FaultKind.CUT_UPLOAD, FaultKind.DROP_ANSWER, FaultKind.DOWN])
    def test_upload_goes_on_at_the_right_byte(self, platform: PlatformUnderTest, kind: FaultKind) -> None:
        one = upload_trial(platform)
        size = one.sample.content.parts[0].media[0].facts.size
        skip = (size - 1) // platform.part_bytes if platform.part_bytes else 0  # the last part costs most to lose
        needs(platform.inject(Call.UPLOAD, Fault(kind, skip=skip)), f"{kind} in an upload")
        before = platform.bytes_received() or 0
        attempt = one.attempt()
        record = one.run(attempt)
        assert attempt.error is not None or (platform.faults and platform.faults.struck), "the fault did not strike"
        assert record.phase in {Phase.WAITING, Phase.PUBLISHED}, record
        one.assert_published_once(one.finish())
        _assert_stored(one)
        received = platform.bytes_received()
        if received is not None and platform.part_bytes:
            assert received - before <= size + platform.part_bytes, "more than the struck part was sent again"

    def test_crash_at_every_moment_of_an_upload(self, platform: PlatformUnderTest) -> None:
        for moment in itertools.count():
            one = upload_trial(platform)
            killed = one.killed_at(moment)
            one.assert_published_once(one.finish())
            if not killed:
                break
        _assert_stored(one)

    def test_token_expires_in_the_middle_of_an_upload(self, platform: PlatformUnderTest) -> None:
        needs(platform.part_bytes, "uploads in parts")
        needs(isinstance(platform.adapter, Refreshes), "tokens that expire")
        one = upload_trial(platform)
        before = platform.bytes_received() or 0
        attempt = one.attempt()
        while not (platform.bytes_received() or 0) - before:
            asyncio.run(attempt.step_once())
        needs(platform.expire_access_token(), "tokens that expire")
        record = one.run(attempt)
        assert "refreshed" in record.history
        one.assert_published_once(record)
        _assert_stored(one)
        size = one.sample.content.parts[0].media[0].facts.size
        assert (platform.bytes_received() or 0) - before <= size + platform.part_bytes


def _assert_stored(one: Trial) -> None:
    """The platform holds each of the sample's files byte for byte."""
    stored = one.platform.stored_files()
    if stored is None:
        return
    for part in one.sample.content.parts:
        for media in part.media:
            assert media.facts.path.read_bytes() in stored
