"""The local folder under the conformance suite."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from publishers.api import Connected, Content, Part
from publishers.http import open_http
from publishers.local.adapter import adapter
from publishers.testing.conformance import Call, Fault, PlatformUnderTest, Sample
from publishers.testing.samples import film, picture


class FolderUnderTest(PlatformUnderTest):
    """A folder that is seen as files. Its truth is read from the disk without the adapter's code."""

    adapter = adapter
    commit_is_idempotent = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.root = folder / "site"
        self.media = folder / "media"
        self.media.mkdir()
        answers = {"folder": str(self.root), "title": "A <b>site</b> & its 世界"}

        async def connect() -> Connected:
            async with open_http() as http:
                return await adapter.sign_in(http, answers, self.clock.now())

        self.identity = asyncio.run(connect()).identity

    def live_texts(self) -> Sequence[str]:
        shown = [entry for entry in os.scandir(self.root / "posts") if not entry.name.startswith(".")]
        files = [Path(entry.path) / "text.txt" for entry in shown]
        return [file.read_bytes().decode() for file in sorted(files, key=lambda file: file.stat().st_mtime_ns)]

    def stored_files(self) -> Sequence[bytes]:
        return [file.read_bytes() for ending in ("png", "mp4") for file in self.root.glob(f"posts/[!.]*/*.{ending}")]

    def samples(self, tag: str) -> Sequence[Sample]:
        pictures = (picture(self.media, "one.png"), picture(self.media, "two.png", size=16))
        return [
            Sample("text", Content.plain(f"{tag} a plain post")),
            Sample("pictures", Content((Part(f"{tag} with pictures", pictures),), {"title": "Two squares"})),
        ]

    def upload_sample(self, tag: str) -> Sample:
        return Sample("film", Content((Part(f"{tag} moving", (film(self.media, size=3_000_000),)),)))

    def refused_media(self, tag: str) -> tuple[Sample, str]:
        """A file that was changed after it was attached."""
        media = picture(self.media, "changed.png")
        media.facts.path.write_bytes(b"x" * media.facts.size)
        return Sample("changed", Content((Part(f"{tag} changed", (media,)),))), "has changed since it was attached"

    def inject(self, call: Call, fault: Fault) -> bool:
        """A failing rebuild of the feed stands for a failing look-up after the commit; nothing here can lose an
        answer or limit a rate."""
        return False
