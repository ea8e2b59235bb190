from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from app.analytics.pulls import LEASE, MOST, Pulled, Pulls, checked
from app.core.errors import NotThere
from app.core.folder import DataFolder
from app.core.words import AccountState, PostState, Publication
from app.store.database import Store
from publishers import registry
from publishers.api import Adapter, Gone, Metrics
from publishers.errors import ErrorKind, PublishError
from tests.app.analytics.published import Silent, Telling, accounts_of, connected, published
from tests.app.conftest import MovingClock
from tests.app.samples import NOON

X_AGES = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))


def only(adapter: Adapter) -> Callable[[str], Adapter]:
    def get(platform: str) -> Adapter:
        if platform != adapter.capabilities.platform:
            raise registry.UnknownPlatform(f"There is no platform {platform!r}.")
        return adapter

    return get


def pulls_of(store: Store, clock: MovingClock, find: Callable[[str], Adapter]) -> Pulls:
    return Pulls(store, accounts_of(store, clock, find), clock, find)


@pytest.fixture
def echo() -> Telling:
    return Telling()


@pytest.fixture
def pulls(store: Store, clock: MovingClock, echo: Telling) -> Pulls:
    return pulls_of(store, clock, only(echo))


def due(pulls: Pulls) -> list[Pulled]:
    return asyncio.run(pulls.pull_due())


def stored(store: Store, publication: Publication) -> Publication:
    return store.read(lambda unit: unit.publications.get(publication.id)).result()


def curve(store: Store, publication: Publication):
    return store.read(lambda unit: unit.snapshots.curve(publication.id)).result()


def test_what_is_due_is_measured_and_planned_again(
    store: Store, clock: MovingClock, pulls: Pulls, echo: Telling
) -> None:
    (publication,) = published(store, connected(store))
    assert due(pulls) == []
    clock.move(minutes=10)
    echo.knows[publication.remote_id] = Metrics(views=7, reactions=0, raw={"likes": 0})
    (pulled,) = due(pulls)
    assert pulled.metrics == echo.knows[publication.remote_id]
    assert pulled.next_at == NOON + timedelta(hours=1) == stored(store, publication).next_pull_at
    (snapshot,) = curve(store, publication)
    assert (snapshot.metrics.views, snapshot.metrics.reactions, snapshot.metrics.shares) == (7, 0, None)
    assert snapshot.age == timedelta(minutes=10)
    assert due(pulls) == []
    assert pulls.next_at().result() == NOON + timedelta(hours=1)


def test_the_series_of_a_platform_is_followed_to_its_end(store: Store, clock: MovingClock) -> None:
    echo = Telling(metric_pulls=X_AGES)
    pulls = pulls_of(store, clock, only(echo))
    (publication,) = published(store, connected(store), ages=X_AGES)
    echo.knows[publication.remote_id] = Metrics(reactions=1)
    for _ in range(24 * 10):
        clock.move(hours=1)
        due(pulls)
    assert [snapshot.age for snapshot in curve(store, publication)] == list(X_AGES)
    assert pulls.next_at().result() is None


def test_a_machine_that_slept_takes_one_snapshot(store: Store, clock: MovingClock, pulls: Pulls, echo: Telling) -> None:
    (publication,) = published(store, connected(store))
    echo.knows[publication.remote_id] = Metrics(views=1)
    clock.move(days=3, hours=1)
    assert len(due(pulls)) == 1
    assert due(pulls) == []
    assert stored(store, publication).next_pull_at == NOON + timedelta(days=4)


def test_an_account_is_asked_once_for_all_its_publications(
    store: Store, clock: MovingClock, pulls: Pulls, echo: Telling
) -> None:
    owners = [connected(store, remote_id=name) for name in ("one", "two")]
    for owner in owners:
        for _ in range(3):
            published(store, owner)
    clock.move(minutes=10)
    assert len(due(pulls)) == 6
    assert sorted(len(ids) for ids in echo.asked) == [3, 3]


def test_two_processes_never_ask_for_the_same(folder: DataFolder, store: Store, clock: MovingClock, echo: Telling):
    for remote_id in ("one", "two"):
        owner = connected(store, remote_id=remote_id)
        for _ in range(20):
            (publication,) = published(store, owner)
            echo.knows[publication.remote_id] = Metrics(views=1)
    clock.move(minutes=10)
    other = Store(folder, clock)
    try:
        processes = [pulls_of(opened, clock, only(echo)) for opened in (store, other)]

        async def both() -> list[list[Pulled]]:
            return await asyncio.gather(*(pulls.pull_due(limit=15) for _ in range(3) for pulls in processes))

        measured = [pulled.publication_id for pulls in asyncio.run(both()) for pulled in pulls]
    finally:
        other.close()
    assert len(measured) == len(set(measured)) == 40
    assert sum(len(ids) for ids in echo.asked) == 40


def test_the_claim_of_a_dead_process_runs_out(store: Store, clock: MovingClock, pulls: Pulls, echo: Telling) -> None:
    (publication,) = published(store, owner := connected(store))
    clock.move(minutes=10)
    store.write(lambda unit: unit.publications.claim_due([owner.id], LEASE)).result()  # and dies
    assert due(pulls) == []
    echo.knows[publication.remote_id] = Metrics(views=2)
    clock.move(seconds=LEASE.total_seconds())
    assert [pulled.publication_id for pulled in due(pulls)] == [publication.id]


def test_a_post_is_gone_when_none_of_its_parts_is_left(
    store: Store, clock: MovingClock, pulls: Pulls, echo: Telling
) -> None:
    first, second = published(store, connected(store), parts=2)
    echo.knows |= {first.remote_id: Metrics(views=5), second.remote_id: Gone()}

    def state() -> PostState:
        return store.read(lambda unit: unit.posts.get(first.post_id)).result().state

    clock.move(minutes=10)
    assert {pulled.gone for pulled in due(pulls)} == {True, False}
    assert state() is PostState.PUBLISHED
    assert len(store.read(lambda unit: unit.snapshots.results()).result()) == 1
    echo.knows[first.remote_id] = Gone()
    clock.move(hours=1)
    due(pulls)
    assert state() is PostState.GONE
    assert stored(store, first).gone_at == clock()
    assert store.read(lambda unit: unit.snapshots.results()).result() == []
    assert pulls.next_at().result() is None
    assert asyncio.run(pulls.pull_now([first.id])) == []


@pytest.mark.parametrize(
    ("trouble", "next_at"),
    [
        (PublishError(ErrorKind.RATE, "Slow down.", retry_at=NOON + timedelta(hours=2)), timedelta(hours=2)),
        (PublishError(ErrorKind.NETWORK, "No way there."), timedelta(minutes=75)),
        (PublishError(ErrorKind.PERMISSION, "Not allowed."), timedelta(days=1)),
        (TimeoutError(), timedelta(minutes=75)),
    ],
)
def test_a_failure_is_told_and_the_series_goes_on(
    store: Store, clock: MovingClock, trouble: Exception, next_at: timedelta
) -> None:
    echo = Telling(metric_pulls=X_AGES)
    pulls = pulls_of(store, clock, only(echo))
    (publication,) = published(store, connected(store), ages=X_AGES)
    echo.knows[publication.remote_id] = Metrics(reactions=3)
    echo.trouble = trouble
    clock.move(hours=1)
    (pulled,) = due(pulls)
    assert pulled.metrics is None
    assert pulled.message
    assert pulled.next_at == NOON + next_at
    assert curve(store, publication) == []
    echo.trouble = None
    clock.time = NOON + next_at
    (pulled,) = due(pulls)
    assert pulled.metrics is not None
    assert pulled.next_at == NOON + (timedelta(days=1) if next_at < timedelta(days=1) else timedelta(days=7))


def test_a_bug_of_one_adapter_stops_no_other_account(
    store: Store, clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    broken, works = Telling("broken"), Telling("works")
    broken.trouble = ZeroDivisionError("a plugin's bug")
    adapters = {"broken": broken, "works": works}
    pulls = pulls_of(store, clock, adapters.__getitem__)
    published(store, connected(store, "broken"))
    (fine,) = published(store, connected(store, "works"))
    works.knows[fine.remote_id] = Metrics(views=1)
    clock.move(minutes=10)
    with caplog.at_level(logging.CRITICAL):
        messages = {pulled.publication_id == fine.id: pulled.message for pulled in due(pulls)}
    assert messages[True] == ""
    assert "ZeroDivisionError" in messages[False]


def test_a_platform_without_results_is_not_asked_again(store: Store, clock: MovingClock) -> None:
    pulls = pulls_of(store, clock, only(Silent()))
    (publication,) = published(store, connected(store))
    clock.move(minutes=10)
    (pulled,) = due(pulls)
    assert "tells no results" in pulled.message
    assert stored(store, publication).next_pull_at is None


def test_an_adapter_that_is_missing_is_tried_again_later(store: Store, clock: MovingClock, pulls: Pulls) -> None:
    published(store, connected(store, "unplugged"))
    clock.move(minutes=10)
    (pulled,) = due(pulls)
    assert "unplugged" in pulled.message
    assert pulled.next_at == NOON + timedelta(minutes=15)


def test_silence_about_a_post_is_not_zero(store: Store, clock: MovingClock, pulls: Pulls) -> None:
    (publication,) = published(store, connected(store))
    clock.move(minutes=10)
    (pulled,) = due(pulls)
    assert "said nothing" in pulled.message
    assert curve(store, publication) == []
    assert pulled.next_at == NOON + timedelta(minutes=15)


def test_a_refused_sign_in_waits_for_the_creator(store: Store, clock: MovingClock, pulls: Pulls, echo: Telling) -> None:
    owner = connected(store)
    published(store, owner)
    echo.trouble = PublishError(ErrorKind.AUTH, "No longer accepted.")
    clock.move(minutes=10)
    (pulled,) = due(pulls)
    assert pulled.next_at == NOON + timedelta(minutes=15)
    assert store.read(lambda unit: unit.accounts.get(owner.id)).result().state is AccountState.NEEDS_SIGN_IN
    echo.trouble = None
    clock.move(minutes=5)
    assert due(pulls) == []
    connected(store)
    assert len(due(pulls)) == 1


def test_accounts_that_wait_for_a_sign_in_are_left_alone_until_then(
    store: Store, clock: MovingClock, pulls: Pulls, echo: Telling
) -> None:
    owner = connected(store)
    (publication,) = published(store, owner)
    echo.knows[publication.remote_id] = Metrics(views=1)
    store.write(lambda unit: unit.accounts.set_state(owner.id, AccountState.NEEDS_SIGN_IN, "Sign in again.")).result()
    clock.move(minutes=10)
    assert due(pulls) == []
    assert pulls.next_at().result() is None
    store.write(lambda unit: unit.accounts.set_state(owner.id, AccountState.CONNECTED)).result()
    assert len(due(pulls)) == 1


def test_now_means_now_and_keeps_the_series(store: Store, clock: MovingClock, pulls: Pulls, echo: Telling) -> None:
    (publication,) = published(store, connected(store))
    echo.knows[publication.remote_id] = Metrics(views=1)
    clock.move(minutes=3)
    for _ in range(2):  # the second at the very same moment
        (pulled,) = asyncio.run(pulls.pull_now([publication.id]))
        assert pulled.next_at == NOON + timedelta(minutes=10)
    assert len(curve(store, publication)) == 1
    with pytest.raises(NotThere):
        asyncio.run(pulls.pull_now(["ffffffffffff"]))


def test_a_clock_set_back_does_not_freeze_the_newest_numbers(
    store: Store, clock: MovingClock, pulls: Pulls, echo: Telling
) -> None:
    (publication,) = published(store, connected(store))
    for views, hours in ((1, 5), (2, -4)):
        clock.move(hours=hours)
        echo.knows[publication.remote_id] = Metrics(views=views)
        asyncio.run(pulls.pull_now([publication.id]))
    (result,) = store.read(lambda unit: unit.snapshots.results()).result()
    assert result.metrics.views == 2


def test_numbers_that_are_no_counts_are_not_believed(
    store: Store, clock: MovingClock, pulls: Pulls, echo: Telling
) -> None:
    wrong = Metrics(views=2**70, reach=-1, reactions=True, comments="9", shares=MOST, saves=1.5)  # type: ignore[arg-type]
    assert checked(wrong) == Metrics(shares=MOST)
    (publication,) = published(store, connected(store))
    echo.knows[publication.remote_id] = wrong
    clock.move(minutes=10)
    due(pulls)
    assert curve(store, publication)[0].metrics == Metrics(shares=MOST)


def test_views_of_the_local_folder_come_from_its_access_log(store: Store, clock: MovingClock, tmp_path: Path) -> None:
    """The real adapter over a real folder and a log in combined format, broken lines and all."""
    log = tmp_path / "access.log"
    site = tmp_path / "site"
    answers = {"access_log": str(log)}
    owner = connected(store, "local", str(site), server="http://127.0.0.1:8080/", answers=answers)
    (publication,) = published(store, owner, remote_id="hello")
    (missing,) = published(store, owner, remote_id="deleted")
    (site / "posts" / "hello").mkdir(parents=True)
    (site / "posts" / "hello" / "content.json").write_text("{}")
    line = '127.0.0.1 - - [02/Mar/2026:12:0{}:00 +0000] "GET /posts/hello/ HTTP/1.1" 200 99 "-" "{}"\n'
    log.write_text(line.format(1, "Firefox") + "\x00 garbage\n" + line.format(2, "Safari") + line.format(3, "SomeBot"))
    pulls = Pulls(store, accounts_of(store, clock), clock)
    clock.move(minutes=10)
    by_id = {pulled.publication_id: pulled for pulled in due(pulls)}
    metrics = by_id[publication.id].metrics
    assert metrics
    assert metrics.views == 2
    assert by_id[missing.id].gone
    log.unlink()
    (pulled,) = asyncio.run(pulls.pull_now([publication.id]))
    assert pulled.next_at
    assert pulled.next_at > clock()
