"""Every table. Column types, keys and names are what the migrations made; a test compares the two."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, MetaData, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.store.columns import JsonText, UtcMicros

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Table(SQLModel):
    """Base of all tables: one metadata with names for every constraint, so that migrations can drop them."""

    metadata = metadata


def instant(*, optional: bool = False, index: bool = False) -> Any:
    """A UTC instant column. A new Column for each use: SQLAlchemy does not share them."""
    default: dict[str, Any] = {"default": None} if optional else {}
    return Field(**default, sa_column=Column(UtcMicros, nullable=optional, index=index))


def json_column() -> Any:
    return Field(sa_column=Column(JsonText, nullable=False))


# ---- drafting ------------------------------------------------------------------------------------


class VoiceRow(Table, table=True):
    __tablename__ = "voice"
    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    guide: str
    version: int
    created_at: datetime = instant()


class BriefRow(Table, table=True):
    __tablename__ = "brief"
    id: str = Field(primary_key=True)
    topic: str
    source: str
    audience: str
    goal: str
    length: str
    language: str
    voice_id: str | None = Field(default=None, foreign_key="voice.id")
    channels: list[str] = json_column()
    created_at: datetime = instant(index=True)


class PromptRow(Table, table=True):
    """The text of every prompt version ever used, so that an old draft's provenance can be read."""

    __tablename__ = "prompt"
    version: str = Field(primary_key=True)
    template: str
    created_at: datetime = instant()


class GenerationRow(Table, table=True):
    __tablename__ = "generation"
    id: str = Field(primary_key=True)
    brief_id: str = Field(foreign_key="brief.id", index=True)
    platform: str
    format: str
    variants: int
    model: str
    endpoint: str
    prompt_version: str
    sampling: dict[str, Any] = json_column()
    seed: int
    state: str = Field(index=True)
    partial: dict[str, str] = json_column()
    error: str
    lease_until: datetime | None = instant(optional=True)
    created_at: datetime = instant()


class DraftRow(Table, table=True):
    __tablename__ = "draft"
    id: str = Field(primary_key=True)
    brief_id: str | None = Field(default=None, foreign_key="brief.id", index=True)
    generation_id: str | None = Field(default=None, foreign_key="generation.id", index=True)
    variant: int
    platform: str
    format: str
    content: dict[str, Any] = json_column()
    state: str = Field(index=True)
    fitted: str
    provenance: dict[str, Any] = json_column()
    issues: list[dict[str, Any]] = json_column()
    version: int
    created_at: datetime = instant(index=True)


class RevisionRow(Table, table=True):
    """What a draft said before each edit."""

    __tablename__ = "revision"
    draft_id: str = Field(primary_key=True, foreign_key="draft.id")
    version: int = Field(primary_key=True)
    content: dict[str, Any] = json_column()
    created_at: datetime = instant()


# ---- accounts and publishing ---------------------------------------------------------------------


class AccountRow(Table, table=True):
    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("platform", "server", "remote_id"),)
    id: str = Field(primary_key=True)
    platform: str = Field(index=True)
    remote_id: str
    handle: str
    server: str
    name: str
    answers: dict[str, str] = json_column()
    state: str
    attention: str
    expires_at: datetime | None = instant(optional=True)
    lease_until: datetime | None = instant(optional=True)  # held while its tokens are refreshed
    created_at: datetime = instant()


class MediaRow(Table, table=True):
    __tablename__ = "media"
    sha256: str = Field(primary_key=True)
    path: str  # below media/ where copied, absolute where referenced
    size: int
    mime: str
    kind: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    created_at: datetime = instant()


class PostRow(Table, table=True):
    __tablename__ = "post"
    id: str = Field(primary_key=True)
    draft_id: str | None = Field(default=None, foreign_key="draft.id", index=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    platform: str
    format: str
    target: str
    content: dict[str, Any] = json_column()
    text: str  # plain, for search and lists
    state: str = Field(index=True)
    wall_time: str  # what the clock on the wall shows, ISO 8601 without an offset; "" = no time yet
    zone: str
    due_at: datetime | None = instant(optional=True, index=True)
    late_policy: str
    late_minutes: int
    message: str
    version: int
    created_at: datetime = instant()


class AttemptRow(Table, table=True):
    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("post_id", "number"),
        # The database itself refuses a second live attempt of a post, whatever the code does.
        Index(
            "ix_attempt_live",
            "post_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    post_id: str = Field(foreign_key="post.id", index=True)
    number: int
    state: str = Field(index=True)
    plan_version: int
    step: str
    resume: dict[str, Any] = json_column()
    fingerprint: str
    armed_at: datetime | None = instant(optional=True)
    next_at: datetime | None = instant(optional=True, index=True)
    failures: int
    lease_owner: str
    lease_until: datetime | None = instant(optional=True)
    error_kind: str
    message: str
    detail: str
    started_at: datetime = instant()
    ended_at: datetime | None = instant(optional=True)


class StepRunRow(Table, table=True):
    __tablename__ = "step_run"
    id: int | None = Field(default=None, primary_key=True)
    attempt_id: str = Field(foreign_key="attempt.id", index=True)
    step: str
    event: str
    message: str
    detail: str
    at: datetime = instant()
    seconds: float


class PublicationRow(Table, table=True):
    __tablename__ = "publication"
    __table_args__ = (UniqueConstraint("attempt_id", "part"),)
    id: str = Field(primary_key=True)
    post_id: str = Field(foreign_key="post.id", index=True)
    attempt_id: str = Field(foreign_key="attempt.id", index=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    part: int
    remote_id: str
    permalink: str
    published_at: datetime = instant(index=True)
    gone_at: datetime | None = instant(optional=True)
    next_pull_at: datetime | None = instant(optional=True, index=True)


# ---- results -------------------------------------------------------------------------------------


class MetricsColumns(SQLModel):
    """The normalised metrics; null = the platform does not tell."""

    views: int | None = None
    reach: int | None = None
    reactions: int | None = None
    comments: int | None = None
    shares: int | None = None
    saves: int | None = None
    clicks: int | None = None
    watch_seconds: int | None = None


class SnapshotRow(Table, MetricsColumns, table=True):
    __tablename__ = "snapshot"
    publication_id: str = Field(primary_key=True, foreign_key="publication.id")
    taken_at: datetime = Field(sa_column=Column(UtcMicros, primary_key=True))
    raw: dict[str, Any] = json_column()


class SnapshotLatestRow(Table, MetricsColumns, table=True):
    """The newest snapshot of each publication, written in the same transaction."""

    __tablename__ = "snapshot_latest"
    publication_id: str = Field(primary_key=True, foreign_key="publication.id")
    taken_at: datetime = instant()


# ---- the rest ------------------------------------------------------------------------------------


class SettingRow(Table, table=True):
    """What changes publishing or ranking, the same for every machine on this database."""

    __tablename__ = "setting"
    key: str = Field(primary_key=True)
    value: Any = json_column()


class ChangeRow(Table, table=True):
    """The journal other processes read to know what to redraw."""

    __tablename__ = "change"
    __table_args__ = {"sqlite_autoincrement": True}  # a number is never used twice, also after pruning
    seq: int | None = Field(default=None, primary_key=True)
    kind: str
    ids: list[str] = json_column()
    at: datetime = instant()
