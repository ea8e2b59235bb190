"""The suite every adapter passes, on the real PDS behind a proxy that plays faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from publishers.api import Content, Identity, Part
from publishers.bluesky.adapter import adapter
from publishers.testing.conformance import (
    Answer,
    Call,
    ConformanceSuite,
    Fault,
    FaultKind,
    FaultProxy,
    PlatformUnderTest,
    Route,
    Sample,
)
from publishers.testing.samples import picture
from tests.publishers.bluesky.creator import Creator
from tests.publishers.bluesky.test_session import expired

# Not marked `server`: what the suite skips here, Bluesky does not have. Without the PDS its fixture skips or fails.


ROUTES = {
    Call.COMMIT: Route("POST", "createRecord$"),
    Call.UPLOAD: Route("POST", "uploadBlob$"),
    Call.REFRESH: Route("POST", "refreshSession$"),
}


class RealPds(PlatformUnderTest):
    """One new account on the PDS, reached through a proxy."""

    adapter = adapter
    routes = ROUTES
    commit_is_idempotent = True

    def __init__(self, folder: Path, creator: Creator, proxy: FaultProxy) -> None:
        super().__init__(folder)
        self._creator = creator
        self.faults = proxy.faults
        self.identity = replace(creator.identity, server=proxy.url)
        self.tokens = creator.tokens

    def live_texts(self) -> Sequence[str]:
        return [one["value"]["text"] for one in self._creator.records()]

    def stored_files(self) -> Sequence[bytes]:
        did, images = self._creator.account.did, []
        for one in self._creator.records():
            images += one["value"].get("embed", {}).get("images", [])
        return [self._creator.pds.blob(did, image["image"]["ref"]["$link"]) for image in images]

    def samples(self, tag: str) -> Sequence[Sample]:
        media = picture(self.folder, f"{tag}.png")
        return [
            Sample("post", Content.plain(f"{tag} a post at https://example.com")),
            Sample("thread", Content((Part(f"{tag} one"), Part(f"{tag} two", (media,)))), "thread"),
        ]

    def upload_sample(self, tag: str) -> Sample:
        return Sample("picture", Content((Part(tag, (picture(self.folder, f"{tag}.png", size=64),)),)))

    def refused_media(self, tag: str) -> tuple[Sample, str]:
        reason = "This file is too large."
        answer = Answer.of({"error": "BlobTooLarge", "message": reason}, 400)
        self.inject(Call.UPLOAD, Fault(FaultKind.ANSWER, answer=answer))
        return self.upload_sample(tag), reason

    def expire_access_token(self) -> bool:
        self.tokens = replace(self.tokens, access_token=expired(self.tokens.access_token))
        return True

    def unreachable(self) -> Identity:
        return replace(self.identity, server="http://127.0.0.1:9")


class TestConformance(ConformanceSuite):
    @pytest.fixture
    def platform(self, creator: Creator, tmp_path: Path) -> Iterator[RealPds]:
        with FaultProxy(creator.pds.url) as proxy:
            yield RealPds(tmp_path, creator, proxy)
