"""Files and texts to publish in tests, made on the spot."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

from publishers.api import Media, MediaFacts, MediaKind

UNICODE_TEXT = "Grüße, 世界! 👩‍👩‍👧‍👦🇩🇪 “q” & <b>é̂</b> \\n %20 café ١٢٣ שלום\nsecond line 𝒳"
"""Joined emoji, flags, combining marks, astral letters, two directions, markup and escapes. NFC, no trailing
space: what platforms normalise on purpose is not in it."""


def png(width: int = 8, height: int = 8, colour: tuple[int, int, int] = (59, 111, 224)) -> bytes:
    """A valid PNG of one colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def picture(folder: Path, name: str = "picture.png", *, alt: str = "a blue square", size: int = 8) -> Media:
    """A PNG file of `size` x `size` pixels as media."""
    return media(folder / name, png(size, size), "image/png", MediaKind.IMAGE, alt=alt, width=size, height=size)


def film(folder: Path, name: str = "film.mp4", *, size: int = 1_000_000, alt: str = "") -> Media:
    """A file of `size` bytes that begins like an MP4 and is noise after that: for uploads, not for decoders."""
    head = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
    noise = hashlib.shake_256(name.encode()).digest(size - len(head))
    return media(
        folder / name, head + noise, "video/mp4", MediaKind.VIDEO, alt=alt, width=640, height=360, duration=4.0
    )


def media(
    path: Path,
    data: bytes,
    mime: str,
    kind: MediaKind,
    *,
    alt: str = "",
    width: int | None = None,
    height: int | None = None,
    duration: float | None = None,
) -> Media:
    """Write `data` to `path` and describe it."""
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return Media(MediaFacts(path, digest, len(data), mime, kind, width, height, duration), alt)
