"""quarry daemon: the scheduler without a window."""

from __future__ import annotations

import asyncio
import json as json_format
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
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
        with _ended_by_signals(opened.loop.run(_work(opened, once=once))) as ended:
            tell(Happening(opened.clock(), "started"))
            try:
                ended()
            except CancelledError:
                say("Stopped; posts that are due later wait for the next Quarry.")
        tell(Happening(opened.clock(), "stopped"))


@contextmanager
def _ended_by_signals(working: Future[None]) -> Iterator[Callable[[], None]]:
    """Inside, SIGTERM and SIGINT cancel `working`; what is given waits for its end and raises what it raised.

    Python runs a handler in the main thread alone. A signal that another thread was handed does not wake the main one
    out of a lock, and on Windows no signal does; a byte in a socket (`signal.set_wakeup_fd`) always does.
    """
    told, bell = socket.socketpair()

    def ring(_: object) -> None:
        with suppress(OSError):  # the wait is over and the socket gone
            bell.send(b"\0")

    def ended() -> None:
        while not working.done():
            told.recv(64)
        working.result()

    with told, bell:
        bell.setblocking(False)
        signal.set_wakeup_fd(bell.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: working.cancel())
        working.add_done_callback(ring)
        try:
            yield ended
        finally:
            signal.set_wakeup_fd(-1)


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
