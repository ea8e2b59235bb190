"""Single steps of the adapter against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from publishers.api import (
    Content,
    Context,
    Outcome,
    Part,
    Reconciled,
    State,
)
from publishers.testing.bench import Trial
from publishers.testing.conformance import Route, Sample
from publishers.x.adapter import adapter
from tests.publishers.x.under_test import XUnderTest

T = TypeVar("T")
CREATE = Route("POST", "^/2/tweets$")
THREAD = Content((Part("one"), Part("two"), Part("three")))


def ask(platform: XUnderTest, call: Callable[[Context], Awaitable[T]]) -> T:
    """Call with a context of the account."""

    async def run() -> T:
        async with platform.open_context(platform.tokens, "attempt") as context:
            return await call(context)

    return asyncio.run(run())


def run_step(platform: XUnderTest, content: Content, name: str, state: State) -> tuple[State, Outcome]:
    (step,) = [step for step in adapter.plan(content, "thread").steps if step.name == name]
    return ask(platform, lambda context: step.run(context, state))


def reconcile(platform: XUnderTest, content: Content, step: str, state: State, **settings: Any) -> Reconciled:
    platform.settings = settings
    since = platform.clock.now()
    return ask(platform, lambda context: adapter.reconcile(context, content, step, state, since))


def attempt(platform: XUnderTest, content: Content, format_id: str = "") -> Trial:
    return Trial(platform, Sample("own", content, format_id), "", platform.folder / "record.json")
