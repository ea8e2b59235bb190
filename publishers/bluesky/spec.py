"""What Bluesky takes, as data. Sources and what is not confirmed: docs/platforms/bluesky.md."""

from __future__ import annotations

from datetime import date, timedelta

from publishers.api import AuthKind, Capabilities, Format, Limit, MediaKind, Question, Reconcile, Unit

CHECKED = date(2026, 11, 24)
_POST = "https://github.com/bluesky-social/atproto/blob/main/lexicons/app/bsky/feed/post.json"
_IMAGES = "https://github.com/bluesky-social/atproto/blob/main/lexicons/app/bsky/embed/images.json"

POST_COLLECTION = "app.bsky.feed.post"
GRAPHEMES = Limit(300, _POST, CHECKED)
BYTES = Limit(3000, _POST, CHECKED)  # of UTF-8; binds only where graphemes are long, such as joined emoji
IMAGES = Limit(4, _IMAGES, CHECKED)
IMAGE_BYTES = Limit(2_000_000, _IMAGES, CHECKED)  # 1,000,000 until 2026; a server with the old lexicon refuses more
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
LANGUAGES = 3
TAG_GRAPHEMES, TAG_BYTES = 64, 640
THREAD_PARTS = 25  # Quarry's own bound; Bluesky has none
METRIC_BATCH = 25  # uris of one app.bsky.feed.getPosts

_IMAGE_MEDIA = {MediaKind.IMAGE: IMAGES}
_IMAGE_SIZES = {MediaKind.IMAGE: IMAGE_BYTES}


def _format(format_id: str, parts: int) -> Format:
    return Format(
        id=format_id,
        text=GRAPHEMES,
        unit=Unit.GRAPHEMES,
        parts=parts,
        media=_IMAGE_MEDIA,
        media_bytes=_IMAGE_SIZES,
        mimes=IMAGE_TYPES,
        text_required=False,  # an image may stand alone
    )


CAPABILITIES = Capabilities(
    platform="bluesky",
    name="Bluesky",
    server="https://bsky.social",
    formats=(_format("post", 1), _format("thread", THREAD_PARTS)),
    auth=AuthKind.PASSWORD,
    questions=(
        Question(
            "server",
            "Server",
            "Where the account lives. Leave it as it is unless you know of another one.",
            default="https://bsky.social",
        ),
        Question("identifier", "Handle", "For example name.bsky.social, or the e-mail address of the account."),
        Question(
            "password",
            "App password",
            "Made in Bluesky under Settings, Privacy and security, App passwords. Quarry uses it once and forgets it.",
            secret=True,
        ),
    ),
    reconcile=Reconcile.AUTHORITATIVE,
    settle=timedelta(0),
    metrics=("reactions", "comments", "shares", "saves"),
    languages_hint="Short and personal; hashtags and full links stand inside the text, mentions as @name.bsky.social.",
    can_delete=True,
    thread=True,
)
