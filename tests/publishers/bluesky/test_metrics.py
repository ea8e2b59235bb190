"""Public counts through the real PDS from an AppView on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from publishers.api import Content, Gone, MeasuresPosts, Metrics
from publishers.bluesky.adapter import adapter
from publishers.errors import ErrorKind, PublishError
from publishers.testing.faults import Fault, FaultKind, Route
from publishers.testing.proxy import FaultProxy
from tests.publishers.bluesky.creator import Creator
from tests.servers.bluesky.pds import Pds

pytestmark = pytest.mark.server


def measure(creator: Creator, uris: Sequence[str]) -> Mapping[str, Metrics | Gone]:
    return creator.call(lambda context: adapter.post_metrics(context, uris))


def post(creator: Creator, text: str) -> str:
    return creator.publish(Content.plain(text)).remote_id


def test_counts_have_their_meaning(pds: Pds, creator: Creator) -> None:
    assert isinstance(adapter, MeasuresPosts)
    uri, bare = post(creator, "counted"), post(creator, "told nothing")
    pds.appview.posts[uri] = {"likeCount": 7, "replyCount": 0, "repostCount": 2, "quoteCount": 3, "bookmarkCount": 1}
    pds.appview.posts[bare] = {}
    seen = post(creator, "seen")
    pds.appview.posts[seen] = {"viewCount": 130, "likeCount": -1, "replyCount": True}
    measured = measure(creator, [uri, bare, seen])
    counted = measured[uri]
    assert isinstance(counted, Metrics)
    assert (counted.reactions, counted.comments, counted.shares, counted.saves) == (7, 0, 5, 1)
    assert (counted.views, counted.reach, counted.clicks) == (None, None, None)
    assert counted.raw["quoteCount"] == 3
    assert measured[seen] == Metrics(views=130, raw={**dict.fromkeys(counted.raw), "viewCount": 130})
    assert measured[bare] == Metrics(raw=dict.fromkeys(counted.raw))


def test_asks_for_25_at_a_time(pds: Pds, creator: Creator) -> None:
    uris = [f"at://{creator.account.did}/app.bsky.feed.post/3l25zusns{number:04}" for number in range(2000, 2060)]
    pds.appview.posts.update({uri: {"likeCount": 1} for uri in uris})
    before = len(pds.appview.asked)
    assert set(measure(creator, uris)) == set(uris)
    assert [len(asked) for asked in pds.appview.asked[before:]] == [25, 25, 10]
    assert measure(creator, []) == {}


def test_gone_only_where_the_accounts_own_server_says_so(pds: Pds, creator: Creator) -> None:
    kept, removed = post(creator, "kept"), post(creator, "removed")
    creator.call(lambda context: adapter.delete(context, removed))
    pds.appview.hidden.add(kept)  # not indexed yet, or taken down there
    assert measure(creator, [kept, removed]) == {removed: Gone()}


def test_without_an_appview_nothing_is_told_and_nothing_fails(pds: Pds, creator: Creator) -> None:
    kept, removed = post(creator, "kept"), post(creator, "removed")
    creator.call(lambda context: adapter.delete(context, removed))
    pds.appview.up = False
    try:
        assert measure(creator, [kept, removed]) == {kept: Metrics(), removed: Gone()}
    finally:
        pds.appview.up = True


def test_server_that_is_down_is_an_error(creator: Creator) -> None:
    uri = post(creator, "counted")
    with FaultProxy(creator.pds.url) as proxy:
        proxy.faults.add(Route("GET", "getPosts$"), Fault(FaultKind.DOWN, times=3))
        with pytest.raises(PublishError) as caught:
            measure(creator.at(proxy.url), [uri])
    assert caught.value.kind is ErrorKind.PLATFORM_DOWN
