"""The publishing service: what faces may do with posts and see of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from app.core.clock import WallTime
from app.core.errors import KnownError, WrongUsage
from app.core.ids import Id, new_id, short
from app.core.words import (
    Account,
    Attempt,
    AttemptState,
    Channel,
    DraftState,
    Post,
    PostState,
    Publication,
    StepRun,
)
from app.publishing.ledger import LEASE
from app.publishing.progress import Progress
from app.store.database import Store
from app.store.unit import Unit
from publishers import registry
from publishers.api import Content, StepKind


@dataclass(frozen=True, slots=True)
class PostDetails:
    """Everything there is to see of a post."""

    post: Post
    account: Account
    attempts: Sequence[tuple[Attempt, Sequence[StepRun]]]  # the newest first
    publications: Sequence[Publication]


class Publishing:
    """Posts: approve, schedule, cancel, retry, resolve."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ---- commands ----------------------------------------------------------------------------

    def approve(self, draft_id: Id, account_id: Id, target: str = "") -> Future[Post]:
        """Make a post of a draft. Raises KnownError where the platform would refuse it."""

        def work(unit: Unit) -> Post:
            draft = unit.drafts.get(draft_id)
            post = _add(unit, draft.content, draft.channel, account_id, target, draft.id)
            unit.drafts.set_state(draft.id, DraftState.APPROVED)
            return post

        return self._store.write(work)

    def add(self, content: Content, channel: Channel, account_id: Id, target: str = "") -> Future[Post]:
        """A post without a draft."""
        return self._store.write(lambda unit: _add(unit, content, channel, account_id, target, None))

    def edit(self, post_id: Id, content: Content, version: int) -> Future[Post]:
        def work(unit: Unit) -> Post:
            _refuse_errors(content, unit.posts.get(post_id).channel)
            return unit.posts.edit(post_id, content, version)

        return self._store.write(work)

    def schedule(self, post_id: Id, when: WallTime, version: int | None = None) -> Future[Post]:
        return self._store.write(lambda unit: unit.posts.schedule(post_id, when, version))

    def unschedule(self, post_id: Id, version: int | None = None) -> Future[Post]:
        """Back to the approved posts without a time: the undo of a first scheduling."""
        return self._store.write(lambda unit: unit.posts.unschedule(post_id, version))

    def publish_now(self, post_id: Id, zone: str = "UTC") -> Future[Post]:
        """Schedule it for this moment."""
        return self._store.write(lambda unit: unit.posts.schedule(post_id, WallTime.of(unit.now, zone)))

    def cancel(self, post_id: Id) -> Future[Post]:
        """Take it off the schedule, or stop its attempt while nothing of it has been sent.

        Raises KnownError once a part is live or may be."""

        def work(unit: Unit) -> Post:
            post = unit.posts.get(post_id)
            if attempt := unit.attempts.live(post.id):
                held = _take(unit, attempt)
                progress = Progress.of(held.resume)
                if progress.commits or not progress.clear_to_send:
                    raise KnownError(
                        f"Post {short(post.id)} has been sent or may have been: it cannot be canceled; "
                        "look at the platform and delete it there if you must."
                    )
                _end(unit, held, AttemptState.CANCELED)
                unit.posts.set_state(post.id, PostState.CANCELED)
                return unit.posts.get(post.id)
            return unit.posts.cancel(post.id)

        return self._store.write(work)

    def retry(self, post_id: Id) -> Future[Post]:
        """Go on where the attempt stopped, or start a new one where it failed before anything went out.

        Raises KnownError while it is unknown whether it went out: `resolve` first."""

        def work(unit: Unit) -> Post:
            post = unit.posts.get(post_id)
            if attempt := unit.attempts.live(post.id):
                held = _take(unit, attempt)
                if not Progress.of(held.resume).clear_to_send:
                    raise KnownError(
                        f"It is not known whether post {short(post.id)} went out: nothing was sent again; "
                        "paste its link if it is there, or say that it is to be sent again."
                    )
                _go_on(unit, held)
            elif post.state in {PostState.FAILED, PostState.NEEDS_USER}:
                unit.posts.schedule(post.id, WallTime.of(unit.now, post.wall_time.zone if post.wall_time else "UTC"))
            else:
                raise KnownError(f"Post {short(post.id)} is {post.state.replace('_', ' ')}: there is nothing to retry.")
            return unit.posts.get(post.id)

        return self._store.write(work)

    def resolve(self, post_id: Id, *, link: str = "", resend: bool = False) -> Future[Post]:
        """The creator's answer where the platform could not tell: it is live at `link`, or send it again."""
        if bool(link) == resend:
            raise WrongUsage("Say one of both: the link of the live post, or that it is to be sent again.")
        if link and urlsplit(link).scheme not in {"http", "https"}:
            raise WrongUsage(f"“{link}” is no web address: copy the link of the post from the platform.")

        def work(unit: Unit) -> Post:
            post = unit.posts.get(post_id)
            attempt = unit.attempts.live(post.id)
            if attempt is None or Progress.of(attempt.resume).clear_to_send:
                raise KnownError(f"Nothing is unknown about post {short(post.id)}: nothing was changed.")
            held = _take(unit, attempt)
            progress = Progress.of(held.resume)
            word = "confirmed" if link else "resend"
            unit.attempts.log(StepRun(held.id, held.step, word, link or "The creator says that it did not go out."))
            if link:
                unit.publications.add(_confirmed(unit, post, held, progress, link))
                _end_confirmed(unit, post, held, progress)
            else:  # still armed: sent again with the keys it had, so that the platform can refuse a second one
                _go_on(unit, replace(held, resume=replace(progress, clear_to_send=True).to_json()))
            return unit.posts.get(post.id)

        return self._store.write(work)

    # ---- queries -----------------------------------------------------------------------------

    def get(self, post_id: Id) -> Future[Post]:
        return self._store.read(lambda unit: unit.posts.get(post_id))

    def listed(
        self, *, states: Collection[PostState] = (), search: str = "", limit: int = 100, offset: int = 0
    ) -> Future[Sequence[Post]]:
        return self._store.read(
            lambda unit: unit.posts.listed(states=states, search=search, limit=limit, offset=offset)
        )

    def due_between(self, start: datetime, end: datetime, limit: int = 2000) -> Future[Sequence[Post]]:
        """Posts whose time lies in [start, end), for the calendar."""
        return self._store.read(lambda unit: unit.posts.listed(due_from=start, due_to=end, limit=limit))

    def details(self, post_id: Id) -> Future[PostDetails]:
        def look(unit: Unit) -> PostDetails:
            post = unit.posts.get(post_id)
            return PostDetails(
                post=post,
                account=unit.accounts.get(post.account_id),
                attempts=[(attempt, unit.attempts.history(attempt.id)) for attempt in unit.attempts.of_post(post.id)],
                publications=unit.publications.of_post(post.id),
            )

        return self._store.read(look)


def _add(unit: Unit, content: Content, channel: Channel, account_id: Id, target: str, draft_id: Id | None) -> Post:
    account = unit.accounts.get(account_id)
    if account.platform != channel.platform:
        raise KnownError(
            f"This was written for {channel.platform} and {account.label} is on {account.platform}: "
            "nothing was approved; choose an account of that platform."
        )
    _refuse_errors(content, channel)
    return unit.posts.add(Post(new_id(), account.id, channel, content, draft_id=draft_id, target=target))


def _refuse_errors(content: Content, channel: Channel) -> None:
    errors = [
        issue for issue in registry.get(channel.platform).validate(content, channel.format) if issue.severity == "error"
    ]
    if errors:
        raise KnownError(f"{errors[0].message} The draft was kept as it is; change it and approve it again.")


def _take(unit: Unit, attempt: Attempt) -> Attempt:
    """Hold an attempt that rests. Raises KnownError while a worker is busy with it."""
    held = unit.attempts.take(attempt.id, "creator", LEASE)
    if held is None:
        raise KnownError("The post is being sent at this moment: nothing was changed; look again in a minute.")
    return held


def _go_on(unit: Unit, held: Attempt) -> None:
    """Hand a held attempt to the next worker."""
    state = AttemptState.CLAIMED
    released = replace(held, state=state, next_at=None, failures=0, lease_owner="", lease_until=None)
    unit.attempts.save(released, owner=held.lease_owner)
    unit.posts.set_state(held.post_id, PostState.PUBLISHING)


def _end(unit: Unit, held: Attempt, state: AttemptState) -> None:
    unit.attempts.save(replace(held, state=state), owner=held.lease_owner)


def _end_confirmed(unit: Unit, post: Post, held: Attempt, progress: Progress) -> None:
    """Nothing more can be sent after a part that only the creator knows of: what follows it needs its id."""
    steps = registry.get(post.channel.platform).plan(post.content, post.channel.format).steps
    rest = [step for step in steps[progress.index + 1 :] if step.kind is StepKind.COMMIT]
    _end(unit, held, AttemptState.PUBLISHED)
    if rest:
        unit.posts.set_state(
            post.id, PostState.PARTLY_PUBLISHED, f"{len(rest)} more of its parts were not sent: post them by hand."
        )
    else:
        unit.posts.set_state(post.id, PostState.PUBLISHED)


def _confirmed(unit: Unit, post: Post, attempt: Attempt, progress: Progress, link: str) -> Publication:
    """A publication by the creator's word: it has a link but no id, so its results cannot be pulled."""
    return Publication(
        id=new_id(),
        post_id=post.id,
        attempt_id=attempt.id,
        account_id=post.account_id,
        part=progress.commits,
        remote_id="",
        permalink=link,
        published_at=unit.now,
    )
