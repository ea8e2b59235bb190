"""quarry daemon: the scheduler without a window."""

from __future__ import annotations

import asyncio
import json as json_format
import signal
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Annotated

import typer

from app.bootstrap import Services
from app.cli.options import DataDir, Json, printable, say, services
from app.core.errors import KnownError
from app.daemon.outbox import Happening


def daemon(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then end.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Publish what is due, measure what was published and finish interrupted drafts; one line an event."""

    def tell(happening: Happening) -> None:
        typer.echo(json_format.dumps(happening.to_json(), ensure_ascii=False) if json else _line(happening))

    with services(data_dir) as opened:
        opened.outbox.listen(tell)
        working = opened.loop.run(_work(opened, once=once))
        signal.signal(signal.SIGTERM, lambda *_: working.cancel())
        signal.signal(signal.SIGINT, lambda *_: working.cancel())
        tell(Happening(opened.clock(), "started"))
        try:
            working.result()
        except CancelledError:
            say("Stopped; posts that are due later wait for the next Quarry.")
        tell(Happening(opened.clock(), "stopped"))


async def _work(opened: Services, *, once: bool) -> None:
    drafts = asyncio.create_task(_finish_drafts(opened))
    try:
        if once:
            await opened.outbox.work_due()
            await drafts
        else:
            await opened.outbox.run_forever()
    finally:
        drafts.cancel()
        with suppress(asyncio.CancelledError):
            await drafts


async def _finish_drafts(opened: Services) -> None:
    """Write what a crash left unwritten. A model that is missing keeps no post from going out."""
    for generation in await asyncio.wrap_future(opened.drafting.unfinished()):
        say(f"Finishing interrupted drafts for {generation.channel}.")
        try:
            await opened.drafting.run(generation.id)
        except KnownError as error:
            say(error.message)


def _line(happening: Happening) -> str:
    words = (f"{happening.time:%Y-%m-%d %H:%M:%S}", happening.event, happening.post[-8:], happening.detail)
    return printable(" ".join(word for word in words if word))
