"""Public counts of posts. They come from the AppView that the account's server forwards reads to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from publishers.api import Gone, Json, Metrics
from publishers.bluesky.client import Client, unreadable
from publishers.bluesky.record import PostUri
from publishers.bluesky.spec import METRIC_BATCH, POST_COLLECTION
from publishers.errors import Executed, PublishError

_COUNTS = ("likeCount", "replyCount", "repostCount", "quoteCount", "bookmarkCount", "viewCount")


async def post_metrics(client: Client, uris: Sequence[str]) -> Mapping[str, Metrics | Gone]:
    """Counts by uri. A server without a working AppView tells none: then every number is None, which is no error.

    A post the AppView leaves out is Gone only if the account's own server does not have it either; otherwise it is
    not in the answer (not indexed yet, or hidden). Raises PublishError.
    """
    found: dict[str, Metrics | Gone] = {}
    for start in range(0, len(uris), METRIC_BATCH):
        batch = uris[start : start + METRIC_BATCH]
        views = await _views(client, batch)
        for uri in batch:
            if views is not None and uri in views:
                found[uri] = _metrics(views[uri])
            elif not await _exists(client, PostUri.parse(uri)):
                found[uri] = Gone()
            elif views is None:
                found[uri] = Metrics()
    return found


async def _views(client: Client, uris: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | None:
    """app.bsky.feed.getPosts by uri; None where no AppView answers."""
    try:
        answer = await client.query("app.bsky.feed.getPosts", [("uris", uri) for uri in uris])
    except PublishError as error:
        if error.platform_code == "UpstreamFailure":
            return None
        raise
    posts = answer.get("posts")
    if not isinstance(posts, list):
        raise unreadable("Bluesky", answer, Executed.NO)
    return {post["uri"]: post for post in posts if isinstance(post, dict) and isinstance(post.get("uri"), str)}


async def _exists(client: Client, uri: PostUri) -> bool:
    try:
        await client.get_record(uri.did, POST_COLLECTION, uri.key)
    except PublishError as error:
        if error.platform_code == "RecordNotFound":
            return False
        raise
    return True


def _metrics(view: Mapping[str, Any]) -> Metrics:
    raw: dict[str, Json] = {name: _number(view.get(name)) for name in _COUNTS}
    reposts, quotes = _number(view.get("repostCount")), _number(view.get("quoteCount"))
    shares = None if reposts is None and quotes is None else (reposts or 0) + (quotes or 0)
    return Metrics(
        views=_number(view.get("viewCount")),  # told to the author alone, from 100 on, and not yet by every AppView
        reactions=_number(view.get("likeCount")),
        comments=_number(view.get("replyCount")),
        shares=shares,
        saves=_number(view.get("bookmarkCount")),
        raw=raw,
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
