"""quarry daemon: the scheduler without a window."""

from __future__ import annotations

import json as json_format
import signal
from typing import Annotated

import typer

from app.cli.options import DataDir, Json, say, services
from app.core.words import Generation
from app.daemon.outbox import Happening


def daemon(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then end.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Publish what is due, measure what was published and finish interrupted drafts; one line an event."""

    def on_happening(happening: Happening) -> None:
        if json:
            typer.echo(json_format.dumps(happening.to_json(), ensure_ascii=False))
        else:
            typer.echo(f"{happening.time:%Y-%m-%d %H:%M:%S} {happening.event} {happening.post[-8:]} {happening.detail}")

    with services(data_dir) as opened:
        opened.outbox.listen(on_happening)
        resumed: list[Generation] = list(opened.drafting.unfinished().result())
        work = opened.outbox.work_due() if once else opened.outbox.run_forever()
        future = opened.loop.run(work)
        signal.signal(signal.SIGTERM, lambda *_: future.cancel())
        signal.signal(signal.SIGINT, lambda *_: future.cancel())
        for generation in resumed:
            say(f"Finishing interrupted drafts for {generation.channel}.")
            opened.loop.run(opened.drafting.run(generation.id)).result()
        try:
            future.result()
        except BaseException as error:
            if not future.cancelled():
                raise
            say(f"Stopped; posts that are due later wait for the next Quarry. {type(error).__name__}")
