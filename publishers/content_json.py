"""Content as JSON and back: what a published folder keeps of a post, and what another process is handed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from publishers.api import Content, Json, Media, MediaFacts, MediaKind, Part


def content_to_json(content: Content) -> dict[str, Json]:
    """A JSON object that `content_from_json` reads back to an equal Content. Paths are kept as they are."""
    return {
        "parts": [
            {"text": part.text, "media": [_media_to_json(media) for media in part.media]} for part in content.parts
        ],
        "fields": dict(content.fields),
        "options": dict(content.options),
    }


def content_from_json(data: Any) -> Content:
    """The Content of a JSON object. Raises ValueError where it is none."""
    try:
        parts = tuple(
            Part(_text(part["text"]), tuple(_media_from_json(media) for media in part["media"]))
            for part in data["parts"]
        )
        fields = {_text(name): _text(value) for name, value in data["fields"].items()}
        return Content(parts, fields, dict(_mapping(data["options"])))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not the content of a post: {type(error).__name__} {error}") from error


def _media_to_json(media: Media) -> dict[str, Json]:
    facts = media.facts
    return {
        "path": str(facts.path),
        "sha256": facts.sha256,
        "size": facts.size,
        "mime": facts.mime,
        "kind": facts.kind.value,
        "width": facts.width,
        "height": facts.height,
        "duration": facts.duration,
        "alt": media.alt,
    }


def _media_from_json(data: Any) -> Media:
    facts = {name: value for name, value in _mapping(data).items() if name not in {"path", "kind", "alt"}}
    return Media(MediaFacts(path=Path(data["path"]), kind=MediaKind(data["kind"]), **facts), _text(data["alt"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is not an object")
    return value
