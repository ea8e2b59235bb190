"""The contract between Quarry and a platform: content in, resumable steps out.

An adapter is data (`Capabilities`) plus a few pure functions (`count`, `validate`, `plan`) plus steps that
do the network work. Whatever leaves the machine for good happens in a COMMIT step, which the worker arms
first: it calls `arm`, commits the armed state to the database, and only then calls `run`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from publishers.errors import PublishError

if TYPE_CHECKING:
    from publishers.http import Http

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
State = Mapping[str, Json]
"""What an attempt remembers: small, JSON, committed before and after each run of a step, never a token. One state
runs through the whole plan: the first step gets an empty one, each later step what the step before it left."""


# ---- content -------------------------------------------------------------------------------------


class MediaKind(StrEnum):
    IMAGE = "image"
    GIF = "gif"
    VIDEO = "video"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What is known of a file without asking any platform. Pixels, bytes, seconds."""

    path: Path
    sha256: str
    size: int
    mime: str
    kind: MediaKind
    width: int | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """A file as it stands in a part, with the words that describe it."""

    facts: MediaFacts
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One post of a thread; a plain post has one part."""

    text: str = ""
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What is published: ordered parts, the platform's named fields (title, tags, board…), options."""

    parts: tuple[Part, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Json] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The parts joined by a blank line."""
        return "\n\n".join(part.text for part in self.parts)

    @classmethod
    def plain(cls, text: str) -> Content:
        """Content of one part without media."""
        return cls(parts=(Part(text),))


# ---- capabilities --------------------------------------------------------------------------------


class Unit(StrEnum):
    """What a platform counts a text in."""

    WEIGHTED = "weighted characters"  # twitter-text
    GRAPHEMES = "graphemes"
    CHARACTERS = "characters"  # Unicode code points
    UTF16 = "UTF-16 units"
    BYTES = "bytes"  # of UTF-8


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of the platform, where it was read and when. Unconfirmed ones can be changed in Settings."""

    value: int
    source: str
    checked: date
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Count:
    """A text measured in its channel's own unit."""

    used: int
    limit: int
    unit: Unit

    @property
    def fits(self) -> bool:
        return self.used <= self.limit


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of post a platform takes; platform and format together are a channel."""

    id: str  # "post", "thread", "video"…
    text: Limit
    unit: Unit
    parts: int = 1  # the most parts of a thread
    media: Mapping[MediaKind, Limit] = field(default_factory=dict)  # the most files of a kind in one part
    media_bytes: Mapping[MediaKind, Limit] = field(default_factory=dict)  # the largest file of a kind
    mimes: tuple[str, ...] = ()
    text_required: bool = True


class AuthKind(StrEnum):
    NONE = "none"  # a folder: nothing to sign in to
    PASSWORD = "password"  # identifier and app password
    OAUTH2 = "oauth2"


class Redirect(StrEnum):
    """Where the browser may hand the authorization code back."""

    ANY_PORT = "any_port"
    FIXED_PORT = "fixed_port"
    HTTPS_PAGE = "https_page"
    PASTE = "paste"


class Reconcile(StrEnum):
    """How surely the platform can say afterwards whether an armed call went through."""

    AUTHORITATIVE = "authoritative"
    HEURISTIC = "heuristic"
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class Question:
    """One field of the form that connects an account."""

    id: str
    label: str
    help: str = ""
    default: str = ""
    secret: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Everything about a platform that is data, so that forms, checks, docs and tests read the same rows."""

    platform: str  # id = folder = name on the command line
    name: str  # as people write it
    server: str  # default base address of its API ("" where each account names its own)
    formats: tuple[Format, ...]  # the first is the default
    auth: AuthKind
    questions: tuple[Question, ...] = ()
    redirect: Redirect | None = None
    scopes: tuple[str, ...] = ()
    reconcile: Reconcile = Reconcile.HUMAN
    settle: timedelta = timedelta(0)  # wait this long before reconcile is believed
    metrics: tuple[str, ...] = ()  # names of Metrics this platform gives
    metric_pulls: tuple[timedelta, ...] = ()  # ages at which snapshots are taken; () = the default series
    languages_hint: str = ""  # a remark for drafting, e.g. "hashtags inside the text"
    can_delete: bool = False
    thread: bool = False
    native_schedule: bool = False

    def format(self, format_id: str = "") -> Format:
        """The named format, or the default one. Raises KeyError for a format the platform does not have."""
        if not format_id:
            return self.formats[0]
        for candidate in self.formats:
            if candidate.id == format_id:
                return candidate
        raise KeyError(f"{self.platform} has no format {format_id}")


# ---- checking ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Issue:
    """Something about the content the platform would refuse (error) or the creator should know (warning)."""

    severity: Literal["error", "warning"]
    code: str  # stable, e.g. "text.too_long"
    message: str  # one sentence for the creator
    part: int = 0
    fix: Literal["", "shorten", "split"] = ""  # the one-click fix that exists


# ---- accounts ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class TokenSet:
    """Everything secret about a sign-in; kept in the keychain as a whole, refreshed as a whole."""

    access_token: str = ""
    refresh_token: str = ""
    expires_at: datetime | None = None
    scope: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)  # e.g. an app password, a client secret

    def __repr__(self) -> str:
        return "TokenSet(…)"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an account is on its platform, and which server it lives on."""

    remote_id: str
    handle: str
    server: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Connected:
    """The result of a sign-in."""

    identity: Identity
    tokens: TokenSet


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """An authorization that waits for the browser: open `url`, expect `state` back."""

    url: str
    state: str
    verifier: str


# ---- publishing ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may use. Built by app.accounts for one call; adapters keep nothing between calls."""

    http: Http  # already bound to the account's redaction and budget
    identity: Identity
    tokens: TokenSet  # fresh: refreshed before the call where it was about to expire
    now: Callable[[], datetime]  # aware UTC
    attempt: str = ""  # the attempt's id: a name that is new for every attempt
    target: str = ""  # remote id of the page, board or channel; "" = the account itself
    settings: Mapping[str, Json] = field(default_factory=dict)
    """The creator's overrides of this platform's numbers, and the answers to its questions that are not secret."""


@dataclass(frozen=True, slots=True)
class Done:
    """The step is over. A COMMIT step that made the post live says its id and address."""

    remote_id: str = ""
    permalink: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not over: run the same step again, at `until` or (None) at once. State is committed in between,
    so an upload that returns Wait after each part resumes at that part."""

    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NeedsUser:
    """The creator must do something outside Quarry."""

    action: str
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The step failed; the error says whether the platform carried it out."""

    error: PublishError


Outcome = Done | Wait | NeedsUser | Failed


class StepKind(StrEnum):
    PREPARE_MEDIA = "prepare_media"  # resumable, invisible to others
    CREATE_CONTAINER = "create_container"  # harmless if done twice
    COMMIT = "commit"  # irreversible: armed before it runs
    AFTER_COMMIT = "after_commit"  # a failure here never un-publishes


RunStep = Callable[[Context, State], Awaitable[tuple[State, Outcome]]]
ArmStep = Callable[[Context, State], State]


def _arm_nothing(_context: Context, state: State) -> State:
    return state


@dataclass(frozen=True, slots=True)
class Step:
    """One resumable piece of a plan. `action` does the work and may raise PublishError."""

    name: str  # unique within the plan, stable across restarts
    kind: StepKind
    action: RunStep
    arm: ArmStep = _arm_nothing  # chooses idempotency keys; pure apart from the clock and randomness

    async def run(self, context: Context, state: State) -> tuple[State, Outcome]:
        """Run once. A PublishError raised inside becomes Failed, with the state from before the call."""
        try:
            return await self.action(context, state)
        except PublishError as error:
            return state, Failed(error)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one post, in order. `version` changes whenever the meaning of stored state does."""

    version: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The armed call did go through."""

    remote_id: str
    permalink: str = ""
    state: State = field(default_factory=dict)  # the whole state the step would have left; {} = the armed state


@dataclass(frozen=True, slots=True)
class NotFound:
    """The platform does not have it. Only an authoritative answer allows a resend without asking."""

    authoritative: bool


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The platform could not be asked or gave no usable answer."""

    reason: str


Reconciled = Found | NotFound | CannotTell


# ---- results -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Metrics:
    """Numbers of one publication at one time. None = the platform does not tell; 0 = it says zero."""

    views: int | None = None
    reach: int | None = None
    reactions: int | None = None
    comments: int | None = None
    shares: int | None = None
    saves: int | None = None
    clicks: int | None = None
    watch_seconds: int | None = None
    raw: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gone:
    """The platform answers that the publication no longer exists."""


# ---- roles ---------------------------------------------------------------------------------------


@runtime_checkable
class Adapter(Protocol):
    """What every platform has. Optional roles below are found with isinstance."""

    @property
    def capabilities(self) -> Capabilities:
        """The platform as data; an attribute will do."""
        ...

    def count(self, text: str, format_id: str = "") -> Count:
        """Measure one part's text in the channel's own unit. Pure."""
        ...

    def validate(self, content: Content, format_id: str = "") -> Sequence[Issue]:
        """Everything the platform would refuse. Pure, offline; composer, CLI and worker call the same."""
        ...

    def plan(self, content: Content, format_id: str = "") -> Plan:
        """The steps that publish `content`. Pure: the same content gives the same steps."""
        ...

    async def reconcile(
        self, context: Context, content: Content, step: str, state: State, since: datetime
    ) -> Reconciled:
        """Find out whether the armed step `step` went through at or after `since`. Read-only.

        `since` is when it was armed. Raises PublishError where the platform cannot be reached."""
        ...


@runtime_checkable
class SignsInByPassword(Protocol):
    async def sign_in(self, http: Http, answers: Mapping[str, str], now: datetime) -> Connected:
        """Sign in with the answers to `capabilities.questions`. Raises PublishError(AUTH) when refused."""
        ...


@runtime_checkable
class SignsInByBrowser(Protocol):
    def begin(self, server: str, answers: Mapping[str, str], redirect_uri: str) -> AuthRequest:
        """The address to open in the browser, with PKCE and state."""
        ...

    async def complete(
        self, http: Http, server: str, answers: Mapping[str, str], redirect_uri: str, request: AuthRequest, code: str
    ) -> Connected:
        """Exchange the code. Raises PublishError(AUTH) when refused."""
        ...


@runtime_checkable
class Refreshes(Protocol):
    async def refresh(self, http: Http, identity: Identity, tokens: TokenSet) -> TokenSet:
        """A new whole token set. Raises PublishError(AUTH) only where the platform itself refused it;
        a cut network raises NETWORK and never disconnects the account."""
        ...


@runtime_checkable
class Deletes(Protocol):
    async def delete(self, context: Context, remote_id: str) -> None:
        """Remove a publication. Deleting what is already gone is no error."""
        ...


@runtime_checkable
class MeasuresPosts(Protocol):
    async def post_metrics(self, context: Context, remote_ids: Sequence[str]) -> Mapping[str, Metrics | Gone]:
        """Current metrics by remote id; ids the platform said nothing about are absent."""
        ...
