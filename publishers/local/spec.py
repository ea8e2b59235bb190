"""What the local folder takes. The numbers are Quarry's own choice: a folder has none."""

from __future__ import annotations

from datetime import date, timedelta

from publishers.api import (
    AuthKind,
    Capabilities,
    Format,
    Limit,
    MediaKind,
    Question,
    Reconcile,
    Unit,
)

MAX_FILES = 10  # of all kinds together in one post
_CHECKED = date(2026, 11, 24)
_OURS = "Quarry's own choice"


def _limit(value: int) -> Limit:
    return Limit(value, _OURS, _CHECKED)


CAPABILITIES = Capabilities(
    platform="local",
    name="Local folder",
    server="",
    formats=(
        Format(
            id="post",
            text=_limit(20_000),
            unit=Unit.CHARACTERS,
            media={kind: _limit(MAX_FILES) for kind in (MediaKind.IMAGE, MediaKind.GIF, MediaKind.VIDEO)},
            media_bytes={
                MediaKind.IMAGE: _limit(64 * 2**20),
                MediaKind.GIF: _limit(64 * 2**20),
                MediaKind.VIDEO: _limit(256 * 2**20),
            },
            mimes=("image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4"),
            text_required=False,
        ),
    ),
    auth=AuthKind.NONE,
    questions=(
        Question("folder", "Folder", "Where the posts are written, e.g. the root of a web site on this machine."),
        Question("title", "Title", "Stands above the posts and in the feed.", default="My posts"),
        Question(
            "base_url",
            "Web address",
            "The address under which a web server shows the folder; leave empty to open the pages as files.",
            required=False,
        ),
        Question(
            "access_log",
            "Access log",
            "The web server's log in combined format (Apache, nginx); views are counted from it.",
            required=False,
        ),
    ),
    reconcile=Reconcile.AUTHORITATIVE,
    metrics=("views",),
    metric_pulls=(timedelta(minutes=1), timedelta(hours=1), timedelta(hours=24), timedelta(days=7), timedelta(days=30)),
    can_delete=True,
)
