from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from app.core.errors import KnownError, Stale
from app.core.words import AttemptState, LatePolicy, Post, PostState, StepRun
from app.store.database import Store
from app.store.repositories.attempts import LeaseLost
from tests.app.conftest import MovingClock
from tests.app.samples import NOON, account, post

LEASE = timedelta(seconds=60)


def scheduled(store: Store, **fields: Any) -> Post:
    def add(unit):
        owner = unit.accounts.save(account())
        return unit.posts.add(post(owner.id, at=NOON - timedelta(minutes=1), **fields))

    return store.write(add).result()


def test_a_due_post_is_claimed_once(store: Store) -> None:
    due = scheduled(store)
    claims = [store.write(lambda unit, who=f"w{n}": unit.attempts.claim(who, LEASE)) for n in range(5)]
    held = [claim.result() for claim in claims if claim.result()]
    assert [(attempt.post_id, attempt.number, attempt.lease_owner) for attempt in held] == [(due.id, 1, "w0")]
    assert store.read(lambda unit: unit.posts.get(due.id)).result().state is PostState.PUBLISHING


def test_a_post_of_later_is_left_alone(store: Store, clock: MovingClock) -> None:
    scheduled(store)
    clock.move(minutes=-2)
    assert store.write(lambda unit: unit.attempts.claim("w", LEASE)).result() is None


def test_a_dead_workers_attempt_is_taken_over_and_the_dead_one_cannot_write(store: Store, clock: MovingClock) -> None:
    scheduled(store)
    mine = store.write(lambda unit: unit.attempts.claim("sleeper", LEASE)).result()
    assert mine
    clock.move(seconds=61)
    taken = store.write(lambda unit: unit.attempts.claim("other", LEASE)).result()
    assert taken
    assert taken.id == mine.id
    with pytest.raises(LeaseLost):
        store.write(lambda unit: unit.attempts.save(replace(mine, state=AttemptState.ARMED), owner="sleeper")).result()
    with pytest.raises(LeaseLost):
        store.write(lambda unit: unit.attempts.extend(mine.id, "sleeper", LEASE)).result()


def test_a_waiting_attempt_comes_back_at_its_time(store: Store, clock: MovingClock) -> None:
    scheduled(store)
    attempt = store.write(lambda unit: unit.attempts.claim("w", LEASE)).result()
    assert attempt
    waiting = replace(
        attempt, state=AttemptState.WAITING, next_at=NOON + timedelta(hours=1), lease_owner="", lease_until=None
    )
    store.write(lambda unit: unit.attempts.save(waiting, owner="w")).result()
    assert store.write(lambda unit: unit.attempts.claim("w", LEASE)).result() is None
    assert store.read(lambda unit: unit.attempts.next_at()).result() == NOON + timedelta(hours=1)
    clock.move(hours=1)
    again = store.write(lambda unit: unit.attempts.claim("w", LEASE)).result()
    assert again
    assert again.id == attempt.id


def test_nobody_wakes_for_an_attempt_that_another_holds(store: Store, clock: MovingClock) -> None:
    scheduled(store)
    assert store.write(lambda unit: unit.attempts.claim("w", LEASE)).result()
    clock.move(seconds=1)
    assert store.read(lambda unit: unit.attempts.next_at()).result() == NOON + LEASE


def test_an_ended_attempt_is_never_written_again(store: Store) -> None:
    scheduled(store)
    attempt = store.write(lambda unit: unit.attempts.claim("w", LEASE)).result()
    assert attempt
    store.write(lambda unit: unit.attempts.save(replace(attempt, state=AttemptState.PUBLISHED), owner="w")).result()
    with pytest.raises(LeaseLost):
        store.write(lambda unit: unit.attempts.save(replace(attempt, state=AttemptState.ARMED), owner="w")).result()


def test_the_database_refuses_a_second_live_attempt(store: Store) -> None:
    due = scheduled(store)
    store.write(lambda unit: unit.attempts.claim("w", LEASE)).result()
    with pytest.raises(IntegrityError):
        store.write(lambda unit: unit.attempts.begin(due.id, "w2", LEASE)).result()


def test_a_post_being_published_can_be_neither_edited_nor_moved(store: Store) -> None:
    due = scheduled(store)
    store.write(lambda unit: unit.attempts.claim("w", LEASE)).result()
    for action in (
        lambda unit: unit.posts.edit(due.id, due.content, due.version + 1),
        lambda unit: unit.posts.cancel(due.id),
        lambda unit: unit.posts.schedule(due.id, due.wall_time),
    ):
        with pytest.raises((KnownError, Stale)):
            store.write(action).result()


def test_a_stale_edit_is_refused(store: Store) -> None:
    due = scheduled(store)
    edited = store.write(lambda unit: unit.posts.edit(due.id, due.content, due.version)).result()
    assert edited.version == due.version + 1
    with pytest.raises(Stale, match="nothing was overwritten"):
        store.write(lambda unit: unit.posts.edit(due.id, due.content, due.version)).result()


@pytest.mark.parametrize(
    ("policy", "state"), [(LatePolicy.PUBLISH, PostState.NEEDS_USER), (LatePolicy.SKIP, PostState.CANCELED)]
)
def test_a_post_the_machine_slept_through_follows_its_policy(
    store: Store, clock: MovingClock, policy: LatePolicy, state: PostState
) -> None:
    late = scheduled(store, late_policy=policy, late_minutes=30)
    clock.move(hours=2)
    assert store.write(lambda unit: unit.attempts.claim("w", LEASE)).result() is None
    after = store.read(lambda unit: unit.posts.get(late.id)).result()
    assert after.state is state
    assert "2.0 h" in after.message


def test_history_only_grows(store: Store) -> None:
    scheduled(store)
    attempt = store.write(lambda unit: unit.attempts.claim("w", LEASE)).result()
    assert attempt
    for event in ("armed", "done"):
        store.write(lambda unit, event=event: unit.attempts.log(StepRun(attempt.id, "commit", event))).result()
    events = [run.event for run in store.read(lambda unit: unit.attempts.history(attempt.id)).result()]
    assert events == ["armed", "done"]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["claim", "die", "finish", "tick"]), st.integers(0, 2)), max_size=25))
def test_no_interleaving_gives_two_workers_one_attempt(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int]]
) -> None:
    from app.core.folder import DataFolder

    clock = MovingClock()
    store = Store(DataFolder(tmp_path_factory.mktemp("claims")), clock)
    try:
        for _ in range(2):
            scheduled(store)
        held: dict[int, tuple[str, datetime]] = {}
        published: list[str] = []
        for move, worker in moves:
            if move == "tick":
                clock.move(seconds=30)
            elif move == "claim" and worker not in held:
                attempt = store.write(lambda unit, w=worker: unit.attempts.claim(f"w{w}", LEASE)).result()
                if attempt:
                    holders = {
                        w for w, (identifier, until) in held.items() if identifier == attempt.id and until > clock.time
                    }
                    assert not holders, "claimed while another's lease still ran"
                    held[worker] = (attempt.id, attempt.lease_until)
            elif move == "die":
                held.pop(worker, None)
            elif move == "finish" and worker in held:
                identifier, _ = held.pop(worker)
                try:
                    attempt = store.read(lambda unit, i=identifier: unit.attempts.get(i)).result()
                    done = replace(attempt, state=AttemptState.PUBLISHED)
                    store.write(lambda unit, d=done, w=worker: unit.attempts.save(d, owner=f"w{w}")).result()
                    published.append(attempt.post_id)
                except LeaseLost:
                    pass
        assert len(published) == len(set(published))
    finally:
        store.close()
