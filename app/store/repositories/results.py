"""Publications and their snapshots: what is live, and how it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlmodel import col, func, select, update

from app.core.ids import Id
from app.core.words import Channel, Provenance, Publication, Snapshot
from app.store.repositories.base import Repository
from app.store.tables import DraftRow, MetricsColumns, PostRow, PublicationRow, SnapshotLatestRow, SnapshotRow
from publishers.api import Metrics

_NUMBERS = tuple(MetricsColumns.model_fields)


class Publications(Repository):
    def add(self, publication: Publication) -> Publication:
        """Add, or give back the one this attempt already has for that part (recording twice is harmless)."""
        row = self._session.exec(
            select(PublicationRow).where(
                PublicationRow.attempt_id == publication.attempt_id, PublicationRow.part == publication.part
            )
        ).first()
        if row is None:
            row = PublicationRow(
                id=publication.id,
                post_id=publication.post_id,
                attempt_id=publication.attempt_id,
                account_id=publication.account_id,
                part=publication.part,
                remote_id=publication.remote_id,
                permalink=publication.permalink,
                published_at=publication.published_at,
                next_pull_at=publication.next_pull_at,
            )
            self._add(row)
            self._unit.changed("publication", row.id)
        return _publication(row)

    def get(self, identifier: Id) -> Publication:
        return _publication(self._row(PublicationRow, identifier, "publication"))

    def of_post(self, post_id: Id) -> Sequence[Publication]:
        rows = self._session.exec(
            select(PublicationRow).where(PublicationRow.post_id == post_id).order_by(col(PublicationRow.part))
        )
        return [_publication(row) for row in rows]

    def due_for_pull(self, account_ids: Sequence[Id], limit: int = 100) -> Sequence[Publication]:
        """Those whose next snapshot is due, oldest wish first."""
        rows = self._session.exec(
            select(PublicationRow)
            .where(
                col(PublicationRow.account_id).in_(account_ids),
                col(PublicationRow.gone_at).is_(None),
                col(PublicationRow.next_pull_at) <= self._now,
            )
            .order_by(col(PublicationRow.next_pull_at))
            .limit(limit)
        )
        return [_publication(row) for row in rows]

    def claim_due(self, account_ids: Sequence[Id], lease: timedelta, limit: int = 100) -> Sequence[Publication]:
        """Take those that are due for `lease`: until then they are due for nobody else. Oldest wish first."""
        due = [publication.id for publication in self.due_for_pull(account_ids, limit)]
        # Asked again inside the statement: on PostgreSQL another transaction may have taken one in between.
        claimed = self._session.execute(
            update(PublicationRow)
            .where(col(PublicationRow.id).in_(due), col(PublicationRow.next_pull_at) <= self._now)
            .values(next_pull_at=self._now + lease)
            .returning(col(PublicationRow.id))
        ).scalars()
        taken = set(claimed)
        return [self.get(identifier) for identifier in due if identifier in taken]

    def claim(self, identifiers: Sequence[Id], lease: timedelta) -> Sequence[Publication]:
        """Take these, due or not, for `lease`; those that are gone are left out. Raises NotThere."""
        rows = {row.id: row for row in (self._row(PublicationRow, one, "publication") for one in identifiers)}
        live = [row for row in rows.values() if row.gone_at is None]
        for row in live:
            row.next_pull_at = self._now + lease
        return [_publication(row) for row in live]

    def next_pull(self, account_ids: Sequence[Id]) -> datetime | None:
        """When the next snapshot of these accounts' publications is due."""
        return self._session.exec(
            select(func.min(PublicationRow.next_pull_at)).where(
                col(PublicationRow.account_id).in_(account_ids), col(PublicationRow.gone_at).is_(None)
            )
        ).one()

    def pulled(self, identifier: Id, next_pull_at: datetime | None) -> None:
        self._row(PublicationRow, identifier, "publication").next_pull_at = next_pull_at

    def add_permalink(self, attempt_id: Id, permalink: str) -> None:
        """Fill in the address of the attempt's first publication, where it came without one."""
        row = self._session.exec(
            select(PublicationRow)
            .where(PublicationRow.attempt_id == attempt_id, PublicationRow.permalink == "")
            .order_by(col(PublicationRow.part))
        ).first()
        if permalink and row is not None:
            row.permalink = permalink
            self._unit.changed("publication", row.id)

    def gone(self, identifier: Id) -> None:
        """The platform no longer has it: it leaves the ranking from now on."""
        row = self._row(PublicationRow, identifier, "publication")
        row.gone_at, row.next_pull_at = self._now, None
        self._unit.changed("publication", row.id)


@dataclass(frozen=True, slots=True)
class Result:
    """A publication with its newest metrics and the draft behind it: one row of the ranking's input."""

    publication: Publication
    channel: Channel
    taken_at: datetime
    metrics: Metrics
    provenance: Provenance
    text: str


class Snapshots(Repository):
    def add(self, snapshot: Snapshot) -> None:
        """Append a snapshot; one of the same publication and microsecond is replaced."""
        numbers = {name: getattr(snapshot.metrics, name) for name in _NUMBERS}
        self._session.merge(
            SnapshotRow(
                publication_id=snapshot.publication_id,
                taken_at=snapshot.taken_at,
                raw=dict(snapshot.metrics.raw),
                **numbers,
            )
        )
        latest = self._session.get(SnapshotLatestRow, snapshot.publication_id)
        if latest is None:
            self._add(SnapshotLatestRow(publication_id=snapshot.publication_id, taken_at=snapshot.taken_at, **numbers))
        elif latest.taken_at <= snapshot.taken_at or latest.taken_at > self._now:  # the clock was set back
            latest.sqlmodel_update({"taken_at": snapshot.taken_at, **numbers})
        self._unit.changed("snapshot", snapshot.publication_id)

    def curve(self, publication_id: Id) -> Sequence[Snapshot]:
        """Every snapshot of a publication, oldest first."""
        rows = self._session.exec(
            select(SnapshotRow, PublicationRow.published_at)
            .join(PublicationRow, col(PublicationRow.id) == SnapshotRow.publication_id)
            .where(SnapshotRow.publication_id == publication_id)
            .order_by(col(SnapshotRow.taken_at))
        )
        return [
            Snapshot(row.publication_id, row.taken_at, _metrics(row), row.taken_at - published_at)
            for row, published_at in rows
        ]

    def results(self, *, since: datetime | None = None) -> Sequence[Result]:
        """The newest metrics of everything that is live, with where its words came from."""
        query = (
            select(PublicationRow, PostRow, SnapshotLatestRow, DraftRow)
            .join(PostRow, col(PostRow.id) == PublicationRow.post_id)
            .join(SnapshotLatestRow, col(SnapshotLatestRow.publication_id) == PublicationRow.id)
            .outerjoin(DraftRow, col(DraftRow.id) == PostRow.draft_id)
            .where(col(PublicationRow.gone_at).is_(None), PublicationRow.part == 0)
            .order_by(col(PublicationRow.published_at))
        )
        if since is not None:
            query = query.where(col(PublicationRow.published_at) >= since)
        return [
            Result(
                publication=_publication(publication),
                channel=Channel(post.platform, post.format),
                taken_at=latest.taken_at,
                metrics=_metrics(latest),
                provenance=Provenance(**draft.provenance) if draft else Provenance(),
                text=post.text,
            )
            for publication, post, latest, draft in self._session.exec(query)
        ]


def _publication(row: PublicationRow) -> Publication:
    return Publication(**{field.name: getattr(row, field.name) for field in fields(Publication)})


def _metrics(row: SnapshotRow | SnapshotLatestRow) -> Metrics:
    return Metrics(**{name: getattr(row, name) for name in _NUMBERS})
