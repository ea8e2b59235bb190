"""The worker's rules, over a platform made for these tests: it counts what it was told to publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.core.words import Attempt, AttemptState, PostState
from app.publishing.backoff import MOST_FAILURES, next_try
from app.store.content import fingerprint
from publishers import registry
from publishers.api import (
    Adapter,
    CannotTell,
    Content,
    Context,
    Done,
    Failed,
    Found,
    NeedsUser,
    NotFound,
    Outcome,
    Plan,
    Reconciled,
    State,
    Step,
    StepKind,
    Wait,
)
from publishers.errors import ErrorKind, Executed, PublishError
from tests.app.conftest import MovingClock
from tests.app.publishing.conftest import Desk

Behaviour = Callable[[Context, State], tuple[State, Outcome]]


def error(kind: ErrorKind, executed: Executed = Executed.NO, **more: Any) -> Failed:
    return Failed(PublishError(kind, f"It is {kind}.", executed=executed, **more))


@dataclass
class Scripted:
    """The local folder's adapter with other steps: each step's outcomes are listed, the last one repeats."""

    real: Adapter
    outcomes: dict[str, list[Outcome]]
    kinds: dict[str, StepKind]
    answers: list[Reconciled] = field(default_factory=list)
    version: int = 1
    ran: list[str] = field(default_factory=list)
    armed: list[str] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)

    @property
    def capabilities(self):
        return self.real.capabilities

    def count(self, text: str, format_id: str = ""):
        return self.real.count(text, format_id)

    def validate(self, content: Content, format_id: str = "") -> Sequence[Any]:
        return self.real.validate(content, format_id)

    async def sign_in(self, *arguments: Any):
        return await self.real.sign_in(*arguments)  # type: ignore[attr-defined]

    def plan(self, content: Content, format_id: str = "") -> Plan:
        return Plan(self.version, tuple(self._step(name, kind) for name, kind in self.kinds.items()))

    def _step(self, name: str, kind: StepKind) -> Step:
        async def run(_context: Context, state: State) -> tuple[State, Outcome]:
            self.ran.append(name)
            self.keys.append(state.get("key"))
            script = self.outcomes[name]
            outcome = script.pop(0) if len(script) > 1 else script[0]
            return {**state, name: self.ran.count(name)}, outcome

        def arm(_context: Context, state: State) -> State:
            self.armed.append(name)
            return {**state, "key": len(self.armed)}

        return Step(name, kind, run, arm)

    async def reconcile(self, _context: Context, _content: Content, step: str, state: State, _since: datetime):
        self.ran.append(f"reconcile {step}")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


UPLOAD_AND_COMMIT = {"upload": StepKind.PREPARE_MEDIA, "commit": StepKind.COMMIT}
LIVE = Done("id-1", "https://example.com/1")
LOST = error(ErrorKind.NETWORK, Executed.UNKNOWN)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    def make(kinds: dict[str, StepKind] | None = None, answers: Sequence[Reconciled] = (), **outcomes: Any) -> Scripted:
        real = registry.get("local")
        kinds = kinds or UPLOAD_AND_COMMIT
        lists = {name: outcomes.get(name, [Done() if name != "commit" else LIVE]) for name in kinds}
        made = Scripted(real, lists, kinds, list(answers))
        monkeypatch.setattr(registry, "get", lambda _platform: made)
        return made

    return make


def attempt_of(desk: Desk, post: Any) -> Attempt:
    return desk.details(post.id).attempts[0][0]


def test_the_armed_row_is_on_disk_before_the_call(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script()
    seen: list[Attempt] = []
    original = adapter._step("commit", StepKind.COMMIT)

    async def run(context: Context, state: State) -> tuple[State, Outcome]:
        [attempt] = desk.store.read(lambda unit: unit.attempts.of_post(post.id)).result()
        seen.append(attempt)
        return await original.action(context, state)

    adapter.plan = lambda *_arguments: Plan(1, (Step("commit", StepKind.COMMIT, run, original.arm),))  # type: ignore[method-assign]
    post = desk.due_post()
    desk.work()
    [before] = seen
    assert before.state is AttemptState.ARMED
    assert before.fingerprint == fingerprint(post.content)
    assert before.resume["state"] == {"key": 1}
    assert before.armed_at == desk.clock()


def test_a_lost_answer_is_looked_up_and_not_sent_again(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script(commit=[LOST], answers=[Found("id-9", "https://example.com/9")])
    post = desk.due_post()
    desk.work()
    assert adapter.ran == ["upload", "commit", "reconcile commit"]
    assert desk.details(post.id).publications[0].remote_id == "id-9"
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_not_found_by_an_authority_is_sent_again_with_its_key(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script(commit=[LOST, LIVE], answers=[NotFound(authoritative=True)])
    desk.due_post()
    desk.work()
    assert adapter.ran == ["upload", "commit", "reconcile commit", "commit"]
    assert adapter.armed == ["commit"]
    assert adapter.keys == [None, 1, 1]


@pytest.mark.parametrize("answer", [NotFound(authoritative=False), CannotTell("It keeps no list.")])
def test_where_nobody_can_tell_the_creator_is_asked(
    desk: Desk, script: Callable[..., Scripted], answer: Reconciled
) -> None:
    adapter = script(commit=[LOST], answers=[answer])
    post = desk.due_post()
    desk.work()
    details = desk.details(post.id)
    assert details.post.state is PostState.NEEDS_USER
    assert "paste its link" in details.post.message
    assert adapter.ran.count("commit") == 1


def test_the_creator_says_that_it_did_not_go_out(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script(commit=[LOST, LIVE], answers=[CannotTell("It keeps no list.")])
    post = desk.due_post()
    desk.work()
    desk.publishing.resolve(post.id, resend=True).result()
    desk.work()
    assert desk.details(post.id).post.state is PostState.PUBLISHED
    assert adapter.keys == [None, 1, 1]


@pytest.mark.parametrize("failure", [error(ErrorKind.DUPLICATE), error(ErrorKind.PLATFORM_DOWN, Executed.YES)])
def test_whatever_may_be_live_is_reconciled(desk: Desk, script: Callable[..., Scripted], failure: Outcome) -> None:
    adapter = script(commit=[failure], answers=[Found("id-2")])
    post = desk.due_post()
    desk.work()
    assert "reconcile commit" in adapter.ran
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_asking_to_wait_burns_no_try(desk: Desk, script: Callable[..., Scripted], clock: MovingClock) -> None:
    later = clock() + timedelta(minutes=15)
    adapter = script(commit=[error(ErrorKind.RATE, retry_at=later), LIVE])
    post = desk.due_post()
    desk.work()
    waiting = attempt_of(desk, post)
    assert (waiting.state, waiting.next_at, waiting.failures) == (AttemptState.WAITING, later, 0)
    assert desk.work() == 0
    clock.move(minutes=15)
    desk.work()
    assert adapter.ran == ["upload", "commit", "commit"]
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_cut_network_is_tried_ever_more_rarely_then_given_up(
    desk: Desk, script: Callable[..., Scripted], clock: MovingClock
) -> None:
    adapter = script(upload=[error(ErrorKind.NETWORK)])
    post = desk.due_post()
    waits = []
    for _ in range(MOST_FAILURES):
        desk.work()
        attempt = attempt_of(desk, post)
        if attempt.next_at is None:
            break
        waits.append(attempt.next_at - clock())
        clock.time = attempt.next_at
    assert waits == sorted(waits)
    assert len(waits) == MOST_FAILURES - 1
    assert desk.details(post.id).post.state is PostState.FAILED
    assert adapter.ran == ["upload"] * MOST_FAILURES


def test_refused_content_fails_with_the_platforms_words(desk: Desk, script: Callable[..., Scripted]) -> None:
    script(commit=[error(ErrorKind.CONTENT)])
    post = desk.due_post()
    desk.work()
    details = desk.details(post.id)
    assert details.post.state is PostState.FAILED
    assert details.post.message == "It is content."
    desk.publishing.retry(post.id).result()
    script(commit=[LIVE])
    desk.work()
    assert [attempt.state for attempt, _ in desk.details(post.id).attempts] == [
        AttemptState.PUBLISHED,
        AttemptState.FAILED,
    ]


def test_a_failure_after_the_commit_does_not_unpublish(desk: Desk, script: Callable[..., Scripted]) -> None:
    kinds = {"commit": StepKind.COMMIT, "comment": StepKind.AFTER_COMMIT}
    script(kinds, comment=[error(ErrorKind.CONTENT)])
    post = desk.due_post()
    desk.work()
    assert desk.details(post.id).post.state is PostState.PUBLISHED
    assert "comment: skipped" in desk.events


def test_an_address_looked_up_afterwards_is_kept(desk: Desk, script: Callable[..., Scripted]) -> None:
    kinds = {"commit": StepKind.COMMIT, "look": StepKind.AFTER_COMMIT}
    script(kinds, commit=[Done("1")], look=[Done(permalink="https://example.com/late")])
    post = desk.due_post()
    desk.work()
    assert [one.permalink for one in desk.details(post.id).publications] == ["https://example.com/late"]


def test_what_follows_a_part_only_the_creator_knows_of_is_not_sent(desk: Desk, script: Callable[..., Scripted]) -> None:
    kinds = {"first": StepKind.COMMIT, "second": StepKind.COMMIT}
    adapter = script(kinds, answers=[CannotTell("It keeps no list.")], first=[LOST], second=[LIVE])
    post = desk.due_post()
    desk.work()
    desk.publishing.resolve(post.id, link="https://example.com/1").result()
    assert desk.work() == 0
    details = desk.details(post.id)
    assert details.post.state is PostState.PARTLY_PUBLISHED
    assert "1 more of its parts" in details.post.message
    assert "second" not in adapter.ran


def test_a_thread_that_stops_in_the_middle_goes_on_there(desk: Desk, script: Callable[..., Scripted]) -> None:
    kinds = {"first": StepKind.COMMIT, "second": StepKind.COMMIT}
    adapter = script(kinds, first=[Done("1")], second=[error(ErrorKind.CONTENT), Done("2")])
    post = desk.due_post()
    desk.work()
    assert desk.details(post.id).post.state is PostState.PARTLY_PUBLISHED
    desk.publishing.retry(post.id).result()
    desk.work()
    assert adapter.ran == ["first", "second", "second"]
    details = desk.details(post.id)
    assert details.post.state is PostState.PUBLISHED
    assert [(publication.part, publication.remote_id) for publication in details.publications] == [(0, "1"), (1, "2")]


def test_an_upload_goes_on_at_its_part(desk: Desk, script: Callable[..., Scripted], clock: MovingClock) -> None:
    until = clock() + timedelta(minutes=1)
    adapter = script(upload=[Wait(), Wait(until, "processing"), Done()])
    post = desk.due_post()
    desk.work()
    assert adapter.ran == ["upload", "upload"]
    assert attempt_of(desk, post).resume["state"] == {"upload": 2}
    clock.time = until
    desk.work()
    assert adapter.ran == ["upload", "upload", "upload", "commit"]


def test_the_creators_turn_and_back(desk: Desk, script: Callable[..., Scripted]) -> None:
    script(upload=[NeedsUser("Open the app and confirm."), Done()])
    post = desk.due_post()
    desk.work()
    assert desk.details(post.id).post.message == "Open the app and confirm."
    desk.publishing.retry(post.id).result()
    desk.work()
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_changed_plan_starts_over_before_the_commit(
    desk: Desk, script: Callable[..., Scripted], clock: MovingClock
) -> None:
    adapter = script(upload=[Wait(clock() + timedelta(minutes=1)), Done()])
    post = desk.due_post()
    desk.work()
    adapter.version = 2
    clock.move(minutes=1)
    desk.work()
    assert "upload: started over" in desk.events
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_changed_plan_never_touches_what_may_be_live(
    desk: Desk, script: Callable[..., Scripted], clock: MovingClock
) -> None:
    adapter = script(commit=[LOST], answers=[CannotTell("down")])
    adapter.answers = []

    async def unreachable(*_arguments: Any):
        raise PublishError(ErrorKind.NETWORK, "No way there.")

    adapter.reconcile = unreachable  # type: ignore[assignment,method-assign]
    post = desk.due_post()
    desk.work()
    assert attempt_of(desk, post).state is AttemptState.UNKNOWN
    adapter.version = 2
    clock.move(hours=2)
    desk.work()
    assert desk.details(post.id).post.state is PostState.NEEDS_USER
    assert adapter.ran.count("commit") == 1


def test_two_workers_at_once_make_one_commit(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script()
    desk.due_post()
    first, second = desk.worker(), desk.worker()
    futures = [desk.loop.run(worker.work_due()) for worker in (first, second)]
    assert sorted(future.result() for future in futures) == [0, 1]
    assert adapter.ran == ["upload", "commit"]


def test_a_dead_workers_lease_is_not_waited_for(desk: Desk, script: Callable[..., Scripted]) -> None:
    adapter = script()
    post = desk.due_post()
    dead = desk.worker()
    held = desk.store.write(lambda unit: unit.attempts.claim(dead.owner, timedelta(minutes=1))).result()
    assert held
    assert desk.work() == 0  # its process lives
    dead._presence._lock.release()  # as the system does when a process is killed
    assert desk.work() == 1
    assert adapter.ran == ["upload", "commit"]
    assert desk.details(post.id).post.state is PostState.PUBLISHED


def test_a_file_that_changed_since_it_was_chosen_is_not_published(desk: Desk, tmp_path) -> None:
    from PIL import Image

    from publishers.api import Media, Part

    picture = tmp_path / "a.png"
    Image.new("RGB", (4, 4), "red").save(picture)
    facts = desk.media.attach(picture)
    account = desk.account()
    content = Content((Part("With a picture", (Media(facts, "red"),)),))
    post = desk.publishing.add(content, desk.due_post("other", account).channel, account.id).result()
    desk.publishing.publish_now(post.id).result()
    facts.path.write_bytes(b"something else")
    desk.work()
    details = desk.details(post.id)
    assert details.post.state is PostState.NEEDS_USER
    assert details.post.message


@pytest.mark.parametrize("failures", range(1, 30))
def test_waits_are_bounded(failures: int, clock: MovingClock) -> None:
    wait = next_try(PublishError(ErrorKind.NETWORK, ""), failures, clock()) - clock()
    assert timedelta(seconds=20) <= wait <= timedelta(hours=1)
