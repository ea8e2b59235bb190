"""The drafting service: briefs in, stored drafts out; survives a killed engine and a killed app."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta

from app.core.errors import KnownError, ServiceDown, WrongUsage
from app.core.ids import Id, new_id
from app.core.words import (
    Brief,
    Channel,
    Draft,
    DraftState,
    Fitted,
    Generation,
    GenerationState,
    Provenance,
)
from app.drafting import events
from app.drafting.prompts import compile_prompt, prompt_for
from app.drafting.writer import Task, Written, write_variant
from app.models.service import Models, Running
from app.store.database import Store
from app.store.unit import Unit
from engine.protocol import EngineError, EngineFault
from publishers import registry
from publishers.api import Content, Issue

SAMPLING: dict[str, float | int] = {"temperature": 0.6, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.05}
_LEASE = timedelta(seconds=30)
_HEARTBEAT = 1.0  # seconds between two savings of the partial texts
_ENGINE_TRIES = 3
_BUSY_WAIT = 1.0
_AT_ONCE = 2  # variants written side by side
_MOST_VARIANTS = 20


class Drafting:
    """Briefs, generations and drafts."""

    def __init__(self, store: Store, models: Models) -> None:
        self._store = store
        self._models = models

    def start(
        self, brief: Brief, *, variants: int = 3, model: str = "", endpoint: str = "", seed: int | None = None
    ) -> Future[list[Generation]]:
        """Store the brief and queue one generation for each of its channels; `run` writes them.

        Raises KnownError for an empty topic or a number of variants outside 1 to 20."""
        if not brief.topic.strip():
            raise KnownError("The topic is empty: nothing was drafted; say what the post is about.")
        if not 1 <= variants <= _MOST_VARIANTS:
            raise KnownError(f"{variants} variants cannot be drafted at once: choose 1 to {_MOST_VARIANTS}.")
        if not brief.channels:
            raise KnownError("No channel was chosen: nothing was drafted; choose where the post goes.")
        base = random.randrange(2**31) if seed is None else seed  # noqa: S311 — variety, not secrecy

        def work(unit: Unit) -> list[Generation]:
            unit.briefs.add(brief)
            made = []
            for channel in brief.channels:
                prompt = prompt_for(channel)
                unit.prompts.keep(prompt.version, prompt.template)
                made.append(
                    unit.generations.add(
                        Generation(
                            id=new_id(),
                            brief_id=brief.id,
                            channel=channel,
                            variants=variants,
                            model=model,
                            endpoint=endpoint,
                            prompt_version=prompt.version,
                            sampling=SAMPLING,
                            seed=base,
                        )
                    )
                )
            return made

        return self._store.write(work)

    async def run(self, generation_id: Id, on_event: events.OnEvent = events.ignore) -> Sequence[Draft]:
        """Write the variants that are still missing. The same seed gives the same texts, also after a crash.

        An engine that dies in the middle is started again. Raises KnownError when it cannot be done; canceling
        the task cancels the generation and keeps the partial texts."""
        generation = await asyncio.wrap_future(
            self._store.write(lambda unit: unit.generations.claim(generation_id, _LEASE))
        )
        if generation is None:
            raise KnownError("These drafts are being written already, or are finished: nothing was started twice.")
        try:
            drafts = await self._write_all(generation, on_event)
        except asyncio.CancelledError:
            self._end(generation_id, GenerationState.CANCELED, "", on_event)
            raise
        except KnownError as error:
            self._end(generation_id, GenerationState.FAILED, error.message, on_event)
            raise
        except EngineError as error:
            sentence = f"{error.message} The brief and the finished variants were kept; try again."
            self._end(generation_id, GenerationState.FAILED, sentence, on_event)
            raise ServiceDown(sentence, detail=error.detail) from error
        self._end(generation_id, GenerationState.DONE, "", on_event)
        return drafts

    def unfinished(self) -> Future[Sequence[Generation]]:
        """Generations a crash left behind; give each to `run`."""
        return self._store.read(lambda unit: unit.generations.unfinished())

    def edit(self, draft_id: Id, content: Content, version: int) -> Future[Draft]:
        """Save the creator's text as a new revision."""

        def work(unit: Unit) -> Draft:
            channel = unit.drafts.get(draft_id).channel
            return unit.drafts.edit(draft_id, content, version, check(content, channel))

        return self._store.write(work)

    def write_by_hand(self, content: Content, channel: Channel, brief_id: Id | None = None) -> Future[Draft]:
        """A draft without a model."""
        draft = Draft(new_id(), channel, content, brief_id=brief_id, issues=check(content, channel))
        return self._store.write(lambda unit: unit.drafts.add(draft))

    def discard(self, draft_id: Id) -> Future[None]:
        return self._store.write(lambda unit: unit.drafts.set_state(draft_id, DraftState.DISCARDED))

    def restore(self, draft_id: Id) -> Future[None]:
        """Undo of discard."""
        return self._store.write(lambda unit: unit.drafts.set_state(draft_id, DraftState.OPEN))

    async def _write_all(self, generation: Generation, on_event: events.OnEvent) -> Sequence[Draft]:
        for attempt in range(_ENGINE_TRIES):
            try:
                async with self._models.running(generation.model, generation.endpoint) as running:
                    return await self._write_missing(generation, running, on_event)
            except EngineError as error:
                if error.fault is EngineFault.REFUSED or attempt == _ENGINE_TRIES - 1:
                    raise
                if error.fault is EngineFault.BUSY:
                    await asyncio.sleep(_BUSY_WAIT)
        raise AssertionError("unreachable")

    async def _write_missing(
        self, generation: Generation, running: Running, on_event: events.OnEvent
    ) -> Sequence[Draft]:
        def look(unit: Unit) -> tuple[Brief, str, str, Sequence[Draft]]:
            brief = unit.briefs.get(generation.brief_id)
            voice = unit.voices.get(brief.voice_id).guide if brief.voice_id else ""
            template = unit.prompts.text(generation.prompt_version)
            return brief, voice, template, unit.drafts.listed(generation_id=generation.id)

        brief, voice, template, written = await asyncio.wrap_future(self._store.read(look))
        name = generation.prompt_version.split("@")[0]
        prompt = compile_prompt(name, template)
        task = Task(running, prompt, brief, generation.channel, voice, generation.sampling)
        drafts = {draft.variant: draft for draft in written}
        partial: dict[int, str] = {}
        slots = asyncio.Semaphore(_AT_ONCE)

        async def write(variant: int) -> None:
            async with slots:
                on_event(events.VariantStarted(generation.id, variant, running.info.id))

                def on_text(text: str) -> None:
                    partial[variant] = text
                    on_event(events.VariantText(generation.id, variant, text))

                done = await write_variant(task, generation.seed + variant, on_text)
                drafts[variant] = await self._keep(generation, running, variant, done)
                on_event(events.VariantDrafted(generation.id, drafts[variant]))

        missing = [variant for variant in range(generation.variants) if variant not in drafts]
        keeper = asyncio.create_task(self._keep_partial(generation.id, partial))
        try:
            async with asyncio.TaskGroup() as group:
                for variant in missing:
                    group.create_task(write(variant))
        except* (EngineError, KnownError) as problems:
            raise _first(problems) from problems
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        return [drafts[variant] for variant in sorted(drafts)]

    async def _keep_partial(self, generation_id: Id, partial: dict[int, str]) -> None:
        """Save what the variants say so far, and hold the lease, until canceled."""
        while True:
            await asyncio.sleep(_HEARTBEAT)
            await asyncio.wrap_future(
                self._store.write(lambda unit: unit.generations.keep_partial(generation_id, dict(partial), _LEASE))
            )

    async def _keep(self, generation: Generation, running: Running, variant: int, done: Written) -> Draft:
        issues = check(done.content, generation.channel)
        if done.fitted is Fitted.CUT:
            cut = "The model wrote more than fits; the text was cut at the end of a sentence. Read it before approving."
            issues = (*issues, Issue("warning", "draft.cut", cut, fix="shorten"))
        draft = Draft(
            id=new_id(),
            channel=generation.channel,
            content=done.content,
            brief_id=generation.brief_id,
            generation_id=generation.id,
            variant=variant,
            fitted=done.fitted,
            provenance=Provenance(
                model=running.info.id,
                file_sha256=running.info.file_sha256,
                quantisation=running.info.quantisation,
                prompt_version=generation.prompt_version,
                sampling=generation.sampling,
                seed=done.seed,
                tokens_per_second=round(done.tokens_per_second, 2),
            ),
            issues=issues,
        )
        return await asyncio.wrap_future(self._store.write(lambda unit: unit.drafts.add(draft)))

    def _end(self, generation_id: Id, state: GenerationState, error: str, on_event: events.OnEvent) -> None:
        self._store.write(lambda unit: unit.generations.end(generation_id, state, error)).result()
        on_event(events.GenerationEnded(generation_id, state, error))


def check(content: Content, channel: Channel) -> tuple[Issue, ...]:
    """What the channel's platform would refuse or warn of."""
    return tuple(registry.get(channel.platform).validate(content, channel.format))


def channel_of(text: str) -> Channel:
    """The channel written as "x" or "x/thread". Raises WrongUsage with the ones there are."""
    try:
        return Channel(*registry.parse_channel(text))
    except registry.UnknownPlatform as error:
        raise WrongUsage(str(error)) from error


def _first(group: BaseExceptionGroup[EngineError | KnownError]) -> EngineError | KnownError:
    """The first failure of a group of tasks."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
