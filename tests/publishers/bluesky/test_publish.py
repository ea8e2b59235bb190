"""What arrives on the real PDS, read back with the `atproto` client, and what happens when things go wrong."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from atproto import models

from publishers.api import CannotTell, Content, Done, Failed, Found, NotFound, Part, State, StepKind
from publishers.bluesky.adapter import adapter
from publishers.bluesky.progress import Progress
from publishers.bluesky.record import PostUri, new_tid, tid_moment
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.testing.faults import Fault, FaultKind, Route
from publishers.testing.proxy import FaultProxy
from publishers.testing.samples import picture, png
from publishers.testing.wire import Answer
from tests.publishers.bluesky.creator import Creator, connect
from tests.servers.bluesky.pds import Pds

pytestmark = pytest.mark.server
COMMIT = Route("POST", "createRecord$")


def test_post_as_others_read_it(pds: Pds, creator: Creator, tmp_path: Path) -> None:
    friend = pds.create_account()
    text = f"世界 👩‍👩‍👧‍👦 by @{friend.handle}, @nobody-has-this.test: example.com/a #étude"
    pictures = (
        picture(tmp_path, "a.png", alt="ein “Bild” 🖼", size=16),
        picture(tmp_path, "b.png", alt="zwei", size=32),
    )
    record = creator.publish(Content((Part(text, pictures),), options={"langs": ["de", "zh"]}))

    [post] = creator.read_posts()
    assert post.text == text
    assert post.langs == ["de", "zh"]
    seen = [
        (text.encode()[one.index.byte_start : one.index.byte_end].decode(), one.features[0])
        for one in post.facets or []
    ]
    assert [words for words, _ in seen] == [f"@{friend.handle}", "example.com/a", "#étude"]
    mention, link, tag = (feature for _, feature in seen)
    assert isinstance(mention, models.AppBskyRichtextFacet.Mention)
    assert mention.did == friend.did
    assert isinstance(link, models.AppBskyRichtextFacet.Link)
    assert link.uri == "https://example.com/a"
    assert isinstance(tag, models.AppBskyRichtextFacet.Tag)
    assert tag.tag == "étude"

    assert isinstance(post.embed, models.AppBskyEmbedImages.Main)
    assert [image.alt for image in post.embed.images] == ["ein “Bild” 🖼", "zwei"]
    for image, media in zip(post.embed.images, pictures, strict=True):
        assert pds.blob(creator.account.did, image.image.cid.encode()) == media.facts.path.read_bytes()
        assert image.aspect_ratio
        assert (image.aspect_ratio.width, image.aspect_ratio.height) == (media.facts.width, media.facts.height)

    key = PostUri.parse(record.remote_id).key
    assert record.permalink == f"https://bsky.app/profile/{creator.account.handle}/post/{key}"
    created = datetime.fromisoformat(post.created_at)
    assert abs(created - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(created - tid_moment(key)) < timedelta(milliseconds=1)


def test_thread_is_a_chain_of_replies(creator: Creator) -> None:
    record = creator.publish(Content((Part("one"), Part("two"), Part("three"))), "thread")
    first, second, third = creator.records()
    assert [one["value"]["text"] for one in (first, second, third)] == ["one", "two", "three"]
    assert [commit.remote_id for commit in record.commits] == [one["uri"] for one in (first, second, third)]
    assert record.remote_id == first["uri"]
    posts = creator.read_posts()
    assert posts[0].reply is None
    for post, parent in zip(posts[1:], (first, second), strict=True):
        assert post.reply
        assert (post.reply.root.uri, post.reply.root.cid) == (first["uri"], first["cid"])
        assert (post.reply.parent.uri, post.reply.parent.cid) == (parent["uri"], parent["cid"])


def test_thread_keys_sort_as_it_reads_when_the_clock_is_set_back(creator: Creator) -> None:
    hours = itertools.count()
    now = creator.clock.now()
    creator.clock.now = lambda: now - timedelta(hours=next(hours))  # type: ignore[method-assign]
    creator.publish(Content((Part("one"), Part("two"), Part("three"))), "thread")
    posts = creator.records()
    assert [one["value"]["text"] for one in posts] == ["one", "two", "three"]
    assert sorted(one["value"]["createdAt"] for one in posts) == [one["value"]["createdAt"] for one in posts]


@pytest.mark.parametrize("text", ["x" * 300, "👩‍👩‍👧‍👦" * 120, "字" * 300])
def test_the_longest_texts_we_let_through_are_taken(creator: Creator, text: str) -> None:
    assert adapter.count(text).fits
    creator.publish(Content.plain(text))
    assert creator.records()[0]["value"]["text"] == text


@pytest.mark.parametrize(("text", "code"), [("x" * 301, "grapheme too big"), ("👩‍👩‍👧‍👦" * 121, "string too big")])
def test_longer_ones_are_refused_by_the_server_too(creator: Creator, text: str, code: str) -> None:
    attempt = creator.attempt(Content.plain(text))
    asyncio.run(attempt.run())
    assert attempt.error
    assert (attempt.error.kind, attempt.error.executed) == (ErrorKind.CONTENT, Executed.NO)
    assert code in attempt.error.user_message
    assert creator.records() == []


def test_the_server_takes_whatever_text_validation_takes(creator: Creator) -> None:
    dice = random.Random(7)
    nasty = [
        "http://[::1]/",
        "https://%",
        "http://a",
        "#\u200dx",
        "@a.test",
        "#a\u0000b",
        "https://x/\u0000",
        "$A",
        "\u202e",
        "é",
        "https://x.io/‘",
        "。",
        "#👩‍👩‍👧",
        "a.com",
        "\ufeff#t",
        "\u2028",
    ]
    for _ in range(20):
        text = "".join(dice.choices([*nasty, " ", " "], k=12)) + "."
        content = Content.plain(text)
        assert adapter.validate(content) == []
        creator.publish(content)
    assert len(creator.records()) == 20


def test_deleting(creator: Creator) -> None:
    kept, removed = (creator.publish(Content.plain(text)).remote_id for text in ("kept", "removed"))
    for _ in range(2):
        creator.call(lambda context: adapter.delete(context, removed))
    assert [one["uri"] for one in creator.records()] == [kept]


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("at://did:plc:someone/app.bsky.feed.post/3l25zusnsfctk", ErrorKind.PERMISSION),
        ("https://bsky.app/x", ErrorKind.NOT_FOUND),
        ("", ErrorKind.NOT_FOUND),
    ],
)
def test_deleting_what_is_not_ours_is_refused(creator: Creator, uri: str, kind: ErrorKind) -> None:
    with pytest.raises(PublishError) as caught:
        creator.call(lambda context: adapter.delete(context, uri))
    assert caught.value.kind is kind


# ---- faults --------------------------------------------------------------------------------------


def armed(creator: Creator, content: Content) -> State:
    """The state of a post whose first part is armed."""
    step = next(step for step in adapter.plan(content).steps if step.kind is StepKind.COMMIT)
    return creator.arm(step, {})


def test_second_create_with_the_same_key_is_unknown_then_found(creator: Creator) -> None:
    """What the real PDS answers: 500, which says nothing of whether the post exists."""
    content = Content.plain("once")
    state = armed(creator, content)
    step = adapter.plan(content).steps[-1]
    creator.call(lambda context: step.run(context, state))
    _, outcome = creator.call(lambda context: step.run(context, state))
    assert isinstance(outcome, Failed)
    assert (outcome.error.kind, outcome.error.executed) == (ErrorKind.PLATFORM_DOWN, Executed.UNKNOWN)
    found = creator.call(lambda context: adapter.reconcile(context, content, "post:0", state, datetime.now(UTC)))
    [post] = creator.records()
    assert isinstance(found, Found)
    assert (found.remote_id, Progress.read(found.state).posts[0].cid) == (post["uri"], post["cid"])


def test_reconcile_of_what_never_arrived_is_authoritative(creator: Creator) -> None:
    content = Content.plain("never")
    for state in (armed(creator, content), {}):
        answer = creator.call(lambda context: adapter.reconcile(context, content, "post:0", state, datetime.now(UTC)))  # noqa: B023 - called at once
        assert answer == NotFound(authoritative=True)


def test_reconcile_on_a_server_that_is_not_the_accounts_own_cannot_tell(creator: Creator) -> None:
    content = Content.plain("elsewhere")
    state = armed(creator, content)
    with FaultProxy(creator.pds.url) as proxy:
        proxy.faults.add(
            Route("GET", "getRecord$"), Fault(FaultKind.ANSWER, answer=Answer.of({"error": "InvalidRequest"}, 400))
        )
        answer = creator.at(proxy.url).call(
            lambda context: adapter.reconcile(context, content, "post:0", state, datetime.now(UTC))
        )
    assert isinstance(answer, CannotTell)


def test_arming_twice_keeps_the_first_key(creator: Creator) -> None:
    content = Content.plain("armed")
    state = armed(creator, content)
    assert creator.arm(adapter.plan(content).steps[-1], state) == state


def test_part_lost_in_the_middle_of_a_thread_is_found_and_the_thread_goes_on(creator: Creator) -> None:
    with FaultProxy(creator.pds.url) as proxy:
        proxy.faults.add(COMMIT, Fault(FaultKind.DROP_ANSWER, skip=1))
        record = creator.at(proxy.url).publish(Content((Part("one"), Part("two"), Part("three"))), "thread")
    assert "reconciled: Found" in record.history
    posts = creator.records()
    assert [one["value"]["text"] for one in posts] == ["one", "two", "three"]
    assert posts[2]["value"]["reply"]["parent"] == {"uri": posts[1]["uri"], "cid": posts[1]["cid"]}


def test_thread_goes_on_after_the_creator_said_that_a_part_is_live(creator: Creator) -> None:
    content = Content((Part("one"), Part("two")))
    first, second = adapter.plan(content, "thread").steps
    state = armed(creator, content)
    creator.call(lambda context: first.run(context, state))  # and its answer is lost
    state = creator.arm(second, state)
    creator.call(lambda context: second.run(context, state))
    one, two = creator.records()
    assert two["value"]["reply"]["parent"] == {"uri": one["uri"], "cid": one["cid"]}


def test_file_the_server_dropped_is_uploaded_again(pds: Pds, creator: Creator, tmp_path: Path) -> None:
    """Another account's upload stands for one that was dropped: this one's server part does not have it."""
    content = Content((Part("with a picture", (picture(tmp_path),)),))
    other = connect(pds, tmp_path)
    upload, post = adapter.plan(content).steps
    state, _ = other.call(lambda context: upload.run(context, {}))
    state = creator.arm(post, state)
    _, outcome = creator.call(lambda context: post.run(context, state))
    assert isinstance(outcome, Done)
    [made] = creator.records()
    cid = made["value"]["embed"]["images"][0]["image"]["ref"]["$link"]
    assert pds.blob(creator.account.did, cid) == png()


@pytest.mark.parametrize("change", ["gone", "other"])
def test_file_that_changed_since_approval_is_not_posted(creator: Creator, tmp_path: Path, change: str) -> None:
    media = picture(tmp_path)
    if change == "gone":
        media.facts.path.unlink()
    else:
        media.facts.path.write_bytes(png(9, 9))
    attempt = creator.attempt(Content((Part("hi", (media,)),)))
    asyncio.run(attempt.run())
    assert attempt.error
    assert (attempt.error.kind, attempt.error.executed) == (ErrorKind.MEDIA, Executed.NO)
    assert creator.records() == []


def test_too_large_an_upload_is_a_media_error_with_the_servers_reason(creator: Creator, tmp_path: Path) -> None:
    media = picture(tmp_path)
    refusal = Answer.of({"error": "InvalidRequest", "message": "blob is odd"}, 400)
    with FaultProxy(creator.pds.url) as proxy:
        proxy.faults.add(Route("POST", "uploadBlob$"), Fault(FaultKind.ANSWER, answer=refusal))
        attempt = creator.at(proxy.url).attempt(Content((Part("hi", (media,)),)))
        asyncio.run(attempt.run())
    assert attempt.error
    assert attempt.error.kind is ErrorKind.MEDIA
    assert "blob is odd" in attempt.error.user_message


def test_cut_network_while_a_mention_is_resolved_is_not_taken_for_nobody(creator: Creator) -> None:
    friend = creator.pds.create_account()
    with FaultProxy(creator.pds.url) as proxy:
        proxy.faults.add(Route("GET", "resolveHandle$"), Fault(FaultKind.DOWN, times=3))
        attempt = creator.at(proxy.url).attempt(Content.plain(f"hi @{friend.handle}"))
        assert asyncio.run(attempt.run()).phase == "waiting"
        asyncio.run(attempt.run())
    assert creator.records()[0]["value"]["facets"][0]["features"][0]["did"] == friend.did


def test_record_key_of_another_post_is_never_overwritten(creator: Creator) -> None:
    creator.publish(Content.plain("the first"))
    [first] = creator.records()
    content = Content.plain("the second")
    state = armed(creator, content)
    progress = Progress.read(state)
    progress.posts[0] = replace(progress.posts[0], key=PostUri.parse(first["uri"]).key)
    step = adapter.plan(content).steps[-1]
    creator.call(lambda context: step.run(context, progress.write()))
    assert creator.records() == [first]


def test_keys_of_one_moment_differ() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({new_tid(moment, clock_id) for clock_id in range(1024)}) == 1024
