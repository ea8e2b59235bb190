"""Publications in a real store, and a platform that answers from a dict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.accounts.service import Accounts
from app.analytics.schedule import next_pull
from app.core.clock import Clock
from app.core.ids import new_id
from app.core.words import Account, Attempt, AttemptState, Channel, PostState, Publication
from app.store.database import Store
from publishers import registry
from publishers.api import (
    Adapter,
    AuthKind,
    Capabilities,
    Content,
    Context,
    Count,
    Format,
    Gone,
    Limit,
    Metrics,
    Plan,
    Unit,
)
from tests.app.samples import NOON, account, draft, post


def connected(store: Store, platform: str = "echo", remote_id: str = "me", **fields: Any) -> Account:
    wanted = account(remote_id, platform=platform, **fields)
    return store.write(lambda unit: unit.accounts.save(wanted)).result()


def published(
    store: Store,
    owner: Account,
    *,
    at: datetime = NOON,
    parts: int = 1,
    ages: Sequence[timedelta] = (),
    by: Any = None,
    remote_id: str = "",
) -> list[Publication]:
    """A post of `owner` that is live since `at`: one publication a part. `by` is the provenance of its draft."""

    def add(unit):
        channel = Channel(owner.platform, "post")
        source = unit.drafts.add(draft(channel=channel, **({"provenance": by} if by else {})))
        added = unit.posts.add(post(owner.id, at=at, channel=channel, draft_id=source.id))
        attempt: Attempt = unit.attempts.begin(added.id, "worker", timedelta(minutes=1))
        unit.attempts.save(Attempt(attempt.id, added.id, 1, AttemptState.PUBLISHED), owner="worker")
        unit.posts.set_state(added.id, PostState.PUBLISHED)
        made = []
        for part in range(parts):
            publication = Publication(
                new_id(),
                added.id,
                attempt.id,
                owner.id,
                remote_id or new_id(),
                "https://example.org/",
                at,
                part,
                next_pull_at=next_pull(at, at, ages),
            )
            made.append(unit.publications.add(publication))
        return made

    return store.write(add).result()


class Silent:
    """A platform that takes posts and tells nothing about them."""

    def __init__(self, platform: str = "echo", metric_pulls: tuple[timedelta, ...] = ()) -> None:
        limit = Limit(500, "a test", NOON.date())
        self.capabilities = Capabilities(
            platform=platform,
            name=platform.title(),
            server="",
            formats=(Format("post", limit, Unit.CHARACTERS),),
            auth=AuthKind.NONE,
            metric_pulls=metric_pulls,
        )

    def count(self, text: str, format_id: str = "") -> Count:
        return Count(len(text), 500, Unit.CHARACTERS)

    def validate(self, content: Content, format_id: str = "") -> Sequence[Any]:
        return []

    def plan(self, content: Content, format_id: str = "") -> Plan:
        return Plan(1, ())

    async def reconcile(self, *_: Any) -> Any:
        raise NotImplementedError


class Telling(Silent):
    """A platform that tells what stands in `knows`, by remote id; `trouble` is raised instead when set."""

    def __init__(self, platform: str = "echo", metric_pulls: tuple[timedelta, ...] = ()) -> None:
        super().__init__(platform, metric_pulls)
        self.knows: dict[str, Metrics | Gone] = {}
        self.trouble: Exception | None = None
        self.asked: list[list[str]] = []

    async def post_metrics(self, context: Context, remote_ids: Sequence[str]) -> Mapping[str, Metrics | Gone]:
        self.asked.append(list(remote_ids))
        if self.trouble:
            raise self.trouble
        return {remote_id: self.knows[remote_id] for remote_id in remote_ids if remote_id in self.knows}


def accounts_of(store: Store, clock: Clock, find: Callable[[str], Adapter] = registry.get) -> Accounts:
    """The accounts service for platforms without secrets: it never asks for a keychain."""

    def no_keychain() -> Any:
        raise AssertionError("nothing here has secrets")

    return Accounts(store, no_keychain, clock, find=find)
