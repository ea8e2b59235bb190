"""The records Quarry writes: their keys (TIDs), their content, their addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from publishers.api import Identity, Json, Part
from publishers.bluesky.richtext import facets
from publishers.bluesky.spec import POST_COLLECTION

_SORTED_BASE32 = "234567abcdefghijklmnopqrstuvwxyz"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_HANDLE = "handle.invalid"  # what a server says when an account's handle does not resolve


def new_tid(moment: datetime, clock_id: int) -> str:
    """A record key: 53 bits of microseconds since 1970, 10 bits of clock identifier (https://atproto.com/specs/tid)."""
    microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    value = (microseconds & (1 << 53) - 1) << 10 | clock_id & 1023
    return "".join(_SORTED_BASE32[value >> shift & 31] for shift in range(60, -1, -5))


def tid_moment(tid: str) -> datetime:
    """When a TID was made. Raises ValueError for what is none."""
    value = 0
    for character in tid:
        value = value << 5 | _SORTED_BASE32.index(character)
    return _EPOCH + timedelta(microseconds=value >> 10)


@dataclass(frozen=True, slots=True)
class PostUri:
    """at://DID/app.bsky.feed.post/KEY"""

    did: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> PostUri:
        """Raises ValueError for what is not the address of a post."""
        scheme, _, rest = uri.partition("://")
        did, _, tail = rest.partition("/")
        collection, _, key = tail.partition("/")
        if scheme != "at" or not did.startswith("did:") or collection != POST_COLLECTION or not key or "/" in key:
            raise ValueError(f"not the address of a Bluesky post: {uri!r}")
        return cls(did, key)

    def __str__(self) -> str:
        return f"at://{self.did}/{POST_COLLECTION}/{self.key}"


def permalink(identity: Identity, key: str) -> str:
    """Where a post can be read in the browser."""
    handle = identity.handle
    who = handle if handle and handle != NO_HANDLE else identity.remote_id
    return f"https://bsky.app/profile/{who}/post/{key}"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as the lexicon wants it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def post_record(
    part: Part, created: datetime, langs: Sequence[str], blobs: Mapping[str, Json], dids: Mapping[str, str]
) -> dict[str, Json]:
    """The record of one part, without `reply`. `blobs` by the sha256 of the file, `dids` by handle."""
    record: dict[str, Json] = {"$type": POST_COLLECTION, "text": part.text, "createdAt": timestamp(created)}
    if found := facets(part.text, dids):
        record["facets"] = found
    if langs:
        record["langs"] = list(langs)
    if part.media:
        images: list[Json] = []
        for media in part.media:
            image: dict[str, Json] = {"alt": media.alt, "image": blobs[media.facts.sha256]}
            if media.facts.width and media.facts.height:
                image["aspectRatio"] = {"width": media.facts.width, "height": media.facts.height}
            images.append(image)
        record["embed"] = {"$type": "app.bsky.embed.images", "images": images}
    return record
