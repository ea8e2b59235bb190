"""Simulated creators: accounts whose posts have a known truth behind them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from app.core.ids import new_id
from app.core.words import Channel, Provenance, Publication
from app.store.repositories.results import Result
from publishers.api import Metrics
from tests.app.samples import NOON

RESIDUAL = 0.8  # SD of the log of engagement among posts of one model


def fresh_random() -> tuple[np.random.Generator, str]:
    """A generator nobody has tuned for, and the words with which a failing test says how to get it again."""
    seed = secrets.randbits(32)
    return np.random.default_rng(seed), f"seed {seed}"


def result(
    metrics: Metrics,
    *,
    model: str = "starter",
    prompt: str = "post/1",
    account: str = "account",
    channel: str = "x/post",
    days: float = 0,
    age: timedelta = timedelta(days=30),
) -> Result:
    """A publication of `days` after NOON, measured at `age`."""
    at = NOON + timedelta(days=days)
    publication = Publication(new_id(), new_id(), new_id(), account, new_id(), "", at)
    provenance = Provenance(model=model, prompt_version=prompt if model else "")
    return Result(publication, Channel(*channel.split("/")), at + age, metrics, provenance, "")


def creator(
    random: np.random.Generator,
    effects: Mapping[str, float],
    posts: int,
    accounts: Sequence[float] = (30.0, 3000.0),
    **fields: Any,
) -> list[Result]:
    """`posts` of each model, spread over accounts of these usual engagements, in mixed order over three months."""
    results = []
    for model, effect in effects.items():
        for index in range(posts):
            usual = np.log(accounts[index % len(accounts)])
            engaged = int(random.poisson(np.exp(random.normal(usual + effect, RESIDUAL))))
            account = f"account {index % len(accounts)}"
            days = float(random.uniform(0, 80))
            results.append(result(Metrics(reactions=engaged), model=model, account=account, days=days, **fields))
    return results


def true_uplifts(random: np.random.Generator, effects: Mapping[str, float]) -> dict[str, float]:
    """Effects against the median of all posts together, which is what an account usually gets."""
    everybody = np.concatenate([random.normal(effect, RESIDUAL, 20_000) for effect in effects.values()])
    usual = float(np.median(everybody))
    return {model: effect - usual for model, effect in effects.items()}
