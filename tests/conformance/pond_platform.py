"""Pond under the suite."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from publishers.api import Content, Identity, MediaKind, Part, TokenSet
from publishers.testing.conformance import Call, PlatformUnderTest, Route, Sample
from publishers.testing.samples import film, media
from tests.conformance.pond import PART_BYTES, Pond, adapter
from tests.conformance.pond_server import REASON, REFUSED, PondServer


class PondUnderTest(PlatformUnderTest):
    part_bytes = PART_BYTES
    commit_is_idempotent = True
    routes = MappingProxyType(
        {
            Call.COMMIT: Route("POST", "^/posts$"),
            Call.UPLOAD: Route("PUT", "^/uploads/"),
            Call.PERMALINK: Route("GET", "^/posts/"),
            Call.REFRESH: Route("POST", "^/token$"),
        }
    )

    def __init__(self, folder: Path, server: PondServer, other: Pond = adapter) -> None:
        super().__init__(folder)
        self.server = server
        self.faults = server.faults
        self.adapter = other
        self.identity = Identity("1", "frog", server.url)
        self.tokens = TokenSet(server.access, server.renewal)

    def live_texts(self) -> Sequence[str]:
        return [post.text for post in self.server.posts.values()]

    def stored_files(self) -> Sequence[bytes]:
        return list(self.server.finished.values())

    def bytes_received(self) -> int:
        return self.server.received

    def samples(self, tag: str) -> Sequence[Sample]:
        return [
            Sample("text", Content.plain(f"{tag} ribbit")),
            Sample("thread", Content((Part(f"{tag} one"), Part(f"{tag} two"), Part(f"{tag} three"))), "thread"),
        ]

    def upload_sample(self, tag: str) -> Sample:
        return Sample("film", Content((Part(f"{tag} moving", (film(self.folder, size=250_000),)),)))

    def refused_media(self, tag: str) -> tuple[Sample, str]:
        bad = media(self.folder / "bad.mp4", REFUSED + b"!" * 100, "video/mp4", MediaKind.VIDEO)
        return Sample("refused", Content((Part(f"{tag} refused", (bad,)),))), REASON

    def expire_access_token(self) -> bool:
        self.server.access = f"{self.server.access}-and-newer"
        return True

    def unreachable(self) -> Identity:
        return dataclasses.replace(self.identity, server="http://127.0.0.1:9")
