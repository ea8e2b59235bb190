"""Whether a post that X shows is the one we sent: X shortens links, escapes markup and tidies spaces."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from publishers.x.links import find_links, is_link

_OWN_MEDIA = re.compile(r"https?://(?:www\.)?(?:x|twitter)\.com/[^/]+/status/[0-9]+/(?:photo|video)/[0-9]+")


def same_text(sent: str, post: Mapping[str, Any], handle: str = "") -> bool:
    """Whether `post`, as the timeline shows it, carries the text that was sent."""
    wanted = _essence(sent)
    shown = original_text(post)
    for candidate in (shown, shown.removeprefix(f"@{handle} ")):  # replies may begin with the mention X adds
        if wanted in (_essence(html.unescape(candidate)), _essence(candidate)):
            return True
    return False


def original_text(post: Mapping[str, Any]) -> str:
    """The post's text with t.co links put back and the links X appends for media taken out."""
    text = post.get("text")
    if not isinstance(text, str):
        return ""
    for entity in _urls(post):
        short, long = entity.get("url"), entity.get("expanded_url")
        if not isinstance(short, str) or not short:
            continue
        if entity.get("media_key") or (isinstance(long, str) and _OWN_MEDIA.fullmatch(long)):
            text = text.replace(short, "", 1)
        elif isinstance(long, str) and is_link(long):
            text = text.replace(short, long, 1)
    return text


def _urls(post: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    entities = post.get("entities")
    urls = entities.get("urls") if isinstance(entities, Mapping) else None
    if isinstance(urls, list):
        yield from (url for url in urls if isinstance(url, Mapping))


def _essence(text: str) -> str:
    """The text in one form: NFC, single spaces, links without scheme, closing slash and the host's case."""
    text = unicodedata.normalize("NFC", text)
    pieces = []
    position = 0
    for link in find_links(text):
        host, slash, rest = re.sub("^https?://", "", text[link.start : link.end], flags=re.IGNORECASE).partition("/")
        pieces += [text[position : link.start], host.lower(), slash if rest else "", rest]
        position = link.end
    return " ".join("".join([*pieces, text[position:]]).split())
