"""Content to JSON and back. A file stands there by its sha256; its facts stand in table media."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from publishers.api import Content, Issue, Media, MediaFacts, Part


def content_to_json(content: Content) -> dict[str, Any]:
    return {
        "parts": [
            {"text": part.text, "media": [{"sha256": media.facts.sha256, "alt": media.alt} for media in part.media]}
            for part in content.parts
        ],
        "fields": dict(content.fields),
        "options": dict(content.options),
    }


def content_from_json(value: Mapping[str, Any], facts: Mapping[str, MediaFacts]) -> Content:
    """Raises KeyError where `facts` lacks a file the content names."""
    return Content(
        parts=tuple(
            Part(part["text"], tuple(Media(facts[media["sha256"]], media["alt"]) for media in part["media"]))
            for part in value["parts"]
        ),
        fields=value["fields"],
        options=value["options"],
    )


def files_named(value: Mapping[str, Any]) -> set[str]:
    """The sha256 of every file the content names."""
    return {media["sha256"] for part in value["parts"] for media in part["media"]}


def fingerprint(content: Content) -> str:
    """sha256 over texts, files, fields and options: what an attempt promises to publish."""
    canonical = json.dumps(content_to_json(content), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def issue_to_json(issue: Issue) -> dict[str, Any]:
    return asdict(issue)


def issue_from_json(value: Mapping[str, Any]) -> Issue:
    return Issue(**value)
