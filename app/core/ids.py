"""Identifiers: UUIDv7 as text, so that ids sort by time and their endings are the part that differs."""

from __future__ import annotations

import uuid_utils

Id = str
"""A UUIDv7 (RFC 9562 §5.7) in its 36-character lower-case form."""


def new_id() -> Id:
    return str(uuid_utils.uuid7())


def short(identifier: Id) -> str:
    """The ending people are shown and may type."""
    return identifier[-8:]
