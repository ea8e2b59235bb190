"""kill -9 of the scheduler, anywhere: every post goes out exactly once.

The platforms are a folder, the real Bluesky PDS and the X simulator. Where the platform cannot say whether an armed
post went out (X), the creator is asked; here the test looks at the platform and answers for them.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bootstrap import Services, open_services
from app.core.words import Account, Channel, PostState
from publishers.api import Content
from publishers.testing.x import XSimulator
from publishers.testing.x.simulator import HANDLE
from tests.app.publishing.mortal import Mortals, Order
from tests.servers.bluesky.pds import Pds

PASSPHRASE = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Platform:
    """Where the posts go, and what really stands there."""

    account: Account
    live: Callable[[], Sequence[str]]
    link: Callable[[str], str]


@pytest.fixture(autouse=True)
def vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARRY_VAULT_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr("app.secrets.vault.COST", 10)  # scrypt in milliseconds, here and in whoever opens the vault


@pytest.fixture(scope="module")
def mortals() -> Iterator[Mortals]:
    with Mortals({"QUARRY_VAULT_PASSPHRASE": PASSPHRASE}) as forking:
        yield forking


def local(services: Services, site: Path) -> Platform:
    answers = {"folder": str(site), "title": "Site"}
    account = services.loop.run(services.accounts.connect_password("local", answers)).result()
    return Platform(
        account, lambda: [path.read_text("utf-8") for path in site.glob("posts/*/text.txt")], lambda _text: ""
    )


def bluesky(services: Services, pds: Pds) -> Platform:
    who = pds.create_account()
    answers = {"server": pds.url, "identifier": who.handle, "password": pds.create_app_password(who)}
    account = services.loop.run(services.accounts.connect_password("bluesky", answers)).result()
    return Platform(account, lambda: [record["value"]["text"] for record in pds.records(who.did)], lambda _text: "")


def x(services: Services, simulator: XSimulator) -> Platform:
    async def connect() -> Account:
        waiting = await services.accounts.begin_browser("x", {"client_id": "quarry-client"}, server=simulator.url)

        async def agree() -> None:
            async with httpx.AsyncClient(follow_redirects=True) as browser:
                await browser.get(waiting.url)

        account, _ = await asyncio.gather(services.accounts.complete_browser(waiting), agree())
        return account

    services.store.write(lambda unit: unit.settings.set("oauth.port", free_port())).result()
    services.store.write(lambda unit: unit.settings.set("platform.x.settle_seconds", 0)).result()
    account = services.loop.run(connect()).result()
    posts = simulator.posts

    def link(text: str) -> str:
        return next((f"https://x.com/{HANDLE}/status/{post.id}" for post in posts.live if post.text == text), "")

    return Platform(account, lambda: [post.text for post in posts.live], link)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def queue(services: Services, platform: Platform, texts: Sequence[str]) -> None:
    """Posts that are due now."""
    channel = Channel(platform.account.platform, "post")
    for text in texts:
        post = services.publishing.add(Content.plain(text), channel, platform.account.id).result()
        services.publishing.publish_now(post.id).result()


def answer_for_the_creator(services: Services, platform: Platform) -> None:
    """What a person does who is asked: look at the platform and say what is there."""
    for post in services.publishing.listed(states=[PostState.NEEDS_USER]).result():
        link = platform.link(post.content.text)
        services.publishing.resolve(post.id, link=link, resend=not link).result()


def finish(services: Services, platform: Platform, texts: Sequence[str]) -> None:
    """Let an undisturbed scheduler end what is left, then compare with what really stands there."""
    for _ in range(len(texts) + 2):
        answer_for_the_creator(services, platform)
        services.loop.run(services.outbox.work_due()).result()
    states = Counter(post.state for post in services.publishing.listed().result())
    assert states == {PostState.PUBLISHED: len(texts)}
    assert Counter(platform.live()) == dict.fromkeys(texts, 1)


def random_order(rng: random.Random, data_dir: Path) -> Order:
    order = Order(str(data_dir))
    match rng.randrange(3):
        case 0:
            return replace(order, before_write=rng.randint(1, 9))
        case 1:
            return replace(order, after_write=rng.randint(1, 9))
    return replace(order, after_seconds=rng.uniform(0.02, 0.3))


def kill_until_done(services: Services, platform: Platform, mortals: Mortals, texts: Sequence[str], kills: int) -> None:
    """Random kills, then peace. The seed is printed when it fails."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    queue(services, platform, texts)
    killed = runs = 0
    while killed < kills:
        runs += 1
        if mortals.run(random_order(rng, services.folder.root)):
            killed += 1
        else:
            answer_for_the_creator(services, platform)
            waiting = services.publishing.listed(states=[PostState.SCHEDULED, PostState.PUBLISHING]).result()
            if not waiting:  # everything went out between the kills: more work, or nothing is tested
                more = [f"{texts[0]} again {killed}.{runs}"]
                texts = [*texts, *more]
                queue(services, platform, more)
    finish(services, platform, texts)


def some_texts(count: int) -> list[str]:
    return [f"Loaf {number}: {secrets.token_hex(4)} — 面包 🍞" for number in range(count)]


def test_kill_before_and_after_every_single_write(tmp_path: Path, mortals: Mortals) -> None:
    data = tmp_path / "data"
    with open_services(data) as services:
        platform = local(services, tmp_path / "site")
        texts: list[str] = []
        for moment in ("before_write", "after_write"):
            for write in range(1, 40):
                texts += (new := some_texts(1))
                queue(services, platform, new)
                deadly: dict[str, Any] = {moment: write}
                if not mortals.run(Order(str(data), **deadly)):
                    break
            else:
                pytest.fail("a publish never ends")
        assert len(texts) > 10
        finish(services, platform, texts)


def test_random_kills_on_the_local_folder(tmp_path: Path, mortals: Mortals, scale: int) -> None:
    with open_services(tmp_path / "data") as services:
        platform = local(services, tmp_path / "site")
        kill_until_done(services, platform, mortals, some_texts(4 * scale), kills=8 * scale)


def test_random_kills_on_x(tmp_path: Path, mortals: Mortals, scale: int) -> None:
    with XSimulator() as simulator, open_services(tmp_path / "data") as services:
        kill_until_done(services, x(services, simulator), mortals, some_texts(4 * scale), kills=10 * scale)


@pytest.mark.server
def test_thirty_random_kills_on_the_real_pds(tmp_path: Path, mortals: Mortals, pds: Pds, scale: int) -> None:
    with open_services(tmp_path / "data") as services:
        kill_until_done(services, bluesky(services, pds), mortals, some_texts(8 * scale), kills=30 * scale)
