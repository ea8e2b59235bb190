"""quarry draft: variants of a brief, on standard output."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.bootstrap import Services
from app.cli.options import DataDir, Json, say, services, show
from app.core.errors import KnownError, WrongUsage
from app.core.ids import new_id
from app.core.words import Brief, Draft, Length
from app.drafting.events import DraftingEvent, VariantDrafted, VariantStarted
from app.drafting.service import channel_of
from publishers import registry

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
    with services(data_dir) as opened:
        voice_id = opened.store.read(lambda unit: unit.voices.get(voice).id).result() if voice else None
        wanted = Brief(
            id=new_id(),
            topic=topic or _read(brief),
            audience=audience,
            length=length,
            language=language,
            voice_id=voice_id,
            channels=channels,
        )
        drafts = _write(opened, wanted, variants=variants, model=model, endpoint=endpoint, seed=seed)
    document, text = _document(wanted, drafts)
    show(document, text, as_json=json)


def _write(opened: Services, brief: Brief, **how: Any) -> list[tuple[Draft, float]]:
    def on_event(event: DraftingEvent) -> None:
        match event:
            case VariantStarted(variant=variant, model=name):
                say(f"{name} writes variant {variant + 1}…")
            case VariantDrafted(draft=done):
                say(f"{done.channel} {done.variant + 1}: {done.provenance.tokens_per_second:.1f} tok/s, {done.fitted}")

    drafts: list[tuple[Draft, float]] = []
    for generation in opened.drafting.start(brief, **how).result():
        for done in opened.loop.run(opened.drafting.run(generation.id, on_event)).result():
            drafts.append((done, done.provenance.tokens_per_second))
    return drafts


def _document(brief: Brief, drafts: list[tuple[Draft, float]]) -> tuple[dict[str, Any], str]:
    rows, texts = [], []
    for draft, speed in drafts:
        adapter = registry.get(draft.channel.platform)
        counts = [adapter.count(part.text, draft.channel.format) for part in draft.content.parts]
        longest = max(counts, key=lambda count: count.used)
        name = registry.channel_name(draft.channel.platform, draft.channel.format)
        rows.append(
            {
                "channel": name,
                "variant": draft.variant + 1,
                "text": draft.text,
                "count": {"used": longest.used, "limit": longest.limit, "unit": longest.unit.value},
                "fitted": draft.fitted.value,
                "issues": [asdict(issue) for issue in draft.issues],
                "provenance": {
                    "model": draft.provenance.model,
                    "file_sha256": draft.provenance.file_sha256,
                    "quantisation": draft.provenance.quantisation,
                    "prompt_version": draft.provenance.prompt_version,
                    "sampling": dict(draft.provenance.sampling),
                    "seed": draft.provenance.seed,
                },
                "tokens_per_second": speed,
                "draft": draft.id,
            }
        )
        texts.append(f"[{name} {draft.variant + 1}] {longest.used}/{longest.limit} {longest.unit}\n{draft.text}\n")
    return {"brief": brief.id, "drafts": rows}, "\n".join(texts)


def _read(path: Path | None) -> str:
    assert path is not None
    try:
        if path.stat().st_size > _LONGEST_BRIEF:
            raise KnownError(f"{path} is longer than {_LONGEST_BRIEF // 1000} kB: nothing was drafted; shorten it.")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KnownError(f"{path} cannot be read as text ({error}): nothing was drafted.") from error
