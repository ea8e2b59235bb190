"""What a file is by its first bytes; its name is never believed."""

from __future__ import annotations

from dataclasses import dataclass

from publishers.api import MediaKind

HEAD = 512  # bytes that `recognise` looks at
ACCEPTED = "JPEG, PNG, GIF, WebP, MP4, MOV, WebM and PDF"


@dataclass(frozen=True, slots=True)
class FileType:
    """A type Quarry takes. `ending` is that of the stored copy."""

    mime: str
    ending: str
    kind: MediaKind


JPEG = FileType("image/jpeg", "jpg", MediaKind.IMAGE)
PNG = FileType("image/png", "png", MediaKind.IMAGE)
GIF = FileType("image/gif", "gif", MediaKind.GIF)
WEBP = FileType("image/webp", "webp", MediaKind.IMAGE)
MP4 = FileType("video/mp4", "mp4", MediaKind.VIDEO)
MOV = FileType("video/quicktime", "mov", MediaKind.VIDEO)
WEBM = FileType("video/webm", "webm", MediaKind.VIDEO)
PDF = FileType("application/pdf", "pdf", MediaKind.DOCUMENT)

_STARTS: tuple[tuple[bytes, FileType | str], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"%PDF-", PDF),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\x01\0", "an icon"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"ID3", "a sound file"),
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a sound file"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
)
# ISO base media (ISO/IEC 14496-12): the major brand stands in bytes 8 to 11.
_BRANDS: dict[bytes, FileType | str] = {
    **dict.fromkeys((b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash", b"M4V "), MP4),
    b"qt  ": MOV,
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "a HEIC photo"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF image"),
    **dict.fromkeys((b"M4A ", b"M4B "), "a sound file"),
}
_RIFF: dict[bytes, FileType | str] = {b"WEBP": WEBP, b"WAVE": "a sound file", b"AVI ": "an AVI video"}


def recognise(head: bytes) -> FileType | str:
    """The type, or in words what it is instead."""
    for start, found in _STARTS:
        if head.startswith(start):
            return found
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "a file of an unknown type")
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a video or image of an unknown brand")
    if head[:4] == b"\x1a\x45\xdf\xa3":  # EBML (RFC 8794); the document type stands near the start
        return WEBM if b"\x42\x82\x84webm" in head else "a Matroska video"
    return _described(head)


def _described(head: bytes) -> str:
    """Words for what has no signature."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<svg", b"<?xml")):
        return "an SVG drawing or other XML"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if head and not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "a text"
    return "a file of an unknown type"
