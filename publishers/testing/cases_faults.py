"""Limits, refusals and broken networks: the right kind of error, nothing lost, no secret shown."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

from publishers.api import Refreshes
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.testing.bench import Trial, needs, new_tag, trial
from publishers.testing.faults import Fault, FaultKind
from publishers.testing.platform import Call, PlatformUnderTest
from publishers.testing.record import Phase


class FaultCases:
    def test_rate_limit_is_honoured(self, platform: PlatformUnderTest) -> None:
        one = trial(platform)
        needs(platform.inject(Call.COMMIT, Fault(FaultKind.RATE, seconds=77)), "429 at the commit")
        before = platform.clock.now()
        attempt = one.attempt()
        record = one.run(attempt)
        error = _raised(attempt.error)
        assert (error.kind, error.executed) == (ErrorKind.RATE, Executed.NO)
        assert error.retry_at is not None
        assert timedelta(seconds=76) <= error.retry_at - before <= timedelta(seconds=90)
        assert record.phase is Phase.WAITING
        assert one.live() == []
        platform.clock.advance_to(error.retry_at)
        one.assert_published_once(one.finish())

    def test_unreachable_platform_has_not_executed(self, platform: PlatformUnderTest) -> None:
        there, nowhere = platform.identity, platform.unreachable()
        needs(nowhere, "a network")
        one = trial(platform)
        platform.identity = nowhere or there
        attempt = one.attempt()
        assert one.run(attempt).phase is Phase.WAITING
        error = _raised(attempt.error)
        assert (error.kind, error.executed) == (ErrorKind.NETWORK, Executed.NO)
        platform.identity = there
        one.assert_published_once(one.finish())

    def test_expired_token_is_refreshed_and_the_step_goes_on(self, platform: PlatformUnderTest) -> None:
        needs(isinstance(platform.adapter, Refreshes) and platform.expire_access_token(), "tokens that expire")
        one = trial(platform)
        before = platform.tokens
        record = one.run()
        assert "refreshed" in record.history
        assert platform.tokens != before
        one.assert_published_once(record)

    def test_refresh_cut_by_the_network_does_not_disconnect(self, platform: PlatformUnderTest) -> None:
        needs(isinstance(platform.adapter, Refreshes) and platform.expire_access_token(), "tokens that expire")
        needs(platform.inject(Call.REFRESH, Fault(FaultKind.RESET, times=10)), "a refresh that can be cut")
        one = trial(platform)
        attempt = one.attempt()
        record = one.run(attempt)
        assert _raised(attempt.error).kind in {ErrorKind.NETWORK, ErrorKind.PLATFORM_DOWN}
        assert record.phase is Phase.WAITING
        if platform.faults:
            platform.faults.clear()
        one.assert_published_once(one.finish())

    def test_failed_permalink_lookup_leaves_it_published(self, platform: PlatformUnderTest) -> None:
        one = trial(platform)
        needs(platform.inject(Call.PERMALINK, Fault(FaultKind.DOWN, times=10)), "a permalink look-up")
        record = one.run()
        one.assert_published_once(record)
        assert platform.faults
        assert platform.faults.struck, "the look-up was never made"

    def test_refused_media_is_an_error_with_the_platforms_reason(self, platform: PlatformUnderTest) -> None:
        tag = new_tag()
        refused = platform.refused_media(tag)
        needs(refused, "media it refuses")
        assert refused
        sample, reason = refused
        one = Trial(platform, sample, tag, platform.folder / f"{tag}.json")
        attempt = one.attempt()
        record = one.run(attempt)
        error = _raised(attempt.error)
        assert error.kind in {ErrorKind.MEDIA, ErrorKind.CONTENT}
        assert error.executed is Executed.NO
        assert not error.passes_by_itself
        assert reason in error.user_message + error.detail
        assert record.phase is Phase.FAILED
        assert one.live() == []

    def test_no_secret_in_errors_and_states(self, platform: PlatformUnderTest) -> None:
        needs(platform.secrets, "secrets")
        before = list(platform.secrets)
        shown = [repr(platform.tokens), str(platform.tokens)]
        for call in (Call.UPLOAD, Call.COMMIT, Call.PERMALINK, Call.REFRESH):
            for kind in (FaultKind.ECHO, FaultKind.DROP_ANSWER):
                shown += _shown(platform, call, kind)
        text = "\n".join(shown)
        leaked = [secret[:4] + "…" for secret in {*before, *platform.secrets} if secret in text]
        assert leaked == []


def _shown(platform: PlatformUnderTest, call: Call, kind: FaultKind) -> list[str]:
    """Everything a person or a log could see of an attempt in which `call` goes wrong."""
    tag = new_tag()
    sample = (platform.upload_sample(tag) if call is Call.UPLOAD else None) or platform.samples(tag)[0]
    one = Trial(platform, sample, tag, platform.folder / f"{tag}.json")
    if call is Call.REFRESH and not platform.expire_access_token():
        return []
    if not platform.inject(call, Fault(kind)):
        return []
    attempt = one.attempt()
    record = one.run(attempt)
    if platform.faults:
        platform.faults.clear()
    written = [one.file.read_text("utf-8"), json.dumps(dataclasses.asdict(record), default=str)]
    error = attempt.error
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # a chain of any exceptions
    return written + [f"{one_!s} {one_!r} {vars(one_)}" for one_ in chain]


def _raised(error: PublishError | None) -> PublishError:
    assert error is not None, "the fault did not strike"
    return error
