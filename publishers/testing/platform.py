"""What a test file tells the conformance suite about its platform."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from publishers.api import Adapter, Content, Context, Identity, Json, Part, TokenSet
from publishers.http import open_http
from publishers.testing.clock import Clock
from publishers.testing.faults import Fault, FaultBoard, Route
from publishers.testing.samples import UNICODE_TEXT


class Call(StrEnum):
    """The calls of a platform that faults are aimed at."""

    COMMIT = "commit"  # the one that makes a post live
    UPLOAD = "upload"  # the one that carries bytes of a file (of each part, where there are parts)
    PERMALINK = "permalink"  # a look-up after the commit
    REFRESH = "refresh"  # of the token set


@dataclass(frozen=True, slots=True)
class Sample:
    """Something to publish. It makes as many live posts as it has parts."""

    name: str
    content: Content
    format_id: str = ""


class PlatformUnderTest(ABC):
    """One platform with one connected account, new for every test.

    A subclass sets the attributes it has and overrides what it can; a case whose part is missing is skipped and
    says which part that was. `folder` is the test's own.
    """

    adapter: Adapter
    identity: Identity
    tokens: TokenSet = TokenSet()
    target: str = ""
    settings: Mapping[str, Json] = MappingProxyType({})
    faults: FaultBoard | None = None  # of the simulator, or of a FaultProxy before a real server
    routes: Mapping[Call, Route] = MappingProxyType({})  # where each call is found; a missing one does not exist here
    part_bytes: int = 0  # the size of an upload's parts; 0 = a file goes up in one request
    commit_is_idempotent: bool = False  # a second commit of the same armed state makes no second post

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()

    # ---- the truth, asked of the platform and not of the adapter ---------------------------------

    @abstractmethod
    def live_texts(self) -> Sequence[str]:
        """The text of every live post, exactly as the platform holds it, oldest first."""

    def stored_files(self) -> Sequence[bytes] | None:
        """The bytes of every file whose upload was completed. None = the platform cannot be asked."""
        return None

    def bytes_received(self) -> int | None:
        """How many bytes of files the platform has taken in so far, completed or not."""
        return None

    # ---- what is published -------------------------------------------------------------------------

    @abstractmethod
    def samples(self, tag: str) -> Sequence[Sample]:
        """One of each kind the platform takes, the plainest first. `tag` must stand in every part's text: it is new
        for every call and how the suite knows its posts again."""

    def unicode_sample(self, tag: str) -> Sample:
        """Text the platform must keep byte for byte."""
        return Sample("unicode", Content((Part(f"{tag} {UNICODE_TEXT}"),)))

    def upload_sample(self, tag: str) -> Sample | None:
        """One post with one file; of at least three parts where `part_bytes` is set."""
        return None

    def refused_media(self, tag: str) -> tuple[Sample, str] | None:
        """A file that passes `validate` but that the platform refuses, and a piece of the reason it gives, which must
        stand in the error's message or detail. Override to make the simulator refuse."""
        return None

    # ---- what is done to the platform -----------------------------------------------------------------

    def inject(self, call: Call, fault: Fault) -> bool:
        """Let the next such call go wrong. False = not possible here."""
        if self.faults is None or call not in self.routes:
            return False
        self.faults.add(self.routes[call], fault)
        return True

    def expire_access_token(self) -> bool:
        """Make the platform refuse the present access token while the refresh token stays good. False = no tokens."""
        return False

    def unreachable(self) -> Identity | None:
        """The same account on an address where nothing listens. None = it has no network."""
        return None

    # ---- the context -----------------------------------------------------------------------------------

    @property
    def secrets(self) -> Sequence[str]:
        """What must never be seen in an error or a state."""
        known = (self.tokens.access_token, self.tokens.refresh_token, *self.tokens.extra.values())
        return tuple(secret for secret in known if len(secret) >= 6)

    def keep_tokens(self, tokens: TokenSet) -> None:
        """Remember a refreshed set, as the keychain does."""
        self.tokens = tokens

    @asynccontextmanager
    async def open_context(self, tokens: TokenSet, attempt: str) -> AsyncIterator[Context]:
        """A Context like the one app.accounts builds."""
        async with open_context(
            self.identity, tokens, attempt, self.clock, target=self.target, settings=self.settings
        ) as context:
            yield context


@asynccontextmanager
async def open_context(
    identity: Identity,
    tokens: TokenSet,
    attempt: str,
    clock: Clock,
    *,
    target: str = "",
    settings: Mapping[str, Json] | None = None,
) -> AsyncIterator[Context]:
    """A Context whose Http hides the account's secrets, closed at the end."""
    secrets = (tokens.access_token, tokens.refresh_token, *tokens.extra.values())
    async with open_http(secrets=secrets, now=clock.now) as http:
        yield Context(
            http=http,
            identity=identity,
            tokens=tokens,
            now=clock.now,
            attempt=attempt,
            target=target,
            settings=settings or {},
        )
