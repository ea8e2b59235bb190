"""What the steps of one post remember between each other: uploaded files, resolved handles, armed posts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from publishers.api import State


@dataclass(frozen=True, slots=True)
class ArmedPost:
    """A post whose key is chosen. `cid`, the hash of its content, is known once it is live."""

    key: str
    record: Mapping[str, Any]  # as it is sent, but for `reply`, which follows from the posts before
    cid: str = ""


@dataclass(slots=True)
class Progress:
    """The plan's state, typed."""

    blobs: dict[str, Any] = field(default_factory=dict)  # by the sha256 of the file
    dids: dict[str, str] = field(default_factory=dict)  # by handle
    posts: list[ArmedPost] = field(default_factory=list)  # of the first parts, in order

    @classmethod
    def read(cls, state: State) -> Progress:
        """From what `write` gave, or from nothing."""
        stored: Mapping[str, Any] = state
        return cls(
            dict(stored.get("blobs", {})),
            dict(stored.get("dids", {})),
            [ArmedPost(**post) for post in stored.get("posts", [])],
        )

    def write(self) -> State:
        """As JSON."""
        return asdict(self)
