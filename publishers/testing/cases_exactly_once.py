"""Exactly one post, whatever happens between sending it and writing that down."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from publishers.api import StepKind
from publishers.testing.bench import every_trial, needs, trial
from publishers.testing.child import publish_until_killed
from publishers.testing.faults import Fault, FaultKind
from publishers.testing.platform import Call, PlatformUnderTest
from publishers.testing.record import Phase


class ExactlyOnceCases:
    def test_each_sample_goes_out_once(self, platform: PlatformUnderTest) -> None:
        for one in every_trial(platform):
            record = one.run()
            one.assert_published_once(record)
            assert record.permalink, f"{one.sample.name} has no address"

    def test_text_arrives_byte_identical(self, platform: PlatformUnderTest) -> None:
        one = trial(platform, platform.unicode_sample)
        one.assert_published_once(one.run())

    def test_crash_at_every_moment_leaves_one_post(self, platform: PlatformUnderTest) -> None:
        for kind in range(len(every_trial(platform))):
            for moment in itertools.count():
                one = every_trial(platform)[kind]
                killed = one.killed_at(moment)
                one.assert_published_once(one.finish())
                if not killed:
                    break
            assert moment >= 5, "each step is written down before and after"

    @pytest.mark.parametrize("moment", [1, 2, 3], ids=["armed", "sent", "written"])
    def test_sigkill_leaves_one_post(self, platform: PlatformUnderTest, moment: int) -> None:
        one = trial(platform)
        steps = platform.adapter.plan(one.sample.content, one.sample.format_id).steps
        before = next(index for index, step in enumerate(steps) if step.kind is StepKind.COMMIT)
        assert publish_until_killed(platform, one.sample, one.file, 2 * before + moment), "it was not killed"
        one.assert_published_once(one.finish())

    @pytest.mark.parametrize("kind", [FaultKind.DROP_ANSWER, FaultKind.DOWN_AFTER, FaultKind.RESET, FaultKind.DOWN])
    def test_lost_answer_is_looked_up_before_anything_is_sent_again(
        self, platform: PlatformUnderTest, kind: FaultKind
    ) -> None:
        one = trial(platform)
        needs(platform.inject(Call.COMMIT, Fault(kind)), f"{kind} at the commit")
        attempt = one.attempt()
        record = one.run(attempt)
        assert attempt.error is not None, "the fault did not strike"
        assert Phase.UNKNOWN in record.history or record.phase is Phase.WAITING
        if kind in {FaultKind.DROP_ANSWER, FaultKind.DOWN_AFTER}:
            assert record.phase is Phase.PUBLISHED, record.history
            assert "reconciled: Found" in record.history
        one.assert_published_once(one.finish())

    def test_second_commit_of_the_same_armed_state_makes_no_second_post(self, platform: PlatformUnderTest) -> None:
        needs(platform.commit_is_idempotent, "an idempotent commit")
        one = trial(platform)
        steps = platform.adapter.plan(one.sample.content, one.sample.format_id).steps
        commit = next(step for step in steps if step.kind is StepKind.COMMIT)
        attempt = one.attempt()
        while attempt.record.step < steps.index(commit):
            asyncio.run(attempt.step_once())

        async def twice() -> None:
            async with platform.open_context(platform.tokens, attempt.record.attempt) as context:
                armed = commit.arm(context, attempt.record.state)
                await commit.run(context, armed)
                await commit.run(context, armed)

        asyncio.run(twice())
        one.assert_live_once()

    def test_cancel_before_the_commit_leaves_nothing_live(self, platform: PlatformUnderTest) -> None:
        for one in every_trial(platform):
            steps = platform.adapter.plan(one.sample.content, one.sample.format_id).steps
            attempt = one.attempt()
            while steps[attempt.record.step].kind is not StepKind.COMMIT:
                asyncio.run(attempt.step_once())
            assert attempt.cancel()
            assert one.finish().phase is Phase.CANCELED
            assert one.live() == []
