"""The faults of docs/faults.md that meet a post on its way: the creator reads why, and one post goes out."""

from __future__ import annotations

import os
import resource
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.bootstrap import Services, open_services
from app.core.words import Account, AccountState, AttemptState, Channel, Post, PostState
from publishers import registry
from publishers.api import Content, Context, Found, Media, Outcome, Part, Plan, State, Step
from publishers.testing.faults import Fault, FaultKind, Route
from publishers.testing.proxy import FaultProxy
from tests.app.conftest import MovingClock
from tests.app.publishing.conftest import Desk
from tests.app.publishing.scripted import LOST, Scripted, script
from tests.servers.bluesky.pds import Account as Person
from tests.servers.bluesky.pds import Pds

__all__ = ["script"]

EVERYTHING = Route(".*", ".*")


@dataclass(frozen=True, slots=True)
class Creator:
    """A Quarry with an account on the real PDS, behind a proxy that plays faults."""

    services: Services
    clock: MovingClock
    proxy: FaultProxy
    pds: Pds
    person: Person
    folder: Path

    def connect(self) -> Account:
        """With an app password named "quarry"."""
        made = self.pds.post("com.atproto.server.createAppPassword", {"name": "quarry"}, self._token())
        answers = {"server": self.proxy.url, "identifier": self.person.handle, "password": made["password"]}
        return self.services.loop.run(self.services.accounts.connect_password("bluesky", answers)).result()

    def revoke(self) -> None:
        """As the creator does on another device."""
        self.pds.post("com.atproto.server.revokeAppPassword", {"name": "quarry"}, self._token())

    def _token(self) -> str:
        who = {"identifier": self.person.did, "password": self.person.password}
        return str(self.pds.post("com.atproto.server.createSession", who)["accessJwt"])

    def post(self, text: str, account: Account, *, picture: bool = False) -> Post:
        """A post that is due now."""
        files: tuple[Media, ...] = ()
        if picture:
            path = self.folder / "loaf.png"
            Image.new("RGB", (8, 8), "brown").save(path)
            files = (Media(self.services.media.attach(path), "a loaf"),)
        content = Content((Part(text, files),))
        made = self.services.publishing.add(content, Channel("bluesky", "post"), account.id).result()
        return self.services.publishing.publish_now(made.id).result()

    def work(self) -> int:
        return self.services.loop.run(self.services.outbox.work_due()).result()

    def live(self) -> list[str]:
        return [record["value"]["text"] for record in self.pds.records(self.person.did)]


@pytest.fixture
def creator(pds: Pds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Creator]:
    monkeypatch.setenv("QUARRY_VAULT_PASSPHRASE", "correct horse battery staple")
    clock = MovingClock(datetime.now(UTC))  # the PDS has a clock of its own
    with FaultProxy(pds.url) as proxy, open_services(tmp_path / "data", clock=clock) as services:
        yield Creator(services, clock, proxy, pds, pds.create_account(), tmp_path)


@pytest.mark.server
@pytest.mark.parametrize("kind", [FaultKind.DOWN, FaultKind.RESET])
@pytest.mark.parametrize(("picture", "rests_as"), [(True, AttemptState.WAITING), (False, AttemptState.UNKNOWN)])
def test_a_server_that_is_down_is_waited_for(
    creator: Creator, kind: FaultKind, picture: bool, rests_as: AttemptState
) -> None:
    post = creator.post("Still here", creator.connect(), picture=picture)
    creator.proxy.faults.add(EVERYTHING, Fault(kind, times=1000))
    creator.work()
    details = creator.services.publishing.details(post.id).result()
    [(attempt, _)] = details.attempts
    assert (details.post.state, attempt.state) == (PostState.PUBLISHING, rests_as)
    assert details.post.content.text == "Still here"
    assert attempt.message
    assert attempt.next_at is not None
    assert creator.live() == []
    creator.proxy.faults.clear()
    assert creator.work() == 0
    creator.clock.time = attempt.next_at
    creator.work()
    assert creator.services.publishing.get(post.id).result().state is PostState.PUBLISHED
    assert creator.live() == ["Still here"]


@pytest.mark.server
def test_a_refused_sign_in_asks_the_creator_and_then_goes_on(creator: Creator) -> None:
    account = creator.connect()
    creator.revoke()
    creator.clock.move(hours=3)  # the access token has run out, and the renewal is refused
    post = creator.post("Signed in again", account)
    creator.work()
    waiting = creator.services.publishing.get(post.id).result()
    assert waiting.state is PostState.NEEDS_USER
    assert "connect" in waiting.message.lower()
    assert creator.services.accounts.get(account.id).result().state is AccountState.NEEDS_SIGN_IN
    assert creator.live() == []
    assert creator.connect().id == account.id
    creator.services.publishing.retry(post.id).result()
    creator.work()
    assert creator.services.publishing.get(post.id).result().state is PostState.PUBLISHED
    assert creator.live() == ["Signed in again"]


# ---- clocks that jump ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The local folder's own adapter; something happens while its first commit is on the way."""

    real: Any
    meanwhile: Callable[[], Awaitable[None]]
    ran: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def plan(self, *arguments: Any) -> Plan:
        plan = self.real.plan(*arguments)
        return replace(plan, steps=tuple(map(self._step, plan.steps)))

    def _step(self, step: Step) -> Step:
        async def run(context: Context, state: State) -> tuple[State, Outcome]:
            self.ran.append(step.name)
            if self.ran.count("commit") == 1:
                await self.meanwhile()
            return await step.action(context, state)

        return replace(step, action=run)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[None]]], Interrupted]:
    def make(meanwhile: Callable[[], Awaitable[None]]) -> Interrupted:
        made = Interrupted(registry.get("local"), meanwhile)
        monkeypatch.setattr(registry, "get", lambda _platform: made)
        return made

    return make


def test_a_clock_that_jumps_ahead_in_the_middle_makes_no_second_post(
    desk: Desk, clock: MovingClock, interrupted: Callable[..., Interrupted]
) -> None:
    """The lease seems over, another worker takes the attempt, finds nothing and sends it, with the same name."""
    post = desk.due_post("Once")
    first, second = desk.worker(), desk.worker()

    async def jump() -> None:
        clock.move(hours=2)
        assert await second.work_due() == 1

    adapter = interrupted(jump)
    desk.work(first)
    assert adapter.ran == ["commit", "commit", "feed"]
    assert desk.live() == ["Once"]
    details = desk.details(post.id)
    assert details.post.state is PostState.PUBLISHED
    assert (len(details.attempts), len(details.publications)) == (1, 1)
    assert desk.work() == 0


def test_a_clock_that_jumps_back_in_the_middle_makes_no_second_post(
    desk: Desk, clock: MovingClock, interrupted: Callable[..., Interrupted]
) -> None:
    post = desk.due_post("Once")
    other = desk.worker()

    async def jump() -> None:
        clock.move(days=-1)
        assert await other.work_due() == 0

    adapter = interrupted(jump)
    desk.work()
    assert desk.details(post.id).post.state is PostState.PUBLISHED
    clock.move(days=2)
    assert desk.work() == 0
    assert adapter.ran == ["commit", "feed"]
    assert desk.live() == ["Once"]


def test_a_clock_set_back_does_not_lock_out_the_next_worker(
    desk: Desk, script: Callable[..., Scripted], clock: MovingClock
) -> None:
    """The dead worker's lease ends tomorrow by the new clock; nobody waits for that."""
    adapter = script()
    post = desk.due_post()
    dead = desk.worker()
    assert desk.store.write(lambda unit: unit.attempts.claim(dead.owner, timedelta(minutes=1))).result()
    clock.move(days=-1)
    dead._presence._lock.release()  # as the system does when a process is killed
    assert desk.work() == 1
    assert adapter.ran == ["upload", "commit"]
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_clock_set_back_after_a_crash_does_not_put_the_looking_up_off(
    desk: Desk, script: Callable[..., Scripted], clock: MovingClock
) -> None:
    """The post was armed "tomorrow": how long ago that was nobody knows, so the platform is asked now."""
    desk.store.write(lambda unit: unit.settings.set("platform.local.settle_seconds", 60)).result()
    script(commit=[LOST], answers=[Found("id-1")])
    post = desk.due_post()
    desk.work()
    attempt = desk.attempt(post.id)
    assert attempt.state is AttemptState.UNKNOWN
    # As a worker that was killed leaves it: armed, and nobody's.
    desk.store.write(lambda unit: unit.attempts.take(attempt.id, "dead", timedelta(minutes=1))).result()
    left = replace(attempt, state=AttemptState.ARMED, next_at=None)
    desk.store.write(lambda unit: unit.attempts.save(left, owner="dead")).result()
    clock.move(days=-1)
    assert desk.work() == 1
    assert desk.details(post.id).post.state is PostState.PUBLISHED


# ---- a disk that is full ---------------------------------------------------------------------------


@pytest.fixture
def full_disk() -> Iterator[Callable[[bool], None]]:
    """Files of this process may no longer grow beyond a megabyte: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(yes: bool) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000 if yes else soft, hard))

    yield full
    full(False)


def test_a_full_disk_leaves_no_half_post_and_is_waited_for(
    desk: Desk, tmp_path: Path, clock: MovingClock, full_disk: Callable[[bool], None]
) -> None:
    noise = tmp_path / "crumb.png"
    Image.frombytes("RGB", (1024, 512), os.urandom(1024 * 512 * 3)).save(noise)
    facts = desk.media.attach(noise)
    account = desk.account()
    content = Content((Part("A large picture", (Media(facts, "crumb"),)),))
    post = desk.publishing.add(content, Channel("local", "post"), account.id).result()
    desk.publishing.publish_now(post.id).result()
    full_disk(True)
    desk.work()
    full_disk(False)
    attempt = desk.attempt(post.id)
    assert desk.live() == []
    assert "disk" in attempt.message or "space" in attempt.message
    assert desk.details(post.id).post.content == content
    if attempt.next_at is None:
        desk.publishing.retry(post.id).result()
    else:
        clock.time = attempt.next_at
    desk.work()
    assert desk.details(post.id).post.state is PostState.PUBLISHED
    assert desk.live() == ["A large picture"]
