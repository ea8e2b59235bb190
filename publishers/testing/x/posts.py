"""X's posts: create, delete, look up, timeline, metrics; texts are shown as X shows them."""

from __future__ import annotations

import html
import re
import secrets
import string
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from publishers.testing.wire import Answer, Request
from publishers.testing.x.ids import Snowflakes
from publishers.testing.x.media import MediaStore, Upload
from publishers.testing.x.problems import duplicate, invalid, missing, not_found, plain
from publishers.testing.x.rules import Rules
from publishers.x.length import measure
from publishers.x.links import find_links

_FIELDS_OF_A_POST = {"text", "media", "reply", "poll", "reply_settings", "quote_tweet_id", "made_with_ai"}
_PUBLIC = ("impression_count", "like_count", "reply_count", "repost_count", "quote_count", "bookmark_count")
_OWN = ("impression_count", "engagements", "url_link_clicks", "user_profile_clicks")
_OWN_NUMBERS_FOR = timedelta(days=30)


@dataclass(slots=True)
class Post:
    """One post as the account sent it. `numbers` are its metrics by X's newer names."""

    id: str
    text: str
    at: datetime
    media: tuple[Upload, ...]
    reply_to: str
    conversation: str
    links: list[str] = field(default_factory=list)  # the t.co address of each link, then of the media
    numbers: dict[str, int] = field(default_factory=dict)


class PostStore:
    """The posts of one account."""

    def __init__(self, rules: Rules, now: Callable[[], datetime], ids: Snowflakes, media: MediaStore) -> None:
        self._rules = rules
        self._now = now
        self._ids = ids
        self._media = media
        self._posts: dict[str, Post] = {}

    @property
    def live(self) -> list[Post]:
        """What stands on the account, oldest first."""
        return list(self._posts.values())

    def set_metrics(self, post_id: str, numbers: Mapping[str, int]) -> None:
        """Let the post have these numbers from now on. Raises KeyError."""
        self._posts[post_id].numbers.update(numbers)

    def grow(self, post_id: str, by: Mapping[str, int]) -> None:
        """Add to the post's numbers. Raises KeyError."""
        numbers = self._posts[post_id].numbers
        for name, more in by.items():
            numbers[name] = numbers.get(name, 0) + more

    # ---- routes --------------------------------------------------------------------------------

    def create(self, request: Request, handle: str) -> Answer:
        """POST /2/tweets."""
        body = _body(request)
        text = unicodedata.normalize("NFC", body.get("text", "")).strip()
        media = self._attached(body.get("media"))
        if not text and not media:
            raise invalid("The text or media field is required.")
        length = measure(text)
        if text and not length.valid:
            if length.used > length.limit:
                raise plain(403, "Forbidden", "Your Tweet text is too long.")
            raise invalid("Your Tweet text contains a character that is not allowed.")
        reply_to = self._replied(body.get("reply"))
        if text and any(post.text == text for post in self._posts.values()):
            raise duplicate()
        post_id = self._ids.new()
        conversation = self._posts[reply_to].conversation if reply_to else post_id
        post = Post(post_id, text, self._now(), media, reply_to, conversation)
        post.links = [_short() for _ in [*find_links(text), *([None] if media else [])]]
        self._posts[post_id] = post
        shown, _ = _shown(post, handle)
        return Answer.of({"data": {"id": post_id, "text": shown, "edit_history_post_ids": [post_id]}}, 201)

    def delete(self, post_id: str) -> Answer:
        """DELETE /2/tweets/{id}."""
        if self._posts.pop(post_id, None) is None:
            raise missing("tweet", "id", post_id)
        return Answer.of({"data": {"deleted": True}})

    def look_up(self, request: Request, post_ids: list[str], handle: str) -> Answer:
        """GET /2/tweets?ids=."""
        if not 0 < len(post_ids) <= 100 or not all(re.fullmatch(r"[0-9]{1,19}", one) for one in post_ids):
            raise invalid("The `ids` query parameter value is not valid.")
        style, fields = self._fields(request)
        found = [self._row(self._posts[one], style, fields, handle) for one in post_ids if one in self._posts]
        errors = [not_found("tweet", "ids", one) for one in post_ids if one not in self._posts]
        return Answer.of({**({"data": found} if found else {}), **({"errors": errors} if errors else {})})

    def timeline(self, request: Request, handle: str, author: str) -> Answer:
        """GET /2/users/{id}/tweets, newest first."""
        asked = request.params
        style, fields = self._fields(request)
        size = asked.get("max_results", "10")
        if not size.isdigit() or not 5 <= int(size) <= 100:
            raise invalid("The `max_results` query parameter value is not between 5 and 100.")
        start = _time(asked["start_time"]) if "start_time" in asked else None
        until = self._now() - timedelta(seconds=self._rules.timeline_delay)
        rows = [post for post in reversed(self._posts.values()) if post.at <= until and (not start or post.at >= start)]
        if "since_id" in asked:
            rows = [post for post in rows if int(post.id) > int(asked["since_id"])]
        skip = int(asked.get("pagination_token", "0"), 32)
        page = rows[skip : skip + int(size)]
        meta: dict[str, Any] = {"result_count": len(page)}
        if page:
            meta |= {"newest_id": page[0].id, "oldest_id": page[-1].id}
        if len(rows) > skip + len(page):
            meta["next_token"] = _base32(skip + len(page))
        data = [{**self._row(post, style, fields, handle), "author_id": author} for post in page]
        return Answer.of({**({"data": data} if data else {}), "meta": meta})

    # ---- one post ------------------------------------------------------------------------------

    def _attached(self, media: object) -> tuple[Upload, ...]:
        if media is None:
            return ()
        ids = media.get("media_ids") if isinstance(media, dict) else None
        if not isinstance(ids, list) or not 1 <= len(ids) <= 4:
            raise invalid("media_ids must hold one to four ids.")
        uploads = tuple(self._media.usable(str(one)) for one in ids)
        if len(uploads) > 1 and any(upload.category != "tweet_image" for upload in uploads):
            raise invalid("A post takes up to 4 photos, or 1 GIF, or 1 video.")
        return uploads

    def _replied(self, reply: object) -> str:
        if reply is None:
            return ""
        to = reply.get("in_reply_to_tweet_id") if isinstance(reply, dict) else None
        if not isinstance(to, str) or to not in self._posts:
            raise plain(403, "Forbidden", "You attempted to reply to a Tweet that is deleted or not visible to you.")
        return to

    def _fields(self, request: Request) -> tuple[str, set[str]]:
        """Which of the two names the request uses, and the fields it wants."""
        style = "tweet" if "tweet.fields" in request.params else "post"
        name = f"{style}.fields"
        if self._rules.fields_parameter and name in request.params and name != self._rules.fields_parameter:
            raise invalid(f"The query parameter [{name}] is not one of the allowed parameters.", parameter=name)
        return style, {"id", "text", *filter(None, request.params.get(name, "").split(","))}

    def _row(self, post: Post, style: str, fields: set[str], handle: str) -> dict[str, Any]:
        text, urls = _shown(post, handle)
        everything: dict[str, Any] = {
            "id": post.id,
            "text": text,
            "created_at": post.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "conversation_id": post.conversation,
            "entities": {"urls": urls},
            "attachments": {"media_keys": [upload.key for upload in post.media]},
            "public_metrics": self._public(post, style),
        }
        if self._now() - post.at < _OWN_NUMBERS_FOR:
            everything["non_public_metrics"] = {name: post.numbers.get(name, 0) for name in _OWN}
        empty = {name for name, there in (("entities", urls), ("attachments", post.media)) if not there}
        row = {name: everything[name] for name in everything if name in fields - empty}
        return {**row, f"edit_history_{style}_ids": [post.id]}

    @staticmethod
    def _public(post: Post, style: str) -> dict[str, int]:
        names = {"repost_count": "retweet_count"} if style == "tweet" else {}
        return {names.get(name, name): post.numbers.get(name, 0) for name in _PUBLIC}


# ---- texts ---------------------------------------------------------------------------------------


def _shown(post: Post, handle: str) -> tuple[str, list[dict[str, Any]]]:
    """The text with t.co links, a link for the media, and markup escaped; and the entities of the links."""
    text, urls, position = "", [], 0
    for link, short in zip(find_links(post.text), post.links, strict=False):
        text += html.escape(post.text[position : link.start], quote=False)
        written = post.text[link.start : link.end]
        urls.append(_entity(text, short, _expanded(written), re.sub("^https?://", "", written)))
        text += short
        position = link.end
    text += html.escape(post.text[position:], quote=False)
    if post.media:
        text += " " if text else ""
        kind = "photo" if post.media[0].category == "tweet_image" else "video"
        address = f"https://x.com/{handle}/status/{post.id}/{kind}/1"
        urls.append({**_entity(text, post.links[-1], address, "pic.x.com"), "media_key": post.media[0].key})
        text += post.links[-1]
    return text, urls


def _entity(before: str, short: str, long: str, display: str) -> dict[str, Any]:
    return {
        "start": len(before),
        "end": len(before) + len(short),
        "url": short,
        "expanded_url": long,
        "display_url": display,
    }


def _expanded(link: str) -> str:
    """As X expands it: with a scheme, the host in lower case."""
    scheme, _, rest = link.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{(scheme or 'http').lower()}://{host.lower()}{slash}{path}"


def _short() -> str:
    return "https://t.co/" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(10))


def _body(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or set(body) - _FIELDS_OF_A_POST or not isinstance(body.get("text", ""), str):
        raise invalid("One or more parameters to your request was invalid.")
    return body


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise invalid("The `start_time` query parameter value is not a valid RFC3339 date.") from None


def _base32(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuv"
    return (_base32(number // 32) if number >= 32 else "") + digits[number % 32]
