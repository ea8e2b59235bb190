"""The report of an unexpected error: what a developer needs, and nothing secret."""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Iterable
from pathlib import Path

from app.core.clock import utc_now

_KEPT = 20
_SECRET_VARIABLES = ("QUARRY_VAULT_PASSPHRASE", "QUARRY_ENGINE_TOKEN")


def write_report(logs: Path, error: BaseException, secrets: Iterable[str] = ()) -> Path:
    """Write what is known of `error`, with `secrets` blotted out; the newest 20 reports are kept.

    Raises OSError where that cannot be."""
    text = describe(error, secrets)
    logs.mkdir(parents=True, exist_ok=True)
    for old in sorted(logs.glob("report-*.txt"))[: 1 - _KEPT]:
        old.unlink(missing_ok=True)
    path = logs / f"report-{utc_now():%Y%m%d-%H%M%S-%f}.txt"
    path.write_text(text, encoding="utf-8")
    return path


def describe(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """System and traceback. A traceback shows no values of variables, but an error's own words may quote one."""
    head = f"Quarry on {platform.platform()}, Python {platform.python_version()}\n\n"
    text = head + "".join(traceback.format_exception(error))
    for secret in (*secrets, *(os.environ.get(name, "") for name in _SECRET_VARIABLES)):
        if secret:
            text = text.replace(secret, "…")
    return text
