"""The numbers a simulated X goes by; tests change them to make it slower, stricter or older."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WINDOW = 900  # seconds of a rate limit


@dataclass(slots=True)
class Rules:
    """Times in seconds. `limits` are calls of a route and account in 15 minutes [rate-limits.mdx]."""

    client_id: str = "quarry-client"
    client_secret: str = ""  # a confidential client where not empty
    redirect_uris: frozenset[str] = frozenset()  # the registered callbacks; empty = any on 127.0.0.1
    decline: bool = False  # the person says no
    code_life: int = 30
    access_life: int = 7200
    processing: int = 2  # of a GIF or video
    upload_life: int = 86_400
    timeline_delay: int = 0  # before a new post is shown
    fields_parameter: str = ""  # "post.fields" or "tweet.fields": refuse the other name
    refuse_media: str = ""  # the reason for which the next processing or finalizing fails
    limits: Mapping[str, int] = field(
        default_factory=lambda: {
            "POST /2/tweets": 100,
            "DELETE /2/tweets": 50,
            "GET /2/users/me": 75,
            "GET /2/users/tweets": 900,
            "POST /2/media/upload": 1875,
        }
    )
