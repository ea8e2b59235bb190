"""quarry calendar: what goes out when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from app.cli.options import DataDir, Json, services, show
from app.core.clock import WallTime, local_zone
from app.core.errors import WrongUsage
from app.core.ids import short


def calendar(
    start: Annotated[str, typer.Option("--from", help="First day, e.g. 2026-12-01; today where left out.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day; a week later where left out.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the posts of some days by their time."""
    with services(data_dir) as opened:
        zone = opened.settings.zone or local_zone()
        today = WallTime.of(opened.clock(), zone).local.replace(hour=0, minute=0, second=0, microsecond=0)
        first = _day(start) or today
        last = (_day(end) or first + timedelta(days=6)) + timedelta(days=1)
        posts = opened.publishing.due_between(WallTime(first, zone).to_utc(), WallTime(last, zone).to_utc()).result()
    rows: list[dict[str, str]] = []
    for post in sorted(posts, key=lambda post: (post.due_at is None, post.due_at)):
        assert post.due_at is not None
        rows.append(
            {
                "id": post.id,
                "time": WallTime.of(post.due_at, zone).local.isoformat(timespec="minutes"),
                "zone": zone,
                "channel": str(post.channel),
                "state": post.state.value,
                "text": post.content.text,
            }
        )
    lines = [
        f"{row['time']}  {short(row['id'])}  {row['state']:<12} {row['channel']:<16} {row['text'][:60]}" for row in rows
    ]
    show(rows, "\n".join(lines) or f"Nothing is planned from {first:%Y-%m-%d} on.", as_json=json)


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d")
    except ValueError as error:
        raise WrongUsage(f"“{text}” is no day: write it like 2026-12-24.") from error
