"""X's media store: initialize, append, finalize, status, one-shot upload, metadata."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from publishers.testing.wire import Answer, Request
from publishers.testing.x.ids import Snowflakes
from publishers.testing.x.problems import invalid, missing
from publishers.testing.x.rules import Rules

_CATEGORIES = {
    "tweet_image": ({"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/pjpeg"}, 5 * 2**20),
    "tweet_gif": ({"image/gif"}, 15 * 2**20),
    "tweet_video": ({"video/mp4", "video/quicktime", "video/webm", "video/mp2t"}, 512 * 2**20),
}
_MAX_SEGMENT = 5 * 2**20
_MAX_ALT = 1000
_CHECK_AFTER = 1  # seconds


@dataclass(slots=True)
class Upload:
    """One file on its way in."""

    id: str
    category: str
    total: int
    expires: datetime
    segments: dict[int, bytes] = field(default_factory=dict)
    data: bytes | None = None  # whole, once finalized
    ready_at: datetime | None = None
    failed: str = ""
    alt: str = ""

    @property
    def key(self) -> str:
        """The media key: a number for the kind, then the id."""
        return f"{'3' if self.category == 'tweet_image' else '7'}_{self.id}"


class MediaStore:
    """The account's uploads."""

    def __init__(self, rules: Rules, now: Callable[[], datetime], ids: Snowflakes) -> None:
        self._rules = rules
        self._now = now
        self._ids = ids
        self._uploads: dict[str, Upload] = {}
        self.bytes_received = 0

    @property
    def uploads(self) -> list[Upload]:
        """Every upload, oldest first."""
        return list(self._uploads.values())

    def usable(self, media_id: str) -> Upload:
        """An upload that may be attached to a post; else a refusal."""
        upload = self._uploads.get(media_id)
        if upload is None or upload.data is None or upload.failed or not self._processed(upload):
            raise invalid("Your media IDs are invalid.")
        return upload

    def forget(self) -> None:
        """Lose every upload, as X does after a day."""
        self._uploads.clear()

    # ---- routes --------------------------------------------------------------------------------

    def initialize(self, request: Request) -> Answer:
        """POST /2/media/upload/initialize."""
        body = _json(request, {"media_type", "total_bytes", "media_category", "additional_owners", "shared"})
        category, media_type, total = body.get("media_category"), body.get("media_type"), body.get("total_bytes")
        if category not in _CATEGORIES or media_type not in _CATEGORIES[category][0]:
            raise invalid(f"The media_type {media_type} is not allowed for {category}.")
        if not isinstance(total, int) or not 0 < total <= _CATEGORIES[category][1]:
            raise invalid(f"File size exceeds {_CATEGORIES[category][1]} bytes.")
        upload = self._new(category, total)
        return Answer.of({"data": {"id": upload.id, "media_key": upload.key, "expires_after_secs": self._left(upload)}})

    def append(self, request: Request, media_id: str) -> Answer:
        """POST /2/media/upload/{id}/append, JSON or multipart."""
        upload = self._open(media_id)
        index, chunk = _segment(request)
        self.bytes_received += len(chunk)
        if not 0 <= index <= 999 or not 0 < len(chunk) <= _MAX_SEGMENT:
            raise invalid("The segment index or the segment's size is out of range.")
        if upload.data is None:
            upload.segments[index] = chunk
        return Answer.of({"data": {"expires_at": int(upload.expires.timestamp())}})

    def finalize(self, media_id: str) -> Answer:
        """POST /2/media/upload/{id}/finalize; a second time it says the same."""
        upload = self._open(media_id)
        if upload.data is None:
            if sorted(upload.segments) != list(range(len(upload.segments))):
                raise invalid("Segments do not add up: one is missing.")
            data = b"".join(upload.segments[index] for index in sorted(upload.segments))
            if len(data) != upload.total:
                raise invalid(f"Segments do not add up: {len(data)} of {upload.total} bytes.")
            self._close(upload, data)
        return Answer.of(self._status(upload))

    def status(self, request: Request) -> Answer:
        """GET /2/media/upload?command=STATUS."""
        if request.params.get("command", "STATUS") != "STATUS":
            raise invalid("The command must be STATUS.")
        return Answer.of(self._status(self._open(request.params.get("media_id", ""))))

    def one_shot(self, request: Request) -> Answer:
        """POST /2/media/upload: a small file in one request."""
        body = _json(request, {"media", "media_category", "additional_owners"})
        if body.get("media_category") not in _CATEGORIES:
            raise invalid("Unknown media_category.")
        data = _decode(body.get("media"))
        self.bytes_received += len(data)
        upload = self._new(body["media_category"], len(data))
        self._close(upload, data)
        return Answer.of(self._status(upload))

    def describe(self, request: Request) -> Answer:
        """POST /2/media/metadata."""
        body = _json(request, {"id", "metadata"})
        upload = self._open(str(body.get("id")))
        metadata = body.get("metadata")
        text = metadata.get("alt_text", {}).get("text") if isinstance(metadata, dict) else None
        if not isinstance(text, str) or len(text) > _MAX_ALT:
            raise invalid("The alt text is missing or too long.")
        upload.alt = text
        return Answer.of({"data": {"id": upload.id, "associated_metadata": {"alt_text": {"text": text}}}})

    # ---- one upload ----------------------------------------------------------------------------

    def _new(self, category: str, total: int) -> Upload:
        life = timedelta(seconds=self._rules.upload_life)
        upload = Upload(self._ids.new(), category, total, self._now() + life)
        self._uploads[upload.id] = upload
        return upload

    def _open(self, media_id: str) -> Upload:
        upload = self._uploads.get(media_id)
        if upload is None or upload.expires <= self._now():
            raise missing("media", "media_id", media_id)
        return upload

    def _close(self, upload: Upload, data: bytes) -> None:
        reason, self._rules.refuse_media = self._rules.refuse_media, ""
        slow = upload.category != "tweet_image"
        if reason and not slow:
            raise invalid(reason)
        upload.failed = reason
        upload.data = data
        upload.ready_at = self._now() + timedelta(seconds=self._rules.processing) if slow else None

    def _processed(self, upload: Upload) -> bool:
        return upload.ready_at is None or upload.ready_at <= self._now()

    def _left(self, upload: Upload) -> int:
        return max(0, int((upload.expires - self._now()).total_seconds()))

    def _status(self, upload: Upload) -> dict[str, Any]:
        data: dict[str, Any] = {"id": upload.id, "media_key": upload.key, "expires_after_secs": self._left(upload)}
        answer: dict[str, Any] = {"data": data}
        if upload.data is not None:
            data["size"] = len(upload.data)
        if upload.ready_at is not None:
            done = self._processed(upload)
            state = ("failed" if upload.failed else "succeeded") if done else "in_progress"
            data["processing_info"] = {"state": state, "progress_percent": 100 if done else 50}
            if not done:
                data["processing_info"]["check_after_secs"] = _CHECK_AFTER
            elif upload.failed:
                problem = {"title": "Invalid Media", "type": "https://api.x.com/2/problems/invalid-request"}
                answer["errors"] = [{**problem, "detail": upload.failed}]
        return answer


# ---- reading requests ----------------------------------------------------------------------------


def _json(request: Request, names: set[str]) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or set(body) - names:
        raise invalid("The request body is not what this endpoint takes.")
    return body


def _segment(request: Request) -> tuple[int, bytes]:
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        parts = _multipart(request.body, content_type)
        number = parts.get("segment_index", b"")
        return (int(number) if number.isdigit() else -1), parts.get("media", b"")
    body = _json(request, {"media", "segment_index"})
    index = body.get("segment_index")
    return (index if isinstance(index, int) else -1), _decode(body.get("media"))


def _decode(media: object) -> bytes:
    try:
        return base64.b64decode(str(media), validate=True)
    except binascii.Error:
        raise invalid("The media is not base64.") from None


def _multipart(body: bytes, content_type: str) -> dict[str, bytes]:
    """The parts by name (RFC 7578)."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    parts = {}
    for piece in body.split(b"--" + boundary)[1:-1]:
        head, _, data = piece.partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        parts[name] = data.removesuffix(b"\r\n")
    return parts
