"""The Atom feed of a folder (RFC 4287)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

from publishers.local.folder import StoredPost, file_name
from publishers.local.page import body_html, post_path, post_title

FEED_POSTS = 50  # the newest
_ATOM = "http://www.w3.org/2005/Atom"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def atom_feed(posts: Sequence[StoredPost], *, site: str, address: str, feed_id: str, now: datetime) -> str:
    """The feed of `posts` (newest first) for a folder that stands at `address`, which ends with a slash."""
    ElementTree.register_namespace("", _ATOM)
    feed = ElementTree.Element(f"{{{_ATOM}}}feed")
    newest = max((post.published for post in posts), default=now)
    _add(feed, "id", feed_id)
    _add(feed, "title", site)
    _add(feed, "updated", _time(newest))
    _add(_add(feed, "author"), "name", site)
    _add(feed, "link", rel="self", type="application/atom+xml", href=f"{address}feed.xml")
    _add(feed, "link", rel="alternate", type="text/html", href=f"{address}index.html")
    _add(feed, "generator", "Quarry")
    for post in posts[:FEED_POSTS]:
        _entry(feed, post, address)
    ElementTree.indent(feed)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(feed, encoding="unicode") + "\n"


def _entry(feed: ElementTree.Element, post: StoredPost, address: str) -> None:
    entry = _add(feed, "entry")
    place = f"{address}posts/{post.name}/"
    _add(entry, "id", entry_id(post.name))
    _add(entry, "title", post_title(post))
    _add(entry, "published", _time(post.published))
    _add(entry, "updated", _time(post.published))
    _add(entry, "link", rel="alternate", type="text/html", href=address + post_path(post.name))
    for part in post.content.parts:
        for media in part.media:
            facts = media.facts
            _add(entry, "link", rel="enclosure", type=facts.mime, length=str(facts.size), href=place + file_name(media))
    _add(entry, "content", body_html(post, place), type="html")


def entry_id(name: str) -> str:
    """A lasting IRI for a post: its attempt's own UUID, or one made from another name."""
    try:
        return f"urn:uuid:{uuid.UUID(name)}"
    except ValueError:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'quarry:local:{name}')}"


def _add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    if text:
        child.text = _NOT_XML.sub("\ufffd", text)
    return child


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
