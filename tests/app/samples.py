"""Words with everything filled in, for tests that need some."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.core.clock import WallTime
from app.core.ids import new_id
from app.core.words import Account, Brief, Channel, Draft, Post, PostState, Provenance
from publishers.api import Content

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOCAL = Channel("local", "post")


def brief(topic: str = "Sourdough in winter") -> Brief:
    return Brief(id=new_id(), topic=topic, audience="home bakers", channels=(LOCAL,))


def draft(text: str = "Cold kitchens need longer rises.", **fields: Any) -> Draft:
    values = {
        "id": new_id(),
        "channel": LOCAL,
        "content": Content.plain(text),
        "provenance": Provenance(model="starter", prompt_version="post/1", seed=7),
    }
    return Draft(**{**values, **fields})


def account(remote_id: str = "folder", **fields: Any) -> Account:
    values = {"id": new_id(), "platform": "local", "remote_id": remote_id, "handle": "My site", "server": "file:"}
    return Account(**{**values, **fields})


def post(account_id: str, text: str = "Hello", *, at: datetime | None = None, **fields: Any) -> Post:
    """A post; with `at` (aware) it is scheduled for then."""
    values: dict[str, object] = {
        "id": new_id(),
        "account_id": account_id,
        "channel": LOCAL,
        "content": Content.plain(text),
    }
    if at is not None:
        values |= {"wall_time": WallTime.of(at, "UTC"), "state": PostState.SCHEDULED}
    return Post(**{**values, **fields})
