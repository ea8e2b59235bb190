"""The Atom feed: what RFC 4287 asks of a feed and of its entries."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from publishers.api import Content, Part
from publishers.local.feed import FEED_POSTS, atom_feed, entry_id
from publishers.local.folder import StoredPost, file_name
from publishers.testing.samples import UNICODE_TEXT, film

ATOM = {"a": "http://www.w3.org/2005/Atom"}
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
ADDRESS = "http://127.0.0.1:8000/blog/"
UUID = "01939d5c-7c1e-7000-8000-000000000001"


def feed(*posts: StoredPost, site: str = "A site") -> ElementTree.Element:
    text = atom_feed(posts, site=site, address=ADDRESS, feed_id="urn:uuid:feed", now=NOON)
    return ElementTree.fromstring(text.encode())


def test_a_feed_has_what_it_must_have() -> None:
    root = feed(StoredPost(UUID, NOON, Content.plain(UNICODE_TEXT)), site="A <site> & its 世界")
    assert root.tag == "{http://www.w3.org/2005/Atom}feed"
    assert root.findtext("a:id", namespaces=ATOM) == "urn:uuid:feed"
    assert root.findtext("a:title", namespaces=ATOM) == "A <site> & its 世界"
    assert root.findtext("a:author/a:name", namespaces=ATOM) == "A <site> & its 世界"
    assert datetime.fromisoformat(root.findtext("a:updated", "", ATOM)) == NOON
    links = {link.get("rel"): link.get("href") for link in root.findall("a:link", ATOM)}
    assert links == {"self": f"{ADDRESS}feed.xml", "alternate": f"{ADDRESS}index.html"}


def test_an_entry_has_what_it_must_have(tmp_path: Path) -> None:
    video = film(tmp_path)
    root = feed(StoredPost(UUID, NOON, Content((Part("a < b", (video,)),), {"title": "T & t"})))
    (entry,) = root.findall("a:entry", ATOM)
    assert entry.findtext("a:id", namespaces=ATOM) == f"urn:uuid:{UUID}"
    assert entry.findtext("a:title", namespaces=ATOM) == "T & t"
    for name in ("published", "updated"):
        assert datetime.fromisoformat(entry.findtext(f"a:{name}", "", ATOM)) == NOON
    links = {link.get("rel"): link for link in entry.findall("a:link", ATOM)}
    assert links["alternate"].get("href") == f"{ADDRESS}posts/{UUID}/index.html"
    enclosure = links["enclosure"]
    assert enclosure.get("href") == f"{ADDRESS}posts/{UUID}/{file_name(video)}"
    assert (enclosure.get("type"), enclosure.get("length")) == ("video/mp4", str(video.facts.size))
    content = entry.find("a:content", ATOM)
    assert content is not None
    assert content.get("type") == "html"
    assert '<p dir="auto">a &lt; b</p>' in (content.text or "")
    assert f'src="{ADDRESS}posts/{UUID}/' in (content.text or "")


def test_updated_is_the_newest_of_the_posts() -> None:
    posts = [StoredPost(f"p{day}", NOON.replace(day=day), Content.plain("x")) for day in (3, 2, 1)]
    assert datetime.fromisoformat(feed(*posts).findtext("a:updated", "", ATOM)) == NOON.replace(day=3)


def test_only_the_newest() -> None:
    posts = [StoredPost(f"p{number}", NOON, Content.plain("x")) for number in range(FEED_POSTS + 1)]
    found = [entry.findtext("a:id", namespaces=ATOM) for entry in feed(*posts).findall("a:entry", ATOM)]
    assert found == [entry_id(f"p{number}") for number in range(FEED_POSTS)]
    assert len(set(found)) == FEED_POSTS


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
)
def test_any_text_gives_well_formed_xml(text: str, title: str) -> None:
    root = feed(StoredPost("p", NOON, Content((Part(text),), {"title": title})), site=title)
    assert len(root.findall("a:entry", ATOM)) == 1
