"""The words of Quarry as frozen dataclasses: one word per concept, the same in code, database, docs and screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from app.core.clock import WallTime
from app.core.ids import Id
from publishers.api import Content, Issue, Metrics

# ---- drafting ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Channel:
    """Platform and format a draft is written for; written "x" (default format) or "x/thread"."""

    platform: str
    format: str

    def __str__(self) -> str:
        return f"{self.platform}/{self.format}"


class Length(StrEnum):
    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Voice:
    """A brand voice: a named prompt prefix."""

    id: Id
    name: str
    guide: str  # examples, do and don't, glossary, in the creator's words
    version: int = 1


@dataclass(frozen=True, slots=True)
class Brief:
    """What the creator wants said."""

    id: Id
    topic: str
    source: str = ""
    audience: str = ""
    goal: str = "inform"
    length: Length = Length.MEDIUM
    language: str = "en"
    voice_id: Id | None = None
    channels: tuple[Channel, ...] = ()
    created_at: datetime | None = None


class GenerationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Generation:
    """One request for N variants of a brief on a channel. `partial` keeps what came before a crash."""

    id: Id
    brief_id: Id
    channel: Channel
    variants: int
    model: str  # "" = the best there is
    prompt_version: str
    sampling: Mapping[str, float | int]
    seed: int
    endpoint: str = ""  # of another server, where one was named
    state: GenerationState = GenerationState.QUEUED
    partial: Mapping[int, str] = field(default_factory=dict)
    error: str = ""
    lease_until: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a draft's words came from. Empty model = written by hand."""

    model: str = ""
    file_sha256: str = ""
    quantisation: str = ""
    prompt_version: str = ""
    sampling: Mapping[str, float | int] = field(default_factory=dict)
    seed: int | None = None
    tokens_per_second: float = 0.0


class Fitted(StrEnum):
    """What was done so that a draft fits its channel."""

    AS_WRITTEN = "as written"
    SHORTENED = "shortened"  # by the model, asked again
    CUT = "cut"  # at the end of a sentence


class DraftState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"  # a post was made of it
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Draft:
    """Content for one channel, generated or hand-written."""

    id: Id
    channel: Channel
    content: Content
    brief_id: Id | None = None
    generation_id: Id | None = None
    variant: int = 0
    state: DraftState = DraftState.OPEN
    fitted: Fitted = Fitted.AS_WRITTEN
    provenance: Provenance = field(default_factory=Provenance)
    issues: tuple[Issue, ...] = ()
    version: int = 1
    created_at: datetime | None = None

    @property
    def text(self) -> str:
        return self.content.text


# ---- accounts ------------------------------------------------------------------------------------


class AccountState(StrEnum):
    CONNECTED = "connected"
    NEEDS_SIGN_IN = "needs_sign_in"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Account:
    """One connected identity on a platform. Its secrets stand in the keychain under its id."""

    id: Id
    platform: str
    remote_id: str
    handle: str
    server: str
    name: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)  # to the connect form, without the secret ones
    state: AccountState = AccountState.CONNECTED
    attention: str = ""  # one sentence where something needs the creator
    expires_at: datetime | None = None
    created_at: datetime | None = None

    @property
    def label(self) -> str:
        return self.name or self.handle or self.remote_id


# ---- publishing ----------------------------------------------------------------------------------


class PostState(StrEnum):
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    PARTLY_PUBLISHED = "partly_published"
    NEEDS_USER = "needs_user"
    FAILED = "failed"
    CANCELED = "canceled"
    GONE = "gone"


class LatePolicy(StrEnum):
    """What happens to a post whose time passed while no Quarry was awake."""

    PUBLISH = "publish"  # if at most `late_minutes` late, else ask
    ASK = "ask"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Post:
    """Approved content bound to an account, with a time."""

    id: Id
    account_id: Id
    channel: Channel
    content: Content
    state: PostState = PostState.APPROVED
    draft_id: Id | None = None
    target: str = ""
    wall_time: WallTime | None = None
    due_at: datetime | None = None
    late_policy: LatePolicy = LatePolicy.PUBLISH
    late_minutes: int = 720
    message: str = ""  # why it needs the creator or failed, one sentence
    version: int = 1
    created_at: datetime | None = None


class AttemptState(StrEnum):
    CLAIMED = "claimed"
    UPLOADING = "uploading"
    WAITING = "waiting"
    ARMED = "armed"
    COMMITTED = "committed"
    PUBLISHED = "published"
    UNKNOWN = "unknown"
    NEEDS_USER = "needs_user"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        return self in {AttemptState.PUBLISHED, AttemptState.FAILED, AttemptState.CANCELED}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at publishing a post; a row written before anything is sent."""

    id: Id
    post_id: Id
    number: int
    state: AttemptState = AttemptState.CLAIMED
    plan_version: int = 0
    step: str = ""  # the step that runs next, or is armed
    resume: Mapping[str, object] = field(default_factory=dict)
    fingerprint: str = ""  # hash of content and media at the first arming
    armed_at: datetime | None = None
    next_at: datetime | None = None  # not before this time
    failures: int = 0  # transient failures of the present step, for backing off
    lease_owner: str = ""
    lease_until: datetime | None = None
    error_kind: str = ""
    message: str = ""
    detail: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepRun:
    """One line of an attempt's history, append-only."""

    attempt_id: Id
    step: str
    event: str  # "armed", "done", "wait", "failed", "unknown", "found", "not found", "resumed"…
    message: str = ""
    detail: str = ""
    at: datetime | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Publication:
    """A post (or one part of a thread) as it lives on the platform."""

    id: Id
    post_id: Id
    attempt_id: Id
    account_id: Id
    remote_id: str
    permalink: str
    published_at: datetime
    part: int = 0
    gone_at: datetime | None = None
    next_pull_at: datetime | None = None


# ---- results -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The metrics of a publication at one time."""

    publication_id: Id
    taken_at: datetime
    metrics: Metrics
    age: timedelta = timedelta(0)  # of the publication


# ---- change --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one kind that a commit touched; pages redraw from these alone."""

    seq: int
    kind: str  # the table's name
    ids: tuple[Id, ...]
