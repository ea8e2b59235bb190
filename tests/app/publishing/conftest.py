"""The outbox over a store, with the local folder as the platform."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.accounts.service import Accounts
from app.core.background import BackgroundLoop
from app.core.clock import WallTime
from app.core.ids import Id
from app.core.words import Account, Attempt, Channel, Post
from app.media.service import MediaStore
from app.publishing.ledger import Tools
from app.publishing.service import PostDetails, Publishing
from app.publishing.worker import Worker
from app.store.database import Store
from publishers.api import Content
from tests.app.conftest import MovingClock

LOCAL = Channel("local", "post")


class Desk:
    """What the tests of this folder do all the time."""

    def __init__(self, store: Store, clock: MovingClock, loop: BackgroundLoop, site: Path) -> None:
        self.store, self.clock, self.loop, self.site = store, clock, loop, site
        self.publishing = Publishing(store)
        self.media = MediaStore(store, store.folder, clock)
        self.accounts = Accounts(store, _no_secrets, clock)
        self.events: list[str] = []
        self.workers: list[Worker] = []

    def worker(self) -> Worker:
        made = Worker(
            Tools(
                self.store,
                self.accounts,
                self.media,
                self.clock,
                lambda _attempt, run: self.events.append(f"{run.step}: {run.event}" if run.step else run.event),
            )
        )
        self.workers.append(made)
        return made

    def account(self) -> Account:
        answers = {"folder": str(self.site), "title": "Site"}
        return self.loop.run(self.accounts.connect_password("local", answers)).result()

    def due_post(self, text: str = "Hello", account: Account | None = None) -> Post:
        post = self.publishing.add(Content.plain(text), LOCAL, (account or self.account()).id).result()
        return self.publishing.schedule(post.id, WallTime.of(self.clock() - timedelta(seconds=1), "UTC")).result()

    def work(self, worker: Worker | None = None) -> int:
        return self.loop.run((worker or self.worker()).work_due()).result()

    def details(self, post_id: Id) -> PostDetails:
        return self.publishing.details(post_id).result()

    def attempt(self, post_id: Id) -> Attempt:
        """The newest one."""
        return self.details(post_id).attempts[0][0]

    def live(self) -> list[str]:
        """The texts that stand in the folder."""
        return sorted(path.read_text(encoding="utf-8") for path in self.site.glob("posts/*/text.txt"))

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.loop.run(self.accounts.close()).result()


def _no_secrets():
    raise AssertionError("the local folder has no secrets")


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    made = BackgroundLoop()
    yield made
    made.close()


@pytest.fixture
def desk(store: Store, clock: MovingClock, loop: BackgroundLoop, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(store, clock, loop, tmp_path / "site")
    yield made
    made.close()
