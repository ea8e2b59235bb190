"""quarry insights: what results teach."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import typer

from app.cli.options import DataDir, Json, services, show
from app.core.clock import local_zone
from app.core.ids import short
from app.ranking.leaderboard import Leaderboard

app = typer.Typer(name="insights", help="Results of what was published.", no_args_is_help=True)


@app.command()
def models(data_dir: DataDir = None, json: Json = False) -> None:
    """Rank the models by what their posts did."""
    with services(data_dir) as opened:
        _show(opened.ranking.models().result(), json)


@app.command()
def prompts(data_dir: DataDir = None, json: Json = False) -> None:
    """Rank the prompt versions by what their posts did."""
    with services(data_dir) as opened:
        _show(opened.ranking.prompts().result(), json)


@app.command()
def posts(data_dir: DataDir = None, json: Json = False) -> None:
    """List publications by how they did against their account's usual."""
    with services(data_dir) as opened:
        scored = opened.ranking.content_scores().result()
    rows: list[dict[str, Any]] = []
    for one in scored:
        result = one.result
        numbers = {name: value for name, value in asdict(result.metrics).items() if name != "raw" and value is not None}
        rows.append(
            {
                "post": result.publication.post_id,
                "channel": str(result.channel),
                "permalink": result.publication.permalink,
                "uplift": one.value,
                "metrics": numbers,
            }
        )
    lines = []
    for row in rows:
        did = "cannot be compared yet" if row["uplift"] is None else f"uplift {row['uplift']:+.2f}"
        told = ", ".join(f"{name} {value}" for name, value in row["metrics"].items())
        lines.append(f"{short(row['post'])}  {row['channel']:<16} {did}  {told}")
    show(rows, "\n".join(lines) or "Nothing was published yet.", as_json=json)


@app.command()
def overview(days: int = 28, data_dir: DataDir = None, json: Json = False) -> None:
    """Totals of the last days beside the days before them."""
    with services(data_dir) as opened:
        end = opened.clock()
        zone = opened.settings.zone or local_zone()
        seen = opened.analytics.overview(end - timedelta(days=days), end, zone).result()
    show(
        {"from": seen.start.isoformat(), "to": seen.end.isoformat(), "comparison": asdict(seen.comparison)},
        f"{len(seen.results)} posts in {days} days.",
        as_json=json,
    )


def _show(board: Leaderboard, as_json: bool) -> None:
    rows = [{**asdict(row), "verdict": row.verdict} for row in board.rows]
    lines = [
        f"{row.label:<32} n={row.n:<4} uplift {row.uplift:+.2f} [{row.low:+.2f}, {row.high:+.2f}]  {row.verdict}"
        for row in board.rows
    ]
    show({"best": board.best, "note": board.note, "rows": rows}, "\n".join([*lines, board.note]), as_json=as_json)
