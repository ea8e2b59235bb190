"""A unit of work: the repositories over one transaction, and the changes it will announce."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlmodel import Session

from app.core.ids import Id
from app.store.repositories.accounts import Accounts
from app.store.repositories.attempts import Attempts
from app.store.repositories.drafting import Briefs, Drafts, Generations, Prompts, Voices
from app.store.repositories.media import MediaFiles
from app.store.repositories.posts import Posts
from app.store.repositories.results import Publications, Snapshots
from app.store.repositories.settings import Settings
from app.store.tables import ChangeRow


class Unit:
    """What a function handed to Store.write or Store.read works with. Valid only inside that function."""

    def __init__(self, session: Session, now: datetime, media_root: Path) -> None:
        self.session = session
        self.now = now
        self.media_root = media_root
        self._changed: defaultdict[str, dict[Id, None]] = defaultdict(dict)

    def changed(self, kind: str, *ids: Id) -> None:
        """Note rows whose change other pages and processes should hear of."""
        self._changed[kind].update(dict.fromkeys(ids))

    def record_changes(self) -> None:
        """Write the notes into this transaction; called by the writer once the work is done."""
        for kind, ids in self._changed.items():
            self.session.add(ChangeRow(kind=kind, ids=list(ids), at=self.now))

    @cached_property
    def voices(self) -> Voices:
        return Voices(self)

    @cached_property
    def briefs(self) -> Briefs:
        return Briefs(self)

    @cached_property
    def prompts(self) -> Prompts:
        return Prompts(self)

    @cached_property
    def generations(self) -> Generations:
        return Generations(self)

    @cached_property
    def drafts(self) -> Drafts:
        return Drafts(self)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self)

    @cached_property
    def media(self) -> MediaFiles:
        return MediaFiles(self)

    @cached_property
    def posts(self) -> Posts:
        return Posts(self)

    @cached_property
    def attempts(self) -> Attempts:
        return Attempts(self)

    @cached_property
    def publications(self) -> Publications:
        return Publications(self)

    @cached_property
    def snapshots(self) -> Snapshots:
        return Snapshots(self)

    @cached_property
    def settings(self) -> Settings:
        return Settings(self)
