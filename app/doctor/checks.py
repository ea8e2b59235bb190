"""The checks. Each answers at once and changes nothing."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from app.core.folder import DataFolder
from app.core.words import AccountState
from app.daemon.heartbeat import last_beat
from app.models.machine import memory_bytes
from app.models.service import Models
from app.store.database import Store
from app.store.migrate import SCHEMA
from publishers import registry

_LOW_DISK = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `advice` is a sentence where it is not ok, or where something better is at hand."""

    name: str
    ok: bool
    value: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at."""

    folder: DataFolder
    store: Store
    models: Models
    now: datetime


def examine(patient: Patient) -> Iterator[Check]:
    """Every check, in the order a person would ask."""
    for check in _CHECKS:
        yield check(patient)


def _machine(_patient: Patient) -> Check:
    memory = f"{memory_bytes() / 2**30:.0f} GiB"
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return Check("machine", True, f"{system}, {memory}")


def _disk(patient: Patient) -> Check:
    free = shutil.disk_usage(patient.folder.root).free
    advice = "Free some space: drafts and media need it." if free < _LOW_DISK else ""
    return Check("disk", not advice, f"{free / 1e9:.1f} GB free", advice)


def _database(patient: Patient) -> Check:
    answer = patient.store.quick_check()
    advice = "" if answer == "ok" else "Close Quarry and restore the newest file of the backups folder."
    return Check("database", answer == "ok", f"schema {SCHEMA}, {answer}", advice)


def _engine(_patient: Patient) -> Check:
    if importlib.util.find_spec("torch") is None:
        return Check("engine", False, "torch is missing", "Run quarry.py again to install it.")
    return Check("engine", True, "torch is installed")


def _model(patient: Patient) -> Check:
    models = patient.models.listed()
    best = next((offer for offer in patient.models.offers() if offer.recommended), None)
    if not models:
        return Check("models", False, "none installed", "Run quarry.py again to get the starter model.")
    starter_only = all(model.known is not None and model.known.starter for model in models)
    advice = f"For real drafts import {best.model.name} ({best.model.id})." if starter_only and best else ""
    return Check("models", True, ", ".join(model.name for model in models), advice)


def _scheduler(patient: Patient) -> Check:
    beat = last_beat(patient.folder)
    due = patient.store.read(lambda unit: unit.posts.next_due()).result()
    if beat is not None and beat.alive(patient.now):
        return Check("scheduler", True, f"runs in process {beat.pid}")
    waiting = due is not None
    advice = "Open the window or run `quarry daemon`: posts are waiting for their time." if waiting else ""
    return Check("scheduler", not waiting, "does not run", advice)


def _accounts(patient: Patient) -> Check:
    accounts = patient.store.read(lambda unit: unit.accounts.all()).result()
    asleep = [account for account in accounts if account.state is AccountState.NEEDS_SIGN_IN]
    advice = f"Connect {', '.join(account.label for account in asleep)} again." if asleep else ""
    return Check("accounts", not asleep, f"{len(accounts)} connected", advice)


def _platforms(_patient: Patient) -> Check:
    broken = registry.broken()
    loaded = [name for name in registry.platform_ids() if name not in broken]
    return Check("platforms", not broken, ", ".join(loaded), " ".join(broken.values()))


_CHECKS: tuple[Callable[[Patient], Check], ...] = (
    _machine,
    _disk,
    _database,
    _engine,
    _model,
    _scheduler,
    _accounts,
    _platforms,
)
