"""quarry doctor: what works here and what does not."""

from __future__ import annotations

from dataclasses import asdict

from app.cli.options import DataDir, Json, services, show
from app.core.errors import KnownError
from app.doctor.checks import Check, Patient, examine


def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    """Check machine, engine, models, scheduler, accounts and database."""
    with services(data_dir) as opened:
        checks = list(examine(Patient(opened.folder, opened.store, opened.models, opened.clock())))
    ok = all(check.ok for check in checks)
    lines = [_line(check) for check in checks]
    show({"ok": ok, "checks": [asdict(check) for check in checks]}, "\n".join(lines), as_json=json)
    if not ok:
        raise KnownError("Something needs your hand: see the lines marked BAD.")


def _line(check: Check) -> str:
    return f"{'ok ' if check.ok else 'BAD'} {check.name:<10} {check.value}  {check.advice}".rstrip()
