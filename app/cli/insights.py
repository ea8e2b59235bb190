"""quarry insights: what results teach."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from app.analytics.periods import METRICS, Comparison
from app.bootstrap import Services
from app.cli.options import DataDir, FromDay, Json, Limit, ToDay, day, say, services, show
from app.core.clock import WallTime, local_zone
from app.core.errors import KnownError
from app.core.ids import short
from app.ranking.leaderboard import Leaderboard
from app.ranking.uplift import Uplift

app = typer.Typer(name="insights", help="Results of what was published.", no_args_is_help=True)
Csv = Annotated[Path | None, typer.Option("--csv", help="Write the rows to this file, for a spreadsheet.")]
_USUAL_DAYS = 28


@app.command()
def overview(start: FromDay = "", end: ToDay = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Totals of a period beside the equally long one before it; without days the last 28."""
    with services(data_dir) as opened:
        first, last = _period(opened, start, end)
        until = last or opened.clock()
        since = first or until - timedelta(days=_USUAL_DAYS)
        seen = opened.analytics.overview(since, until, opened.settings.zone or local_zone()).result()
    show(
        {"from": seen.start.isoformat(), "to": seen.end.isoformat(), "comparison": asdict(seen.comparison)},
        "\n".join([f"{len(seen.results)} posts in {(until - since).days} days.", *_totals(seen.comparison)]),
        as_json=json,
    )


@app.command()
def posts(
    start: FromDay = "",
    end: ToDay = "",
    limit: Limit = 50,
    file: Csv = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List publications by how they did against their account's usual, the best first."""
    with services(data_dir) as opened:
        first, last = _period(opened, start, end)
        scored = opened.ranking.content_scores().result()
    kept = [one for one in scored if _lies_in(one.result.publication.published_at, first, last)][:limit]
    rows = [_post(one) for one in kept]
    if file:
        _write_csv(file, [{**row, **row.pop("metrics")} for row in map(dict, rows)], ("uplift", *METRICS))
    show(rows, "\n".join(map(_post_line, rows)) or "Nothing was published yet, or nothing then.", as_json=json)


@app.command()
def models(limit: Limit = 50, file: Csv = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Rank the models by what their posts did."""
    with services(data_dir) as opened:
        _show(opened.ranking.models().result(), limit, file, json)


@app.command()
def prompts(limit: Limit = 50, file: Csv = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Rank the prompt versions by what their posts did."""
    with services(data_dir) as opened:
        _show(opened.ranking.prompts().result(), limit, file, json)


def _period(opened: Services, start: str, end: str) -> tuple[datetime | None, datetime | None]:
    """From the beginning of the first day to the end of the last one, on the creator's wall clock."""
    zone = opened.settings.zone or local_zone()
    first, last = day(start), day(end)
    return (
        WallTime(first, zone).to_utc() if first else None,
        WallTime(last + timedelta(days=1), zone).to_utc() if last else None,
    )


def _lies_in(time: datetime, first: datetime | None, last: datetime | None) -> bool:
    return (first is None or first <= time) and (last is None or time < last)


def _totals(comparison: Comparison) -> list[str]:
    lines = []
    for name, total in comparison.now.metrics.items():
        if total.value is not None:
            change = comparison.changes[name]
            than = "" if change is None else f"  {change:+.0%} than the period before"
            lines.append(f"  {name:<14} {total.value:>8}  of {total.n} posts that tell{than}")
    return lines


def _post(one: Uplift) -> dict[str, Any]:
    result = one.result
    return {
        "post": result.publication.post_id,
        "channel": str(result.channel),
        "permalink": result.publication.permalink,
        "published": result.publication.published_at.isoformat(),
        "uplift": one.value,
        "metrics": {name: value for name in METRICS if (value := getattr(result.metrics, name)) is not None},
    }


def _post_line(row: dict[str, Any]) -> str:
    did = "cannot be compared yet" if row["uplift"] is None else f"uplift {row['uplift']:+.2f}"
    told = ", ".join(f"{name} {value}" for name, value in row["metrics"].items())
    return f"{short(row['post'])}  {row['channel']:<16} {did}  {told}"


def _show(board: Leaderboard, limit: int, file: Path | None, as_json: bool) -> None:
    rows = [{**asdict(row), "verdict": row.verdict} for row in board.rows[:limit]]
    lines = [
        f"{row.label:<32} n={row.n:<4} uplift {row.uplift:+.2f} [{row.low:+.2f}, {row.high:+.2f}]  {row.verdict}"
        for row in board.rows[:limit]
    ]
    if file:
        _write_csv(file, rows, ())
    show({"best": board.best, "note": board.note, "rows": rows}, "\n".join([*lines, board.note]), as_json=as_json)


def _write_csv(path: Path, rows: Sequence[dict[str, Any]], more_columns: Sequence[str]) -> None:
    columns = list(dict.fromkeys([*(name for row in rows for name in row), *more_columns]))
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:  # the mark makes spreadsheets read UTF-8
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise KnownError(f"{path} could not be written ({error.strerror}): choose another file.") from error
    say(f"{len(rows)} rows are in {path}.")
