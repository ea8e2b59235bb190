"""Drafting with the real engine and the starter model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.background import BackgroundLoop
from app.core.errors import KnownError, ServiceDown, Stale
from app.core.folder import DataFolder
from app.core.ids import new_id
from app.core.settings import MachineSettings
from app.core.words import Brief, Channel, DraftState, Fitted, GenerationState, Length
from app.drafting.events import DraftingEvent, GenerationEnded, VariantDrafted, VariantStarted, VariantText
from app.drafting.service import Drafting
from app.models.service import Models
from app.store.database import Store
from publishers import registry
from publishers.api import Content, Count, Unit
from tests.app.conftest import MovingClock

LOCAL, X, BLUESKY = Channel("local", "post"), Channel("x", "post"), Channel("bluesky", "post")

SEED = 4  # what the starter model says to `brief()` with it is short, and so are the tests

SMALL = MachineSettings(engine_context=1024, engine_threads=1)  # one thread: other tests may run beside this one


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, starter_model: Path) -> Iterator[Models]:
    """One engine for the module, started here so that it counts as nobody's leak."""
    made = Models(DataFolder(tmp_path_factory.mktemp("engine")).prepare(), SMALL, starter_model.parent)

    async def start() -> None:
        async with made.running():
            pass

    asyncio.run(start())
    yield made
    made.close()


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    made = BackgroundLoop()
    yield made
    made.close()


@pytest.fixture
def drafting(store: Store, models: Models) -> Drafting:
    return Drafting(store, models)


def brief(*channels: Channel, topic: str = "We open at nine") -> Brief:
    return Brief(new_id(), topic, length=Length.SHORT, channels=channels or (LOCAL,))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, models: Models) -> str:
    """What the starter model says to `brief()` with `SEED`, in a data folder of its own."""
    store = Store(DataFolder(tmp_path_factory.mktemp("expected")))
    drafting = Drafting(store, models)
    [generation] = drafting.start(brief(), variants=1, seed=SEED).result()
    [draft] = asyncio.run(drafting.run(generation.id))
    store.close()
    return draft.text


def test_a_brief_becomes_streamed_variants_with_their_provenance(
    drafting: Drafting, store: Store, loop: BackgroundLoop, expected: str
) -> None:
    [generation] = drafting.start(brief(), variants=2, seed=SEED).result()
    seen: list[DraftingEvent] = []
    drafts = loop.run(drafting.run(generation.id, seen.append)).result()
    assert [draft.variant for draft in drafts] == [0, 1]
    assert drafts[0].text == expected
    assert drafts[1].text not in {expected, ""}
    for draft in drafts:
        assert draft.provenance.model == "SmolLM2-135M-Instruct.Q4_1"
        assert draft.provenance.quantisation == "Q4_1"
        assert len(draft.provenance.file_sha256) == 64
        assert draft.provenance.prompt_version == generation.prompt_version
        assert draft.provenance.tokens_per_second > 0
    assert store.read(lambda unit: unit.prompts.text(generation.prompt_version)).result()
    assert isinstance(seen[0], VariantStarted)
    assert seen[-1] == GenerationEnded(generation.id, GenerationState.DONE)
    assert sum(isinstance(event, VariantDrafted) for event in seen) == 2
    grown = [event.text for event in seen if isinstance(event, VariantText) and event.variant == 0]
    assert len(grown) > 3
    assert store.read(lambda unit: unit.generations.get(generation.id)).result().partial == {}


# What the starter model says with these seeds: with the second it keeps to 50 characters when it is asked to shorten.
@pytest.mark.parametrize(("limit", "seed", "fitted"), [(20, SEED, Fitted.CUT), (50, 1, Fitted.SHORTENED)])
def test_a_text_that_is_too_long_is_shortened_or_cut_and_says_so(
    drafting: Drafting, loop: BackgroundLoop, monkeypatch: pytest.MonkeyPatch, limit: int, seed: int, fitted: Fitted
) -> None:
    """A channel with a tiny limit: the starter model cannot keep to it, so the fitting must."""
    adapter = registry.get("bluesky")
    [post, *others] = adapter.capabilities.formats
    tiny = replace(post, text=replace(post.text, value=limit))
    monkeypatch.setattr(adapter, "capabilities", replace(adapter.capabilities, formats=(tiny, *others)), raising=False)
    monkeypatch.setattr(
        type(adapter), "count", lambda _self, text, _format="": Count(len(text), limit, Unit.CHARACTERS)
    )
    [generation] = drafting.start(brief(BLUESKY), variants=1, seed=seed).result()
    [draft] = loop.run(drafting.run(generation.id)).result()
    assert 0 < len(draft.text) <= limit
    assert draft.fitted is fitted
    assert (draft.fitted is Fitted.CUT) == any(issue.code == "draft.cut" for issue in draft.issues)


def test_an_engine_killed_in_mid_stream_is_started_again(
    store: Store, folder: DataFolder, starter_model: Path, loop: BackgroundLoop, expected: str
) -> None:
    models = Models(folder.prepare(), SMALL, starter_model.parent)
    drafting = Drafting(store, models)
    [generation] = drafting.start(brief(), variants=1, seed=SEED).result()
    killed: list[int] = []

    def kill_once(event: DraftingEvent) -> None:
        if isinstance(event, VariantText) and len(event.text) > 20 and not killed:
            [address] = folder.run.glob("engine-*.json")
            killed.append(json.loads(address.read_text())["pid"])
            os.kill(killed[0], signal.SIGKILL)

    try:
        [draft] = loop.run(drafting.run(generation.id, kill_once)).result()
    finally:
        models.close()
    assert killed
    assert draft.text == expected


def test_a_crash_leaves_partial_texts_and_the_drafts_are_finished_later(
    drafting: Drafting, store: Store, loop: BackgroundLoop, clock: MovingClock, expected: str
) -> None:
    [generation] = drafting.start(brief(), variants=1, seed=SEED).result()
    # As a process that died after its first second left it: running, leased, one variant half said.
    store.write(lambda unit: unit.generations.claim(generation.id, timedelta(seconds=30))).result()
    store.write(
        lambda unit: unit.generations.keep_partial(generation.id, {0: "Half a"}, timedelta(seconds=30))
    ).result()
    assert drafting.unfinished().result() == []
    with pytest.raises(KnownError, match="nothing was started twice"):
        loop.run(drafting.run(generation.id)).result()
    clock.move(seconds=31)
    [left] = drafting.unfinished().result()
    assert left.partial == {0: "Half a"}
    assert [draft.text for draft in loop.run(drafting.run(left.id)).result()] == [expected]


def test_canceling_keeps_what_was_said(drafting: Drafting, store: Store, loop: BackgroundLoop) -> None:
    [generation] = drafting.start(brief(), variants=1, seed=1).result()
    talking = asyncio.Event()
    ended: list[GenerationEnded] = []

    def on_event(event: DraftingEvent) -> None:
        if isinstance(event, VariantText) and event.text:
            talking.set()
        if isinstance(event, GenerationEnded):
            ended.append(event)

    async def cancel_while_talking() -> None:
        task = asyncio.create_task(drafting.run(generation.id, on_event))
        await talking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    loop.run(cancel_while_talking()).result()
    assert [event.state for event in ended] == [GenerationState.CANCELED]
    assert store.read(lambda unit: unit.generations.get(generation.id)).result().state is GenerationState.CANCELED


def test_no_server_at_the_endpoint_is_said_and_the_brief_kept(
    drafting: Drafting, store: Store, loop: BackgroundLoop
) -> None:
    wanted = brief()
    [generation] = drafting.start(wanted, endpoint="http://127.0.0.1:9").result()
    with pytest.raises(ServiceDown, match="No text was lost"):
        loop.run(drafting.run(generation.id)).result()
    assert store.read(lambda unit: unit.briefs.get(wanted.id)).result().topic == wanted.topic
    failed = store.read(lambda unit: unit.generations.get(generation.id)).result()
    assert failed.state is GenerationState.FAILED
    assert failed.error


@pytest.mark.parametrize(
    ("wrong", "how"),
    [
        (brief(topic="  "), {}),
        (brief(), {"variants": 0}),
        (brief(), {"variants": 21}),
        (replace(brief(), channels=()), {}),
    ],
)
def test_what_cannot_be_drafted_is_refused_before_anything_is_stored(
    drafting: Drafting, store: Store, wrong: Brief, how: dict[str, Any]
) -> None:
    with pytest.raises(KnownError, match="draft"):
        drafting.start(wrong, **how)
    assert store.read(lambda unit: unit.briefs.recent()).result() == []


def test_edits_become_revisions_and_are_checked(drafting: Drafting, store: Store) -> None:
    draft = drafting.write_by_hand(Content.plain("short"), X).result()
    edited = drafting.edit(draft.id, Content.plain("long " * 100), draft.version).result()
    assert [issue.severity for issue in edited.issues] == ["error"]
    with pytest.raises(Stale, match="copy it"):
        drafting.edit(draft.id, Content.plain("other"), draft.version).result()
    assert [content.text for content in store.read(lambda unit: unit.drafts.revisions(draft.id)).result()] == ["short"]
    drafting.discard(draft.id).result()
    assert store.read(lambda unit: unit.drafts.get(draft.id)).result().state is DraftState.DISCARDED
