"""What must hold before anything is sent: capabilities, validation, counting, plans."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from publishers.api import Adapter, AuthKind, Limit, Refreshes, SignsInByBrowser, SignsInByPassword, StepKind
from publishers.registry import get
from publishers.testing.bench import every_trial, new_tag, trial, with_text
from publishers.testing.platform import PlatformUnderTest


class ContractCases:
    def test_capabilities_are_whole(self, platform: PlatformUnderTest) -> None:
        capabilities = platform.adapter.capabilities
        assert isinstance(platform.adapter, Adapter)
        assert re.fullmatch(r"[a-z][a-z0-9_]*", capabilities.platform)
        assert capabilities.name
        ids = [one.id for one in capabilities.formats]
        assert ids
        assert len(set(ids)) == len(ids)
        for one in capabilities.formats:
            limits: list[Limit] = [one.text, *one.media.values(), *one.media_bytes.values()]
            for limit in limits:
                assert limit.value > 0
                assert limit.source, f"{one.id}: a limit does not say where it was read"
                assert limit.checked <= datetime.now(UTC).date()
            assert set(one.media) == set(one.media_bytes), f"{one.id}: a kind of media lacks its number or its size"
            assert bool(one.media) == bool(one.mimes), f"{one.id}: media and mimes disagree"

    def test_sign_in_matches_the_role(self, platform: PlatformUnderTest) -> None:
        capabilities = platform.adapter.capabilities
        if capabilities.auth is AuthKind.OAUTH2:
            assert isinstance(platform.adapter, SignsInByBrowser)
            assert isinstance(platform.adapter, Refreshes)
            assert capabilities.redirect
        else:
            assert isinstance(platform.adapter, SignsInByPassword)
        asked = [question.id for question in capabilities.questions]
        assert len(set(asked)) == len(asked)

    def test_it_is_registered_under_its_folder(self, platform: PlatformUnderTest) -> None:
        assert get(platform.adapter.capabilities.platform).capabilities == platform.adapter.capabilities

    def test_samples_pass_validation(self, platform: PlatformUnderTest) -> None:
        tag = new_tag()
        samples = [*platform.samples(tag), platform.unicode_sample(tag)]
        refused = platform.refused_media(tag)
        for sample in [*samples, *([refused[0]] if refused else [])]:
            issues = platform.adapter.validate(sample.content, sample.format_id)
            assert [issue for issue in issues if issue.severity == "error"] == []

    def test_too_long_a_text_is_refused_offline(self, platform: PlatformUnderTest) -> None:
        one = trial(platform)
        limit = platform.adapter.capabilities.format(one.sample.format_id).text.value
        long = with_text(one.sample, "word " * (limit // 2))
        assert not platform.adapter.count(long.content.parts[0].text, one.sample.format_id).fits
        found = platform.adapter.validate(long.content, one.sample.format_id)
        assert any(issue.severity == "error" and issue.message.strip() for issue in found)

    def test_count_agrees_with_the_capabilities(self, platform: PlatformUnderTest) -> None:
        for one in platform.adapter.capabilities.formats:
            nothing, something = platform.adapter.count("", one.id), platform.adapter.count("word", one.id)
            assert (nothing.used, nothing.limit, nothing.unit) == (0, one.text.value, one.unit)
            assert something.used > 0

    def test_plans_are_the_same_every_time(self, platform: PlatformUnderTest) -> None:
        for one in every_trial(platform):
            first, second = (platform.adapter.plan(one.sample.content, one.sample.format_id) for _ in range(2))
            assert [(step.name, step.kind) for step in first.steps] == [(step.name, step.kind) for step in second.steps]
            assert first.version == second.version
            names = [step.name for step in first.steps]
            assert len(set(names)) == len(names)
            kinds = [step.kind for step in first.steps]
            assert StepKind.COMMIT in kinds
            after = kinds.index(StepKind.AFTER_COMMIT) if StepKind.AFTER_COMMIT in kinds else len(kinds)
            assert StepKind.COMMIT not in kinds[after:], "an after_commit step stands before a commit"
