"""Pulls: ask the platforms how publications do, and keep the answers as snapshots.

Any process may pull. It claims publications by moving their next pull into the future (one write) before it asks,
so that two processes never ask for the same one; if it dies, the claim runs out and another asks again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from app.accounts.service import Accounts
from app.analytics.schedule import next_pull, retry_pull
from app.core.clock import Clock
from app.core.errors import KnownError
from app.core.ids import Id
from app.core.words import Account, AccountState, PostState, Publication, Snapshot
from app.store.database import Store
from app.store.unit import Unit
from publishers import registry
from publishers.api import Adapter, Gone, MeasuresPosts, Metrics
from publishers.errors import ErrorKind, PublishError

LEASE = timedelta(minutes=5)  # a claim of a process that died runs out after this
ANSWER_WITHIN = timedelta(minutes=4)  # an account that takes longer is given up before its claims run out
AT_ONCE = 4  # accounts asked at the same time
MOST = 2**53  # no metric is larger; beyond it an answer is nonsense

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of one publication's pull. Without metrics and not gone, `message` says why in one sentence."""

    publication_id: Id
    account_id: Id
    metrics: Metrics | None = None
    gone: bool = False
    message: str = ""
    next_at: datetime | None = None  # of the next pull; None = the series is over


class Pulls:
    """Measures publications; keeps nothing between calls, safe in any number of processes."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        clock: Clock,
        adapters: Callable[[str], Adapter] = registry.get,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._adapters = adapters

    def next_at(self) -> Future[datetime | None]:
        """When the next pull is due, past times included; accounts that wait for a sign-in do not count."""
        return self._store.read(lambda unit: unit.publications.next_pull(_askable(unit)))

    async def pull_due(self, limit: int = 200) -> list[Pulled]:
        """Measure what is due, at most `limit` publications; call again while `next_at` is past.

        A platform's failure is told in the result, not raised. Raises KnownError where the store cannot be written.
        """
        return await self._pull(lambda unit: unit.publications.claim_due(_askable(unit), LEASE, limit))

    async def pull_now(self, publication_ids: Sequence[Id]) -> list[Pulled]:
        """Measure these publications whatever their series says; those known to be gone are left out.

        Raises NotThere for an unknown id.
        """
        return await self._pull(lambda unit: unit.publications.claim(publication_ids, LEASE))

    async def _pull(self, claim: Callable[[Unit], Sequence[Publication]]) -> list[Pulled]:
        def claim_with_accounts(unit: Unit) -> dict[Id, tuple[Account, list[Publication]]]:
            claimed: defaultdict[Id, list[Publication]] = defaultdict(list)
            for publication in claim(unit):
                claimed[publication.account_id].append(publication)
            return {key: (unit.accounts.get(key), publications) for key, publications in claimed.items()}

        groups = await asyncio.wrap_future(self._store.write(claim_with_accounts))
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(account: Account, publications: Sequence[Publication]) -> list[Pulled]:
            async with gate:
                return await self._pull_account(account, publications)

        answered = await asyncio.gather(*(one(*group) for group in groups.values()))
        return [pulled for pulls in answered for pulled in pulls]

    async def _pull_account(self, account: Account, publications: Sequence[Publication]) -> list[Pulled]:
        remote_ids = [publication.remote_id for publication in publications]
        ages: Sequence[timedelta] = ()
        answers: Mapping[str, _Answer] = {}
        otherwise = _Failure("The platform said nothing about this post: Quarry asks again later.")
        try:
            adapter = self._adapters(account.platform)
            ages = adapter.capabilities.metric_pulls
            if isinstance(adapter, MeasuresPosts):
                answers = await self._ask(account, adapter, remote_ids)
            else:
                message = f"{adapter.capabilities.name} tells no results: its posts are not measured."
                otherwise = _Failure(message, series_over=True)
        except PublishError as error:
            otherwise = _Failure(error.user_message, error.retry_at, passes=_may_pass(error))
        except (KnownError, registry.UnknownPlatform) as error:
            otherwise = _Failure(str(error))
        except TimeoutError:
            otherwise = _Failure(f"{account.label} did not answer in time: Quarry asks again later.")
        except Exception as error:  # an adapter may be another's plugin: its bug stops no other account
            _log.exception("the adapter of %s failed while it was asked for metrics", account.platform)
            otherwise = _Failure(f"The adapter of {account.platform} failed ({type(error).__name__}).", passes=False)
        now = self._clock()
        pulls = [_pulled(one, answers.get(one.remote_id, otherwise), ages, now) for one in publications]
        await self._record(publications, pulls, now)
        for message in {pulled.message for pulled in pulls if pulled.message}:
            _log.info("no metrics from %s: %s", account.label, message)
        return pulls

    async def _ask(
        self, account: Account, adapter: MeasuresPosts, remote_ids: Sequence[str]
    ) -> Mapping[str, Metrics | Gone]:
        async def once() -> Mapping[str, Metrics | Gone]:
            async with self._accounts.context(account) as context:
                return await adapter.post_metrics(context, remote_ids)

        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            try:
                return await once()
            except PublishError as error:
                if error.kind is not ErrorKind.AUTH:
                    raise
            await self._accounts.refresh_now(account)  # tokens can be refused before their time
            return await once()

    async def _record(self, publications: Sequence[Publication], pulls: Sequence[Pulled], now: datetime) -> None:
        """Keep the answers and plan the next pulls, in one write."""

        def write(unit: Unit) -> None:
            for publication, pulled in zip(publications, pulls, strict=True):
                _keep(unit, publication, pulled, now)

        await asyncio.wrap_future(self._store.write(write))


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why there is no answer. `passes`: asking again can help; else the series goes on as planned."""

    message: str
    retry_at: datetime | None = None
    passes: bool = True
    series_over: bool = False


_Answer = Metrics | Gone | _Failure


def _may_pass(error: PublishError) -> bool:
    # After AUTH the account waits for its creator, and what is due then is asked for as soon as it is connected.
    return error.passes_by_itself or error.kind is ErrorKind.AUTH


def _pulled(publication: Publication, answer: _Answer, ages: Sequence[timedelta], now: datetime) -> Pulled:
    told = Pulled(publication.id, publication.account_id)
    planned = next_pull(publication.published_at, now, ages)
    match answer:
        case Metrics():
            return replace(told, metrics=checked(answer), next_at=planned)
        case Gone():
            return replace(told, gone=True)
        case _Failure(series_over=True):
            return replace(told, message=answer.message)
        case _Failure(passes=False):
            return replace(told, message=answer.message, next_at=planned)
        case _Failure():
            again = retry_pull(publication.published_at, now, ages, answer.retry_at)
            return replace(told, message=answer.message, next_at=again)


def _keep(unit: Unit, publication: Publication, pulled: Pulled, now: datetime) -> None:
    if pulled.gone:
        unit.publications.gone(publication.id)
        if all(one.gone_at is not None for one in unit.publications.of_post(publication.post_id)):
            unit.posts.set_state(publication.post_id, PostState.GONE, "The platform no longer has it.")
        return
    if pulled.metrics is not None:
        age = now - publication.published_at
        unit.snapshots.add(Snapshot(publication.id, now, pulled.metrics, age))
    unit.publications.pulled(publication.id, pulled.next_at)


def _askable(unit: Unit) -> list[Id]:
    return [account.id for account in unit.accounts.all() if account.state is AccountState.CONNECTED]


def checked(metrics: Metrics) -> Metrics:
    """The metrics without numbers that cannot be counts: those become "the platform does not tell"."""
    nonsense: dict[str, Any] = {
        field.name: None
        for field in fields(Metrics)
        if field.name != "raw" and not _is_count(getattr(metrics, field.name))
    }
    return replace(metrics, **nonsense) if nonsense else metrics


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST)
