"""quarry calendar: what goes out when."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from app.cli.options import DataDir, FromDay, Json, Limit, ToDay, day, services, show
from app.core.clock import WallTime, local_zone
from app.core.ids import short


def calendar(
    start: FromDay = "",
    end: ToDay = "",
    account: Annotated[str, typer.Option(help="Only posts of this account: its id, or the end of it.")] = "",
    limit: Limit = 200,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the posts of some days by their time; without days those of the seven from today on."""
    with services(data_dir) as opened:
        zone = opened.settings.zone or local_zone()
        today = WallTime.of(opened.clock(), zone).local.replace(hour=0, minute=0, second=0, microsecond=0)
        first = day(start) or today
        last = (day(end) or first + timedelta(days=6)) + timedelta(days=1)
        owner = opened.accounts.get(account).result().id if account else ""
        posts = opened.publishing.due_between(WallTime(first, zone).to_utc(), WallTime(last, zone).to_utc()).result()
    rows: list[dict[str, str]] = []
    planned = [post for post in posts if not owner or post.account_id == owner]
    for post in sorted(planned, key=lambda post: (post.due_at is None, post.due_at))[:limit]:
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
