"""Facts of images, read by Pillow. A hostile or damaged image ends in BadImage, never in a full memory."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from app.media.kinds import GIF, JPEG, PNG, WEBP, FileType
from publishers.api import MediaKind

MAX_PIXELS = 80_000_000  # decoded at most four bytes each; below the number at which Pillow itself warns
_FORMATS = {JPEG.mime: "JPEG", PNG.mime: "PNG", GIF.mime: "GIF", WEBP.mime: "WEBP"}
_ROTATED = {5, 6, 7, 8}  # EXIF orientations that swap width and height


class BadImage(Exception):
    """The file is no image that can be used; the message says why, to stand after "because"."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Pixels as people see them, after the orientation its EXIF data asks for."""

    width: int
    height: int
    kind: MediaKind


def probe_image(path: Path, file_type: FileType) -> ImageFacts:
    """Read the whole image once. Raises BadImage."""
    try:
        with Image.open(path, formats=[_FORMATS[file_type.mime]]) as image:
            return _facts(image, file_type)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise BadImage(f"it has more than {MAX_PIXELS // 10**6} million pixels") from error
    # What Pillow's decoders raise for damaged files, as its own fuzz tests list it.
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        LookupError,
        TypeError,
        ZeroDivisionError,
    ) as error:
        raise BadImage("it is damaged or cut off") from error


def _facts(image: Image.Image, file_type: FileType) -> ImageFacts:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImage(f"it has more than {MAX_PIXELS // 10**6} million pixels")
    animated = bool(getattr(image, "is_animated", False))
    image.seek(0)
    _read_through(image)
    if image.getexif().get(ExifTags.Base.Orientation) in _ROTATED:
        width, height = height, width
    kind = MediaKind.IMAGE if file_type is GIF and not animated else file_type.kind
    return ImageFacts(width, height, kind)


def _read_through(image: Image.Image) -> None:
    """Decode it all, which finds a truncated or damaged file; a JPEG at an eighth, which needs little memory."""
    if image.format == "JPEG":
        image.draft(None, (max(1, image.width // 8), max(1, image.height // 8)))
    image.load()
