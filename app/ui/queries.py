"""What pages ask: reads that return futures, shaped for what is drawn. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.core.errors import NotThere
from app.core.ids import Id
from app.core.words import (
    Account,
    Brief,
    Draft,
    DraftState,
    Generation,
    Post,
    PostState,
    Snapshot,
    Voice,
)

if TYPE_CHECKING:
    from app.bootstrap import Services
    from app.core.settings import MachineSettings
    from app.models.installed import InstalledModel
    from app.models.service import Offer
    from app.publishing.service import PostDetails
    from app.store.unit import Unit

_MOST_CURVES = 500  # read for one chart


@dataclass(frozen=True, slots=True)
class Session:
    """A brief with the generations and open drafts that came of it."""

    brief: Brief
    generations: Sequence[Generation]
    drafts: Sequence[Draft]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the status bar and the banners tell."""

    next_due: datetime | None
    counts: Mapping[PostState, int]
    needing_attention: Sequence[Account]


@dataclass(frozen=True, slots=True)
class Growth:
    """The views of all posts of a period together, day by day; `posts` is how many tell theirs."""

    points: Sequence[tuple[datetime, int]]
    posts: int


class Queries:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    def accounts(self) -> Future[Sequence[Account]]:
        return self._store.read(lambda unit: unit.accounts.all())

    def voices(self) -> Future[Sequence[Voice]]:
        return self._store.read(lambda unit: unit.voices.all())

    def sessions(self, limit: int = 20) -> Future[Sequence[Brief]]:
        return self._store.read(lambda unit: unit.briefs.recent(limit))

    def session(self, brief_id: Id) -> Future[Session]:
        def read(unit: Unit) -> Session:
            drafts = unit.drafts.listed(brief_id=brief_id)
            kept = [draft for draft in drafts if draft.state is not DraftState.DISCARDED]
            return Session(unit.briefs.get(brief_id), unit.generations.of_brief(brief_id), kept)

        return self._store.read(read)

    def draft(self, draft_id: Id) -> Future[Draft]:
        return self._store.read(lambda unit: unit.drafts.get(draft_id))

    def posts(
        self, *, states: Collection[PostState] = (), search: str = "", limit: int = 100, offset: int = 0
    ) -> Future[Sequence[Post]]:
        return self._services.publishing.listed(states=states, search=search, limit=limit, offset=offset)

    def post_count(self, *, states: Collection[PostState] = (), search: str = "") -> Future[int]:
        return self._store.read(lambda unit: unit.posts.count(states=states, search=search))

    def week(self, start: datetime, end: datetime) -> Future[Sequence[Post]]:
        """Posts with a time from `start` on and before `end` (aware), canceled ones among them."""
        return self._services.publishing.due_between(start, end)

    def waiting_for_time(self) -> Future[Sequence[Post]]:
        """Approved posts without a time."""
        return self._store.read(lambda unit: unit.posts.listed(states=[PostState.APPROVED], limit=500))

    def details(self, post_id: Id) -> Future[PostDetails]:
        return self._services.publishing.details(post_id)

    def installed_models(self) -> Future[Sequence[InstalledModel]]:
        return self._services.loop.call(self._services.models.listed)

    def offers(self) -> Future[Sequence[Offer]]:
        """The catalogue as seen from this machine."""
        return self._services.loop.call(self._services.models.offers)

    def default_model(self, settings: MachineSettings) -> Future[str]:
        """The name of what would draft under these settings; "" where nothing could."""

        def look() -> str:
            if settings.endpoint:
                return settings.model or urlsplit(settings.endpoint).netloc
            try:
                return self._services.models.find(settings.model).name
            except NotThere:
                return ""

        return self._services.loop.call(look)

    def outlook(self) -> Future[Outlook]:
        return self._store.read(
            lambda unit: Outlook(unit.posts.next_due(), unit.posts.counts(), unit.accounts.needing_attention())
        )

    def growth(self, start: datetime, end: datetime) -> Future[Growth]:
        """The posts published in the period (aware times), measured at the end of each of its days."""

        def read(unit: Unit) -> Growth:
            told = [result for result in unit.snapshots.results(since=start) if result.metrics.views is not None]
            curves = [unit.snapshots.curve(result.publication.id) for result in told[-_MOST_CURVES:]]
            days = max(1, (end - start).days)
            times = [start + (end - start) * day / days for day in range(days + 1)]
            return Growth([(time, sum(_views_at(curve, time) for curve in curves)) for time in times], len(curves))

        return self._store.read(read)


def _views_at(curve: Sequence[Snapshot], time: datetime) -> int:
    """The views told by the last snapshot up to then."""
    known = [snapshot.metrics.views for snapshot in curve if snapshot.taken_at <= time]
    return next((views for views in reversed(known) if views is not None), 0)
