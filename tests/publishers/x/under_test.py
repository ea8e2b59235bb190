"""X as the conformance suite and this folder's tests see it: the simulator, the adapter, one connected account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from publishers.api import Content, Identity, Part, TokenSet
from publishers.testing.clock import Clock
from publishers.testing.conformance import Call, PlatformUnderTest, Route, Sample
from publishers.testing.samples import film, picture
from publishers.testing.x import XSimulator
from publishers.testing.x.simulator import HANDLE, USER_ID
from publishers.x.adapter import XAdapter
from publishers.x.spec import CHUNK

PLENTY: Mapping[str, int] = {
    f"{method} {path}": 100_000
    for method, path in (
        ("POST", "/2/tweets"),
        ("DELETE", "/2/tweets"),
        ("GET", "/2/users/me"),
        ("GET", "/2/users/tweets"),
        ("GET", "/2/tweets"),
        ("POST", "/2/media/upload"),
    )
}


class XUnderTest(PlatformUnderTest):
    """The account of a simulator."""

    part_bytes = CHUNK

    def __init__(self, folder: Path, simulator: XSimulator, clock: Clock) -> None:
        super().__init__(folder)
        self.clock = clock
        simulator.rules.limits = PLENTY
        self.simulator = simulator
        self.faults = simulator.faults
        self.routes = {
            Call.COMMIT: Route("POST", "^/2/tweets$"),
            Call.UPLOAD: Route("POST", "^/2/media/upload/[0-9]+/append$"),
            Call.REFRESH: Route("POST", "^/2/oauth2/token$"),
        }
        self.adapter = XAdapter(now=self.clock.now)
        self.identity = Identity(USER_ID, HANDLE, simulator.url)
        granted = simulator.sign_in.grant()
        self.tokens = TokenSet(
            str(granted["access_token"]),
            str(granted["refresh_token"]),
            extra={"client_id": simulator.rules.client_id},
        )

    def live_texts(self) -> Sequence[str]:
        return [post.text for post in self.simulator.posts.live]

    def stored_files(self) -> Sequence[bytes]:
        return [upload.data for upload in self.simulator.media.uploads if upload.data is not None]

    def bytes_received(self) -> int:
        return self.simulator.media.bytes_received

    def samples(self, tag: str) -> Sequence[Sample]:
        photos = (picture(self.folder, "one.png", alt="first"), picture(self.folder, "two.png", alt="", size=9))
        thread = (
            Part(f"{tag} one: see https://Example.com/a?b=1&c=2 and example.org"),
            Part(f"{tag} two, R&D <3", photos[:1]),
        )
        return [
            Sample("post", Content.plain(f"{tag} hello")),
            Sample("pictures", Content((Part(f"{tag} look", photos),))),
            Sample("thread", Content(thread), "thread"),
        ]

    def upload_sample(self, tag: str) -> Sample:
        return Sample("video", Content((Part(f"{tag} film", (film(self.folder, f"{tag}.mp4", size=5 * CHUNK // 2),)),)))

    def refused_media(self, tag: str) -> tuple[Sample, str]:
        self.simulator.rules.refuse_media = "InvalidMedia: the video has no picture"
        return self.upload_sample(tag), "the video has no picture"

    def expire_access_token(self) -> bool:
        self.simulator.sign_in.expire_access()
        return True

    def unreachable(self) -> Identity:
        with XSimulator() as gone:
            return Identity(self.identity.remote_id, self.identity.handle, gone.url)
