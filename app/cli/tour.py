"""quarry tour: the main job once, for real."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli.options import DataDir, Json, say, services, show
from app.cli.writing import Writing
from app.core.errors import KnownError
from app.core.folder import default_data_folder
from app.tour.record import Record, Step
from app.tour.run import Guide
from app.tour.run import tour as walk


def tour(
    topic: Annotated[str, typer.Option(help="What the post is about.")] = "",
    model: Annotated[str, typer.Option(help="A model of `quarry models list`.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Draft, schedule, publish and measure one post in a new folder; fails unless every step happened."""
    folder = (data_dir or default_data_folder()) / f"tour-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    record = Record(str(folder))
    problem: KnownError | None = None
    with services(folder) as opened:
        guide = Guide(
            models=opened.models,
            accounts=opened.accounts,
            drafting=opened.drafting,
            publishing=opened.publishing,
            pulls=opened.pulls,
            ranking=opened.ranking,
            outbox=opened.outbox,
            clock=opened.clock,
        )
        try:
            opened.loop.run(walk(guide, folder, record, say, Writing(), topic=topic, model=model)).result()
        except KnownError as error:
            problem = error
    show(record.to_json(), "\n".join(_line(step) for step in record.steps), as_json=json)
    if problem:
        raise problem
    if not record.ok:
        raise KnownError(f"The tour did not do every step; what it did is kept in {folder}.")
    say(f"Everything is kept in {folder}.")


def _line(step: Step) -> str:
    return f"{'ok ' if step.ok else 'BAD'} {step.name:<9} {step.seconds:6.1f} s"
