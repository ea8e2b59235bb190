"""Files: their facts, and where they stand."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sqlmodel import col, select

from app.store.repositories.base import Repository
from app.store.tables import MediaRow
from publishers.api import MediaFacts, MediaKind


class MediaFiles(Repository):
    def save(self, facts: MediaFacts) -> None:
        """Remember a file; a path below the media folder is stored relative to it, so that the folder can move."""
        path = facts.path
        if path.is_relative_to(self._unit.media_root):
            path = path.relative_to(self._unit.media_root)
        if row := self._session.get(MediaRow, facts.sha256):
            row.path = str(path)
        else:
            self._add(
                MediaRow(
                    sha256=facts.sha256,
                    path=str(path),
                    size=facts.size,
                    mime=facts.mime,
                    kind=facts.kind,
                    width=facts.width,
                    height=facts.height,
                    duration=facts.duration,
                    created_at=self._now,
                )
            )
        self._unit.changed("media", facts.sha256)

    def facts(self, sha256s: Collection[str]) -> dict[str, MediaFacts]:
        """The facts of those files that are known."""
        if not sha256s:
            return {}
        rows = self._session.exec(select(MediaRow).where(col(MediaRow.sha256).in_(sha256s)))
        return {
            row.sha256: MediaFacts(
                path=self._unit.media_root / Path(row.path),
                sha256=row.sha256,
                size=row.size,
                mime=row.mime,
                kind=MediaKind(row.kind),
                width=row.width,
                height=row.height,
                duration=row.duration,
            )
            for row in rows
        }
