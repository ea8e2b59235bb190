"""Facets: what is found, and that byte offsets are right for every text."""

from __future__ import annotations

import json
import random
import subprocess

import pytest
from atproto import client_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from publishers.bluesky.richtext import Kind, facets, find_spans, mentioned_handles
from tests.requirements import require_server
from tests.servers.bluesky.prepare import HERE, missing_reason

DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"


def found(text: str) -> list[tuple[str, str, str]]:
    return [(text[span.start : span.end], span.kind.name, span.value) for span in find_spans(text)]


@pytest.mark.parametrize(
    ("text", "link", "address"),
    [
        ("see https://example.com/a?b=c#d.", "https://example.com/a?b=c#d", None),
        ("see HTTP://Example.com now", "HTTP://Example.com", None),
        ("(https://example.com)", "https://example.com", None),
        ("https://en.wikipedia.org/wiki/Quarry_(disambiguation)", None, None),
        ("example.com/path, and more", "example.com/path", "https://example.com/path"),
        ("my-site.co.uk!", "my-site.co.uk", "https://my-site.co.uk"),
        ("example.com:8080/x", "example.com:8080/x", "https://example.com:8080/x"),
        ("看这里https://example.com/页面，很好。", "https://example.com/页面", None),
        ("（example.com）", "example.com", "https://example.com"),
        ("“https://example.com/x”", "https://example.com/x", None),
        ("wait... https://example.com/x...", "https://example.com/x", None),
    ],
)
def test_links(text: str, link: str | None, address: str | None) -> None:
    link = link or text
    assert found(text) == [(link, "LINK", address or link)]


@pytest.mark.parametrize(
    "text",
    [
        "me@example.com",
        "first.me@example.com",
        "no.such.toplevel-name",
        "Example.COM",
        "e.g. this",
        "v1.2.3",
        "https://",
        "https:///path",
        "http://[",
        "snake.com_case",
        "3.14",
    ],
)
def test_what_is_no_link(text: str) -> None:
    assert [one for one in found(text) if one[1] == "LINK"] == []


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("hi @Alice.bsky.social!", "@Alice.bsky.social"),
        ("(@alice.bsky.social)", "@alice.bsky.social"),
        ("你好@alice.bsky.social你好", "@alice.bsky.social"),
        ("@alice.bsky.social.", "@alice.bsky.social"),
    ],
)
def test_mentions(text: str, handle: str) -> None:
    assert found(text) == [(handle, "MENTION", handle[1:].lower())]


@pytest.mark.parametrize("text", ["@alice", "a@alice.test", "@alice_x.test", "@alice.test@mastodon.social", "@1.5"])
def test_what_is_no_mention(text: str) -> None:
    assert mentioned_handles(text) == []


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a #tag!", "#tag"),
        ("＃タグ です", "＃タグ"),
        ("#标签，然后", "#标签"),
        ("好。#标签", "#标签"),
        ("#c++ rocks", "#c++"),
        ("#don’t", "#don’t"),
        ("#1st", "#1st"),
        ("#👩‍👩‍👧 family", "#👩"),  # the official client stops at a zero-width joiner too
    ],
)
def test_tags(text: str, tag: str) -> None:
    assert found(text) == [(tag, "TAG", tag[1:])]


@pytest.mark.parametrize("text", ["#", "#1", "#!?", "a#b", "#️⃣", "#" + "x" * 65, "C# is"])
def test_what_is_no_tag(text: str) -> None:
    assert found(text) == []


def test_mention_inside_a_link_belongs_to_the_link() -> None:
    assert [kind for _, kind, _ in found("https://example.com/(@alice.test)")] == ["LINK"]


def test_cashtag_is_a_tag_in_capitals() -> None:
    assert found("buy $aapl, ($TSLA) not $5 or $toolong") == [("$aapl", "TAG", "$AAPL"), ("$TSLA", "TAG", "$TSLA")]


def test_unresolved_mention_stays_plain() -> None:
    assert facets("@a.test and @b.test", {"b.test": DID}) == [
        {
            "$type": "app.bsky.richtext.facet",
            "index": {"byteStart": 12, "byteEnd": 19},
            "features": [{"$type": "app.bsky.richtext.facet#mention", "did": DID}],
        }
    ]


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
NASTY = "https:// example.com @a.test #tag # @ . ( ) ， 。 “ ” 👩‍👧 é \n $AAPL http://[ example.com/(x) me@b.com"
pieces = st.one_of(anything, st.sampled_from(NASTY.split(" ")))


@given(st.lists(pieces, max_size=12).map("".join))
@settings(max_examples=200, deadline=None)
def test_offsets_point_at_the_spans_for_every_text(text: str) -> None:
    spans = find_spans(text)
    encoded = text.encode()
    end = 0
    for span, facet in zip(spans, facets(text, dict.fromkeys(mentioned_handles(text), DID)), strict=True):
        assert isinstance(facet, dict)
        assert isinstance(facet["index"], dict)
        first, last = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        assert isinstance(first, int)
        assert isinstance(last, int)
        assert end <= first < last <= len(encoded)
        assert encoded[first:last].decode() == text[span.start : span.end]
        end = last


words = st.text(st.characters(categories=["L", "So"]), min_size=1, max_size=8)
built = st.lists(
    st.one_of(
        st.tuples(
            st.just(Kind.LINK), st.sampled_from(["https://example.com", "http://例え.jp/道?a=b", "https://a.io/x_(y)"])
        ),
        st.tuples(st.just(Kind.TAG), words.filter(str.isalpha)),
        st.tuples(st.just(Kind.MENTION), st.sampled_from(["alice.test", "bob.bsky.social"])),
        st.tuples(st.none(), words),
    ),
    max_size=15,
)


@given(built)
@settings(max_examples=100, deadline=None)
def test_same_facets_as_the_atproto_client_builds(text_pieces: list[tuple[Kind | None, str]]) -> None:
    builder = client_utils.TextBuilder()
    for kind, value in text_pieces:
        match kind:
            case Kind.LINK:
                builder.link(value, value)
            case Kind.TAG:
                builder.tag(f"#{value}", value)
            case Kind.MENTION:
                builder.mention(f"@{value}", DID)
            case None:
                builder.text(value)
        builder.text(" ")
    theirs = [
        (one.index.byte_start, one.index.byte_end, one.features[0].model_dump(by_alias=True))
        for one in builder.build_facets()
    ]
    text = builder.build_text()
    ours = facets(text, dict.fromkeys(mentioned_handles(text), DID))
    assert [_flat(one) for one in ours] == theirs


def _flat(facet: object) -> tuple[int, int, object]:
    assert isinstance(facet, dict)
    return facet["index"]["byteStart"], facet["index"]["byteEnd"], facet["features"][0]


@pytest.mark.server
def test_same_facets_as_blueskys_own_client() -> None:
    if reason := missing_reason():
        require_server(reason)
    texts = list(_texts(400))
    listed = subprocess.run(
        ["node", "facets.js"], cwd=HERE, input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=60
    )
    for text, official in zip(texts, json.loads(listed.stdout), strict=True):
        theirs = sorted(
            (one["index"]["byteStart"], one["index"]["byteEnd"], _value(one["features"][0])) for one in official
        )
        ours = [_flat(one) for one in facets(text, {handle: handle for handle in mentioned_handles(text)})]
        assert [(start, end, _value(feature)) for start, end, feature in ours] == theirs, text


def _value(feature: object) -> str:
    assert isinstance(feature, dict)
    return str(feature.get("uri") or feature.get("tag") or feature["did"])


PARTS = (
    "https://example.com https://example.com/a_(b) http://例え.jp/道 example.com sub.example.co.uk/x?y=1 EXAMPLE.COM "
    "@alice.test @bob.bsky.social @nobody #tag #标签 #c++ ##x #1 $AAPL $aapl $5 plain 世界 👩‍👩‍👧‍👦 é no.such-name "
    "(https://example.com) (@alice.test) (example.com/x) #tag! https://example.com, @alice.test. 3.14 a.b v1.2"
)


def _texts(number: int) -> list[str]:
    """Texts of pieces that meet in every order, without the places where the two differ on purpose."""
    dice = random.Random(20261124)
    parts = PARTS.split(" ")
    return [dice.choice([" ", "\n", "  "]).join(dice.choices(parts, k=dice.randint(1, 9))) for _ in range(number)]
