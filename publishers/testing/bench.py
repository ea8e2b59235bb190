"""What the suite's cases share: run attempts, let time pass, count what is live."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from publishers.api import Content, Part, Reconcile
from publishers.testing.attempt import Attempt, Killed
from publishers.testing.platform import PlatformUnderTest, Sample
from publishers.testing.record import Phase, Record

_numbers = itertools.count(1)


def new_tag() -> str:
    """A word no other post has, so that a platform that refuses repeated texts takes each."""
    return f"t{next(_numbers)}{secrets.token_hex(4)}"


@dataclass(slots=True)
class Trial:
    """One sample on its way to the platform, in as many processes as the test likes."""

    platform: PlatformUnderTest
    sample: Sample
    tag: str
    file: Path

    def attempt(self, fuse: Callable[[str], None] = lambda _moment: None) -> Attempt:
        """A worker that starts now and knows only what the file says."""
        platform = self.platform
        return Attempt(
            platform.adapter,
            self.sample.content,
            self.sample.format_id,
            self.file,
            open_context=platform.open_context,
            tokens=platform.tokens,
            clock=platform.clock,
            keep_tokens=platform.keep_tokens,
            fuse=fuse,
        )

    def run(self, attempt: Attempt | None = None) -> Record:
        """Run until it rests."""
        return asyncio.run((attempt or self.attempt()).run())

    def finish(self) -> Record:
        """Run in new processes until nothing is left to do; the creator answers what the platform cannot tell."""
        for _ in range(6):
            attempt = self.attempt()
            record = self.run(attempt)
            if record.phase is Phase.ASKS:
                self._answer(attempt)
            elif record.phase is not Phase.WAITING:
                return record
        raise AssertionError(f"not finished after six tries: {record}")

    def killed_at(self, moment: int) -> bool:
        """Run in this process until the power goes out at the given moment. False = there is no such moment."""
        moments = itertools.count()

        def fuse(_name: str) -> None:
            if next(moments) == moment:
                raise Killed

        try:
            self.run(self.attempt(fuse))
        except Killed:
            return True
        return False

    def _answer(self, attempt: Attempt) -> None:
        live = len(self.live())
        if live > len(attempt.record.commits):
            surely = self.platform.adapter.capabilities.reconcile
            assert surely is Reconcile.HUMAN, f"the post is live, but reconcile ({surely}) did not find it"
            attempt.resolve(resend=False)
        else:
            attempt.resolve(resend=True)

    def live(self) -> Sequence[str]:
        """The live texts of this trial."""
        return [text for text in self.platform.live_texts() if self.tag in text]

    def assert_live_once(self) -> None:
        """Exactly the sample's parts are live, each once, byte for byte."""
        wanted = sorted(part.text.encode() for part in self.sample.content.parts)
        assert sorted(text.encode() for text in self.live()) == wanted

    def assert_published_once(self, record: Record) -> None:
        """Published, with an id, and live exactly once."""
        assert record.phase is Phase.PUBLISHED, record
        self.assert_live_once()
        assert record.remote_id, "a publication has no id"


def trial(platform: PlatformUnderTest, pick: Callable[[str], Sample] | None = None) -> Trial:
    """A new trial of the plainest sample, or of the one `pick` gives for the tag."""
    tag = new_tag()
    sample = pick(tag) if pick else platform.samples(tag)[0]
    return Trial(platform, sample, tag, platform.folder / f"{tag}.json")


def every_trial(platform: PlatformUnderTest) -> Sequence[Trial]:
    """One new trial of each sample."""
    tags = [new_tag() for _ in platform.samples(new_tag())]
    return [
        Trial(platform, platform.samples(tag)[index], tag, platform.folder / f"{tag}.json")
        for index, tag in enumerate(tags)
    ]


def upload_trial(platform: PlatformUnderTest) -> Trial:
    """A trial with one file, or a skip."""
    tag = new_tag()
    sample = platform.upload_sample(tag)
    if sample is None:
        pytest.skip("no upload_sample: this platform takes no files")
    return Trial(platform, sample, tag, platform.folder / f"{tag}.json")


def with_text(sample: Sample, text: str) -> Sample:
    """The sample with another text in its first part."""
    first, *rest = sample.content.parts
    content = Content((Part(text, first.media), *rest), sample.content.fields, sample.content.options)
    return Sample(sample.name, content, sample.format_id)


def needs(possible: object, what: str) -> None:
    """Skip, saying what this platform has not."""
    if not possible:
        pytest.skip(f"not on this platform: {what}")
