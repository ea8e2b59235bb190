"""A creator with a connected account on the real PDS, as tests use one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from atproto import Client, models

from publishers.api import Connected, Content, Context, Identity, State, Step, TokenSet
from publishers.bluesky.adapter import adapter
from publishers.http import Http, open_http
from publishers.testing.attempt import Attempt
from publishers.testing.clock import Clock
from publishers.testing.platform import open_context
from publishers.testing.record import Record
from tests.servers.bluesky.pds import Account, Pds

T = TypeVar("T")
_numbers = itertools.count()


@dataclass(slots=True)
class Creator:
    """One account; `publish` drives the plan as the worker does."""

    pds: Pds
    account: Account
    identity: Identity
    tokens: TokenSet
    folder: Path
    clock: Clock = field(default_factory=Clock)
    earlier: frozenset[str] = frozenset()  # uris of other tests' posts

    def attempt(self, content: Content, format_id: str = "") -> Attempt:
        """A new attempt at publishing."""
        file = self.folder / f"attempt-{next(_numbers)}.json"
        return Attempt(
            adapter,
            content,
            format_id,
            file,
            open_context=lambda tokens, name: open_context(self.identity, tokens, name, self.clock),
            tokens=self.tokens,
            clock=self.clock,
        )

    def publish(self, content: Content, format_id: str = "") -> Record:
        """Publish and check that it went out."""
        record = asyncio.run(self.attempt(content, format_id).run())
        assert record.phase == "published", record
        return record

    def call(self, work: Callable[[Context], Awaitable[T]]) -> T:
        """Do something with a Context of this account."""

        async def inside() -> T:
            async with open_context(self.identity, self.tokens, "", self.clock) as context:
                return await work(context)

        return asyncio.run(inside())

    def arm(self, step: Step, state: State) -> State:
        """The state once `step` is armed."""

        async def inside(context: Context) -> State:
            return step.arm(context, state)

        return self.call(inside)

    def records(self) -> list[dict[str, Any]]:
        """The posts of this test, raw, oldest first."""
        return [one for one in self.pds.records(self.account.did) if one["uri"] not in self.earlier]

    def read_posts(self) -> list[models.AppBskyFeedPost.Record]:
        """The same as the `atproto` client understands them: what someone else's program sees."""
        client = Client(base_url=self.pds.url)
        posts = []
        for one in self.records():
            did, collection, key = one["uri"].removeprefix("at://").split("/")
            answer = client.com.atproto.repo.get_record({"repo": did, "collection": collection, "rkey": key})
            assert isinstance(answer.value, models.AppBskyFeedPost.Record)
            posts.append(answer.value)
        client.request.close()
        return posts

    def anew(self, folder: Path) -> Creator:
        """The same account for another test."""
        earlier = frozenset(one["uri"] for one in self.pds.records(self.account.did))
        return replace(self, folder=folder, clock=Clock(), earlier=earlier)

    def at(self, server: str) -> Creator:
        """The same account, reached at another address."""
        return replace(self, identity=replace(self.identity, server=server))


def connect(pds: Pds, folder: Path) -> Creator:
    """A new account, connected through the adapter's sign-in."""
    account = pds.create_account()
    answers = {"server": pds.url, "identifier": account.handle, "password": pds.create_app_password(account)}
    connected = sign_in(answers)
    return Creator(pds, account, connected.identity, connected.tokens, folder)


def sign_in(answers: dict[str, str]) -> Connected:
    """The adapter's sign-in."""
    return with_http(lambda http: adapter.sign_in(http, answers, Clock().now()))


def with_http(work: Callable[[Http], Awaitable[T]], secrets: Sequence[str] = ()) -> T:
    """Do something with an Http of no account."""

    async def inside() -> T:
        async with open_http(secrets=secrets) as http:
            return await work(http)

    return asyncio.run(inside())
