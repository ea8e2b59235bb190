"""The checks of content that follow from a platform's capabilities alone; adapters add their own to these."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from publishers.api import Capabilities, Content, Count, Format, Issue, Media, MediaKind, Part

_KIND_WORDS = {
    MediaKind.IMAGE: "images",
    MediaKind.GIF: "animated images",
    MediaKind.VIDEO: "videos",
    MediaKind.DOCUMENT: "documents",
}


def common_issues(
    capabilities: Capabilities, content: Content, format_id: str, count: Callable[[str, str], Count]
) -> list[Issue]:
    """What breaks a limit of `capabilities`, in the order of the parts. `count` is the adapter's own.

    Codes: parts.none, parts.too_many, text.empty, text.too_long, text.not_unicode, media.kind, media.mime,
    media.too_many, media.too_big, media.empty; media.no_alt is a warning. Raises KeyError for an unknown format.
    """
    chosen = capabilities.format(format_id)
    name = capabilities.name
    if not content.parts:
        return [Issue("error", "parts.none", "There is nothing to publish yet: write something first.")]
    issues: list[Issue] = []
    if len(content.parts) > chosen.parts:
        most = "one part" if chosen.parts == 1 else f"{chosen.parts} parts"
        issues.append(
            Issue(
                "error", "parts.too_many", f"{name} takes {most} here, this has {len(content.parts)}: join or remove."
            )
        )
    for index, part in enumerate(content.parts):
        issues += _text_issues(name, chosen, part, index, count(part.text, chosen.id))
        issues += _media_issues(name, chosen, part.media, index)
    return issues


def _text_issues(name: str, chosen: Format, part: Part, index: int, measured: Count) -> Sequence[Issue]:
    issues = []
    if not part.text.strip() and (chosen.text_required or not part.media):
        issues.append(Issue("error", "text.empty", f"A post on {name} needs a text: write something.", index))
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in part.text):
        message = "The text holds a broken character that cannot be sent: retype the place where a box is shown."
        issues.append(Issue("error", "text.not_unicode", message, index))
    if not measured.fits:
        over = measured.used - measured.limit
        message = (
            f"The text is {over:,} over the {measured.limit:,} {measured.unit} of {name}: "
            f"shorten it{' or split it into a thread' if chosen.parts > 1 else ''}."
        )
        issues.append(Issue("error", "text.too_long", message, index, "split" if chosen.parts > 1 else "shorten"))
    return issues


def _media_issues(name: str, chosen: Format, media: Sequence[Media], index: int) -> Sequence[Issue]:
    issues = []
    for one in media:
        kind, file = one.facts.kind, one.facts.path.name
        words = _KIND_WORDS[kind]
        if kind not in chosen.media:
            issues.append(Issue("error", "media.kind", f"{name} takes no {words} here: remove {file}.", index))
            continue
        if one.facts.mime not in chosen.mimes:
            known = ", ".join(sorted(mime.partition("/")[2] for mime in chosen.mimes))
            message = f"{name} does not take {file} ({one.facts.mime}): convert it to one of {known}."
            issues.append(Issue("error", "media.mime", message, index))
        if one.facts.size == 0:
            issues.append(Issue("error", "media.empty", f"{file} is empty: choose another file.", index))
        largest = chosen.media_bytes[kind].value if kind in chosen.media_bytes else None
        if largest is not None and one.facts.size > largest:
            message = f"{file} has {_megabytes(one.facts.size)}, {name} takes {_megabytes(largest)}: make it smaller."
            issues.append(Issue("error", "media.too_big", message, index))
        if not one.alt.strip() and kind in {MediaKind.IMAGE, MediaKind.GIF}:
            message = f"{file} has no description: people who cannot see it will miss it."
            issues.append(Issue("warning", "media.no_alt", message, index))
    for kind, most in chosen.media.items():
        there = sum(one.facts.kind is kind for one in media)
        if there > most.value:
            message = f"{name} takes {most.value} {_KIND_WORDS[kind]} in one post, this has {there}: remove some."
            issues.append(Issue("error", "media.too_many", message, index))
    return issues


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
