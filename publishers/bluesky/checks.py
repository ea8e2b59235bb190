"""Everything about a post that a Bluesky server would refuse, found offline."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from publishers.api import Content, Count, Format, Issue, Media, MediaKind, Part, Unit
from publishers.bluesky.language import is_language_tag
from publishers.bluesky.spec import IMAGE_BYTES, IMAGE_TYPES, IMAGES, LANGUAGES


def find_issues(content: Content, form: Format, count: Callable[[str], Count]) -> list[Issue]:
    """Errors and warnings in the order of the parts."""
    issues = list(_of_whole(content, form))
    for number, part in enumerate(content.parts):
        issues += _of_text(part, number, form, count)
        issues += _of_media(part, number)
    return issues


def _of_whole(content: Content, form: Format) -> Iterator[Issue]:
    if not content.parts:
        yield Issue("error", "text.empty", "There is nothing to post: write a text or add a picture.")
    if len(content.parts) > form.parts:
        if form.parts == 1:
            message = "A post has one part: choose the thread format, or join the parts."
        else:
            message = f"A thread has at most {form.parts} parts here and this one has {len(content.parts)}: join some."
        yield Issue("error", "parts.too_many", message, part=form.parts)
    langs = content.options.get("langs")
    if langs is None:
        return
    if not isinstance(langs, list) or not all(isinstance(tag, str) and is_language_tag(tag) for tag in langs):
        yield Issue("error", "langs.invalid", "The languages must be tags such as en, ja or pt-BR.")
    elif len(langs) > LANGUAGES:
        yield Issue("error", "langs.too_many", f"Bluesky takes at most {LANGUAGES} languages: leave some out.")


def _of_text(part: Part, number: int, form: Format, count: Callable[[str], Count]) -> Iterator[Issue]:
    if not part.text.strip() and not part.media:
        yield Issue("error", "text.empty", "This part is empty: write a text or add a picture.", part=number)
    if any("\ud800" <= character <= "\udfff" for character in part.text):
        message = "The text holds half a character, which no platform takes: type that place again."
        yield Issue("error", "text.invalid", message, part=number)
    measured = count(part.text)
    if not measured.fits:
        unit = "characters" if measured.unit is Unit.GRAPHEMES else "bytes"
        yield Issue(
            "error",
            "text.too_long",
            f"The text has {measured.used} {unit} and Bluesky takes {measured.limit}: shorten it or make it a thread.",
            part=number,
            fix="split" if form.parts > 1 else "shorten",
        )


def _of_media(part: Part, number: int) -> Iterator[Issue]:
    if len(part.media) > IMAGES.value:
        message = f"Bluesky takes {IMAGES.value} pictures a post and this one has {len(part.media)}: remove some."
        yield Issue("error", "media.too_many", message, part=number)
    for media in part.media:
        yield from _of_file(media, number)


def _of_file(media: Media, number: int) -> Iterator[Issue]:
    facts = media.facts
    name = facts.path.name
    if facts.kind is not MediaKind.IMAGE or facts.mime not in IMAGE_TYPES:
        message = f"{name} is {facts.mime}: Quarry posts JPEG, PNG and WebP pictures to Bluesky; convert it."
        yield Issue("error", "media.type", message, part=number)
    elif facts.size > IMAGE_BYTES.value:
        message = f"{name} has {facts.size:,} bytes and Bluesky takes {IMAGE_BYTES.value:,}: make it smaller."
        yield Issue("error", "media.too_large", message, part=number)
    elif facts.size == 0:
        yield Issue("error", "media.empty", f"{name} is an empty file: choose another picture.", part=number)
    if not media.alt.strip():
        message = f"{name} has no description: people who cannot see it will not know what it shows."
        yield Issue("warning", "media.no_alt", message, part=number)
