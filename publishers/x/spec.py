"""What X takes, as data. Each number says where it was read; the unconfirmed ones say so."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from publishers.api import (
    AuthKind,
    Capabilities,
    Format,
    Limit,
    MediaKind,
    Question,
    Reconcile,
    Redirect,
    Unit,
)
from publishers.x.facts import facts

SERVER = "https://api.x.com"
AUTHORIZE_URL = "https://x.com/i/oauth2/authorize"
PERMALINK = "https://x.com/i/status/{id}"

_READ = date(2026, 8, 22)
_DOCS = "docs.x.com: "
_MEDIA = _DOCS + "x-api/media/quickstart/best-practices"
_OPENAPI = "X OpenAPI description 2.167"

CHUNK = 2**20  # bytes; the size X's own examples use
MAX_SEGMENTS = 1000  # segment_index 0..999 [OpenAPI]
MAX_PARTS = Limit(25, "the composer of x.com; the API names no limit", _READ, confirmed=False)
MAX_ALT = Limit(1000, f"{_OPENAPI}: CreateMediaMetadataMetadataAltText", _READ)
VIDEO_SECONDS = (0.5, 140.0)  # best-practices
GIF_PIXELS = (1280, 1080)  # best-practices
VIDEO_PIXELS = (32, 1280)  # best-practices: 32x32 to 1280x1024, either way up
MAX_CASHTAGS = 1  # self-serve access: manage-tweets/integrate

# US dollars, pay per use, changelog of April 2026.
COST_POST = Decimal("0.015")
COST_POST_WITH_LINK = Decimal("0.20")
COST_OWNED_READ = Decimal("0.001")

_TEXT = Limit(facts().weights.limit, "twitter-text config v3.json", _READ)
_COUNTS = {
    MediaKind.IMAGE: Limit(4, _MEDIA, _READ),
    MediaKind.GIF: Limit(1, _MEDIA, _READ),
    MediaKind.VIDEO: Limit(1, _MEDIA, _READ),
}
_BYTES = {
    MediaKind.IMAGE: Limit(5 * 2**20, _MEDIA, _READ),
    MediaKind.GIF: Limit(15 * 2**20, _MEDIA, _READ),
    MediaKind.VIDEO: Limit(512 * 2**20, _MEDIA, _READ),
}
_MIMES = ("image/jpeg", "image/png", "image/webp", "image/gif", "video/mp4", "video/quicktime")

MEDIA_CATEGORY = {
    MediaKind.IMAGE: "tweet_image",
    MediaKind.GIF: "tweet_gif",
    MediaKind.VIDEO: "tweet_video",
}

capabilities = Capabilities(
    platform="x",
    name="X",
    server=SERVER,
    formats=(
        Format("post", _TEXT, Unit.WEIGHTED, 1, _COUNTS, _BYTES, _MIMES, text_required=False),
        Format("thread", _TEXT, Unit.WEIGHTED, MAX_PARTS.value, _COUNTS, _BYTES, _MIMES, text_required=False),
    ),
    auth=AuthKind.OAUTH2,
    questions=(
        Question(
            "client_id",
            "Client ID",
            "From your own app at developer.x.com, under Keys and tokens, OAuth 2.0. Register the redirect address "
            "shown here with the app, exactly as it stands.",
        ),
        Question(
            "client_secret",
            "Client secret",
            "Only where the app is of type Web App or Automated App; a Native App has none.",
            secret=True,
            required=False,
        ),
    ),
    redirect=Redirect.FIXED_PORT,
    scopes=("tweet.read", "tweet.write", "users.read", "media.write", "offline.access"),
    reconcile=Reconcile.HEURISTIC,
    settle=timedelta(seconds=60),
    metrics=("views", "reactions", "comments", "shares", "saves", "clicks"),
    metric_pulls=(timedelta(hours=1), timedelta(hours=24), timedelta(days=7)),  # each read is billed
    languages_hint="at most one cashtag; a link makes the post dearer, hashtags inside the text",
    can_delete=True,
    thread=True,
)
