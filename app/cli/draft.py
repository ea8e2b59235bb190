"""quarry draft: variants of a brief, on standard output."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.bootstrap import Services
from app.cli.options import DataDir, Json, services, show
from app.cli.writing import Writing
from app.core.errors import KnownError, WrongUsage
from app.core.ids import new_id, short
from app.core.words import Brief, Draft, Length
from app.drafting.service import channel_of
from publishers import registry
from publishers.api import Count

_LONGEST_BRIEF = 1_000_000  # bytes


def draft(
    topic: Annotated[str, typer.Option(help="What the post is about.")] = "",
    brief: Annotated[Path | None, typer.Option(help="A text file with what the post is about.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Where it goes: x, bluesky, x/thread… Repeatable.")] = None,
    variants: Annotated[int, typer.Option(min=1, max=20, help="How many to write for each channel.")] = 3,
    model: Annotated[str, typer.Option(help="A model of `quarry models list`, or of the endpoint.")] = "",
    endpoint: Annotated[str, typer.Option(help="An OpenAI-compatible server to use instead.")] = "",
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same texts.")] = None,
    voice: Annotated[str, typer.Option(help="Name of a brand voice.")] = "",
    language: Annotated[str, typer.Option(help="Language of the post, e.g. en or zh.")] = "en",
    audience: Annotated[str, typer.Option(help="Who reads it.")] = "",
    length: Annotated[Length, typer.Option(help="How long it should be.")] = Length.MEDIUM,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Draft posts with a model on this machine."""
    if bool(topic) == bool(brief):
        raise WrongUsage("Say what to write about: either --topic or --brief FILE.")
    if not channel:
        raise WrongUsage("Say where it goes: --channel local, --channel x, --channel bluesky…")
    channels = tuple(dict.fromkeys(channel_of(name) for name in channel))
    words = topic or _read(brief)
    started = time.monotonic()
    with services(data_dir) as opened:
        voice_id = opened.store.read(lambda unit: unit.voices.get(voice).id).result() if voice else None
        wanted = Brief(
            id=new_id(),
            topic=words,
            audience=audience,
            length=length,
            language=language,
            voice_id=voice_id,
            channels=channels,
        )
        drafts = _write(opened, wanted, variants=variants, model=model, endpoint=endpoint, seed=seed)
    seconds = round(time.monotonic() - started, 2)
    document = {"brief": wanted.id, "seconds": seconds, "drafts": [_json(draft) for draft in drafts]}
    show(document, "\n".join(_text(draft) for draft in drafts), as_json=json)


def _write(opened: Services, brief: Brief, **how: Any) -> list[Draft]:
    watch = Writing()
    drafts: list[Draft] = []
    for generation in opened.drafting.start(brief, **how).result():
        drafts += opened.loop.run(opened.drafting.run(generation.id, watch)).result()
    return drafts


def _count(draft: Draft) -> Count:
    """Of its longest part: each part has the channel's limit to itself."""
    adapter = registry.get(draft.channel.platform)
    counts = [adapter.count(part.text, draft.channel.format) for part in draft.content.parts]
    return max(counts, key=lambda count: count.used)


def _json(draft: Draft) -> dict[str, Any]:
    count, made = _count(draft), draft.provenance
    return {
        "channel": registry.channel_name(draft.channel.platform, draft.channel.format),
        "variant": draft.variant + 1,
        "text": draft.text,
        "count": {"used": count.used, "limit": count.limit, "unit": count.unit.value},
        "fitted": draft.fitted.value,
        "issues": [asdict(issue) for issue in draft.issues],
        "provenance": {
            "model": made.model,
            "file_sha256": made.file_sha256,
            "quantisation": made.quantisation,
            "prompt_version": made.prompt_version,
            "sampling": dict(made.sampling),
            "seed": made.seed,
        },
        "tokens_per_second": made.tokens_per_second,
        "draft": draft.id,
    }


def _text(draft: Draft) -> str:
    count = _count(draft)
    name = registry.channel_name(draft.channel.platform, draft.channel.format)
    head = f"{short(draft.id)}  {name} {draft.variant + 1}  {count.used}/{count.limit} {count.unit}, {draft.fitted}"
    return "\n".join([head, *(f"! {issue.message}" for issue in draft.issues), draft.text, ""])


def _read(path: Path | None) -> str:
    assert path is not None
    try:
        if path.stat().st_size > _LONGEST_BRIEF:
            raise KnownError(f"{path} is longer than {_LONGEST_BRIEF // 1000} kB: nothing was drafted; shorten it.")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KnownError(f"{path} cannot be read as text ({error}): nothing was drafted.") from error
