"""Voices, briefs, prompts, generations and drafts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from sqlmodel import col, or_, select

from app.core.errors import KnownError, NotThere, Stale
from app.core.ids import Id, short
from app.core.words import (
    Brief,
    Channel,
    Draft,
    DraftState,
    Fitted,
    Generation,
    GenerationState,
    Length,
    Provenance,
    Voice,
)
from app.store.content import content_from_json, content_to_json, files_named, issue_from_json, issue_to_json
from app.store.repositories.base import Repository
from app.store.tables import BriefRow, DraftRow, GenerationRow, PromptRow, RevisionRow, VoiceRow
from publishers.api import Content


class Voices(Repository):
    def save(self, voice: Voice) -> Voice:
        """Add, or replace the guide of the voice of that id."""
        if row := self._session.get(VoiceRow, voice.id):
            row.name, row.guide, row.version = voice.name, voice.guide, row.version + 1
            voice = replace(voice, version=row.version)
        else:
            if self._named(voice.name):
                raise KnownError(f"There is a voice “{voice.name}” already: nothing was changed; choose another name.")
            self._add(VoiceRow(**asdict(voice), created_at=self._now))
        self._unit.changed("voice", voice.id)
        return voice

    def get(self, name_or_id: str) -> Voice:
        return _voice(self._named(name_or_id) or self._row(VoiceRow, name_or_id, "voice"))

    def all(self) -> Sequence[Voice]:
        return [_voice(row) for row in self._session.exec(select(VoiceRow).order_by(VoiceRow.name))]

    def _named(self, name: str) -> VoiceRow | None:
        return self._session.exec(select(VoiceRow).where(VoiceRow.name == name)).first()


class Briefs(Repository):
    def add(self, brief: Brief) -> Brief:
        """Add, or replace what the brief of that id says: it is saved while it is typed, and again when drafted."""
        said: dict[str, Any] = {
            "topic": brief.topic,
            "source": brief.source,
            "audience": brief.audience,
            "goal": brief.goal,
            "length": brief.length,
            "language": brief.language,
            "voice_id": brief.voice_id,
            "channels": [str(channel) for channel in brief.channels],
        }
        row = self._session.get(BriefRow, brief.id)
        if row is None:
            row = BriefRow(id=brief.id, created_at=self._now, **said)
            self._add(row)
        else:
            row.sqlmodel_update(said)
        self._unit.changed("brief", brief.id)
        return replace(brief, created_at=row.created_at)

    def get(self, identifier: Id) -> Brief:
        return _brief(self._row(BriefRow, identifier, "brief"))

    def recent(self, limit: int = 50) -> Sequence[Brief]:
        rows = self._session.exec(select(BriefRow).order_by(col(BriefRow.created_at).desc()).limit(limit))
        return [_brief(row) for row in rows]


class Prompts(Repository):
    def keep(self, version: str, template: str) -> None:
        """Store the text of a prompt version the first time it is used."""
        if self._session.get(PromptRow, version) is None:
            self._add(PromptRow(version=version, template=template, created_at=self._now))

    def text(self, version: str) -> str:
        if row := self._session.get(PromptRow, version):
            return row.template
        raise NotThere(f"There is no prompt version “{version}”.")


class Generations(Repository):
    def add(self, generation: Generation) -> Generation:
        self._add(
            GenerationRow(
                id=generation.id,
                brief_id=generation.brief_id,
                platform=generation.channel.platform,
                format=generation.channel.format,
                variants=generation.variants,
                model=generation.model,
                endpoint=generation.endpoint,
                prompt_version=generation.prompt_version,
                sampling=dict(generation.sampling),
                seed=generation.seed,
                state=generation.state,
                partial={},
                error="",
                created_at=self._now,
            )
        )
        self._unit.changed("generation", generation.id)
        return replace(generation, created_at=self._now)

    def get(self, identifier: Id) -> Generation:
        return _generation(self._row(GenerationRow, identifier, "generation"))

    def of_brief(self, brief_id: Id) -> Sequence[Generation]:
        rows = self._session.exec(
            select(GenerationRow).where(GenerationRow.brief_id == brief_id).order_by(GenerationRow.id)
        )
        return [_generation(row) for row in rows]

    def claim(self, identifier: Id, lease: timedelta) -> Generation | None:
        """Take an unfinished generation to run it; None while another process runs it."""
        row = self._row(GenerationRow, identifier, "generation")
        unfinished = row.state in {GenerationState.QUEUED, GenerationState.RUNNING}
        if not unfinished or (row.lease_until is not None and row.lease_until > self._now):
            return None
        row.state, row.lease_until = GenerationState.RUNNING, self._now + lease
        self._unit.changed("generation", row.id)
        return _generation(row)

    def unfinished(self) -> Sequence[Generation]:
        """Those a crash left behind: queued, or running on a lease that ran out. Oldest first."""
        rows = self._session.exec(
            select(GenerationRow)
            .where(
                col(GenerationRow.state).in_([GenerationState.QUEUED, GenerationState.RUNNING]),
                or_(col(GenerationRow.lease_until).is_(None), col(GenerationRow.lease_until) <= self._now),
            )
            .order_by(GenerationRow.id)
        )
        return [_generation(row) for row in rows]

    def keep_partial(self, identifier: Id, partial: Mapping[int, str], lease: timedelta) -> None:
        """Store what the variants say so far, and go on holding the lease."""
        row = self._row(GenerationRow, identifier, "generation")
        row.partial = {str(variant): text for variant, text in partial.items()}
        row.lease_until = self._now + lease
        self._unit.changed("generation", row.id)

    def end(self, identifier: Id, state: GenerationState, error: str = "") -> None:
        row = self._row(GenerationRow, identifier, "generation")
        row.state, row.error, row.lease_until = state, error, None
        if state is GenerationState.DONE:
            row.partial = {}
        self._unit.changed("generation", row.id)


class Drafts(Repository):
    def add(self, draft: Draft) -> Draft:
        self._add(
            DraftRow(
                id=draft.id,
                brief_id=draft.brief_id,
                generation_id=draft.generation_id,
                variant=draft.variant,
                platform=draft.channel.platform,
                format=draft.channel.format,
                content=content_to_json(draft.content),
                state=draft.state,
                fitted=draft.fitted,
                provenance=_provenance_to_json(draft.provenance),
                issues=[issue_to_json(issue) for issue in draft.issues],
                version=draft.version,
                created_at=self._now,
            )
        )
        self._unit.changed("draft", draft.id)
        return replace(draft, created_at=self._now)

    def get(self, identifier: Id) -> Draft:
        return self._words([self._row(DraftRow, identifier, "draft")])[0]

    def listed(
        self,
        *,
        brief_id: Id | None = None,
        generation_id: Id | None = None,
        state: DraftState | None = None,
        limit: int = 100,
    ) -> Sequence[Draft]:
        """Newest first."""
        query = select(DraftRow).order_by(col(DraftRow.created_at).desc(), col(DraftRow.id).desc()).limit(limit)
        if brief_id is not None:
            query = query.where(DraftRow.brief_id == brief_id)
        if generation_id is not None:
            query = query.where(DraftRow.generation_id == generation_id)
        if state is not None:
            query = query.where(DraftRow.state == state)
        return self._words(self._session.exec(query).all())

    def edit(self, identifier: Id, content: Content, version: int, issues: Sequence[Any] = ()) -> Draft:
        """Replace the content; the old one becomes a revision. Raises Stale where `version` is not the newest."""
        row = self._row(DraftRow, identifier, "draft")
        if row.version != version:
            raise Stale(
                f"Draft {short(row.id)} was edited elsewhere meanwhile: your text was not saved over it; "
                "copy it, look at the newer one and save again."
            )
        self._add(RevisionRow(draft_id=row.id, version=row.version, content=row.content, created_at=self._now))
        row.content, row.version = content_to_json(content), row.version + 1
        row.issues = [issue_to_json(issue) for issue in issues]
        self._unit.changed("draft", row.id)
        self._session.flush()
        return self._words([row])[0]

    def set_state(self, identifier: Id, state: DraftState) -> None:
        row = self._row(DraftRow, identifier, "draft")
        row.state = state
        self._unit.changed("draft", row.id)

    def revisions(self, identifier: Id) -> Sequence[Content]:
        """Earlier contents, newest first."""
        rows = self._session.exec(
            select(RevisionRow).where(RevisionRow.draft_id == identifier).order_by(col(RevisionRow.version).desc())
        ).all()
        facts = self._unit.media.facts({sha for row in rows for sha in files_named(row.content)})
        return [content_from_json(row.content, facts) for row in rows]

    def _words(self, rows: Sequence[DraftRow]) -> list[Draft]:
        facts = self._unit.media.facts({sha for row in rows for sha in files_named(row.content)})
        return [
            Draft(
                id=row.id,
                channel=Channel(row.platform, row.format),
                content=content_from_json(row.content, facts),
                brief_id=row.brief_id,
                generation_id=row.generation_id,
                variant=row.variant,
                state=DraftState(row.state),
                fitted=Fitted(row.fitted),
                provenance=Provenance(**row.provenance),
                issues=tuple(issue_from_json(issue) for issue in row.issues),
                version=row.version,
                created_at=row.created_at,
            )
            for row in rows
        ]


def _voice(row: VoiceRow) -> Voice:
    return Voice(row.id, row.name, row.guide, row.version)


def _brief(row: BriefRow) -> Brief:
    return Brief(
        id=row.id,
        topic=row.topic,
        source=row.source,
        audience=row.audience,
        goal=row.goal,
        length=Length(row.length),
        language=row.language,
        voice_id=row.voice_id,
        channels=tuple(Channel(*name.split("/", 1)) for name in row.channels),
        created_at=row.created_at,
    )


def _generation(row: GenerationRow) -> Generation:
    return Generation(
        id=row.id,
        brief_id=row.brief_id,
        channel=Channel(row.platform, row.format),
        variants=row.variants,
        model=row.model,
        endpoint=row.endpoint,
        prompt_version=row.prompt_version,
        sampling=row.sampling,
        seed=row.seed,
        state=GenerationState(row.state),
        partial={int(variant): text for variant, text in row.partial.items()},
        error=row.error,
        lease_until=row.lease_until,
        created_at=row.created_at,
    )


def _provenance_to_json(provenance: Provenance) -> dict[str, Any]:
    return {**asdict(provenance), "sampling": dict(provenance.sampling)}
