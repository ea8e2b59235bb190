"""The answer to one request on its way: events come from the scheduler's thread and leave as JSON."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from engine.choices import Choice
from engine.fields import RequestError
from engine.generation import Event, Generation
from engine.guard import error_body
from engine.metrics import Metrics
from engine.protocol import Delta, Finished, Usage
from engine.scheduler import QueueFull, Scheduler, TooLarge
from engine.structure import StructureError

Emit = Callable[[Event], object]


class Answer:
    """One or several choices, made at the same time. However the client goes away, their generations are cancelled."""

    def __init__(
        self, model_id: str, choices: Sequence[Choice], metrics: Metrics, *, prompts: int = 1, include_usage: bool
    ) -> None:
        """`choices` belong to `prompts` prompts in turn: the first ones to the first, and so on."""
        self._choices = choices
        self._metrics = metrics
        self._per_prompt = len(choices) // prompts
        self._include_usage = include_usage
        self._events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self._generations: list[Generation] = []
        self._usages: dict[int, Usage] = {}
        self._begun = time.monotonic()
        self._head = {
            "id": f"{choices[0].id_prefix}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model_id,
        }

    def start(self, scheduler: Scheduler, make: Callable[[int, Emit], Generation]) -> None:
        """Queue a generation for each choice, made of its index and its listener. Raises RequestError (429, 400)."""
        loop = asyncio.get_running_loop()

        def emit(index: int, event: Event) -> None:
            loop.call_soon_threadsafe(self._events.put_nowait, (index, event))

        self._generations = [make(index, partial(emit, index)) for index in range(len(self._choices))]
        try:
            for generation in self._generations:
                scheduler.submit(generation)
        except QueueFull as error:
            self.cancel()
            raise queue_full() from error
        except TooLarge as error:
            self.cancel()
            raise too_large(max(each.memory for each in self._generations), scheduler.memory or 0) from error

    def cancel(self) -> None:
        """Stop generating; harmless at the end."""
        for generation in self._generations:
            generation.cancel()

    async def whole(self, request: Request) -> dict[str, Any]:
        """The complete answer. Raises ClientDisconnect where nobody waits for it any more."""
        async with aclosing(self._until_gone(request)) as events:
            async for index, event in events:
                choice = self._choices[index]
                for _ in choice.take(event) if isinstance(event, Delta) else choice.end(event.reason):
                    pass  # the chunks are for streams
        if len(self._usages) < len(self._choices):
            raise ClientDisconnect
        choices = [choice.whole() for choice in self._choices]
        kind = self._choices[0].answer_kind
        return {**self._head, "object": kind, "choices": choices, "usage": self._usage()}

    async def server_sent_events(self, request: Request) -> AsyncIterator[str]:
        """The answer as a stream of chunks, then [DONE]. An error in the middle is sent as an error object."""
        for choice in self._choices:
            for line in self._lines(choice.begin()):
                yield line
        try:
            async with aclosing(self._until_gone(request)) as events:
                async for index, event in events:
                    choice = self._choices[index]
                    for line in self._lines(
                        choice.take(event) if isinstance(event, Delta) else choice.end(event.reason)
                    ):
                        yield line
        except RequestError as error:
            yield _server_sent_event(error_body(error.message, kind="server_error", code=error.code))
            return
        if self._include_usage:
            yield self._chunk([], self._usage())
        yield "data: [DONE]\n\n"

    async def _until_gone(self, request: Request) -> AsyncGenerator[tuple[int, Delta | Finished], None]:
        """Events up to the last Finished; ends early, the generations cancelled, when the client hangs up."""
        gone = asyncio.ensure_future(_disconnected(request))
        coming = asyncio.ensure_future(self._events.get())
        shown, ended = False, "cancelled"
        try:
            while len(self._usages) < len(self._choices):
                await asyncio.wait((coming, gone), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    return
                index, event = coming.result()
                coming = asyncio.ensure_future(self._events.get())
                if isinstance(event, Exception):
                    ended = "failed"
                    raise _failure(event) from event
                if not shown:
                    self._metrics.first_token(time.monotonic() - self._begun)
                    shown = True
                if isinstance(event, Finished):
                    self._usages[index] = event.usage
                    self._metrics.finished(event, time.monotonic() - self._begun)
                yield index, event
        finally:
            for _ in range(len(self._choices) - len(self._usages)):
                self._metrics.broken_off(ended)
            self.cancel()
            gone.cancel()
            coming.cancel()

    def _lines(self, choices: Iterable[dict[str, Any]]) -> Iterable[str]:
        for choice in choices:
            yield self._chunk([choice], None)

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> str:
        chunk = {**self._head, "object": self._choices[0].chunk_kind, "choices": choices}
        return _server_sent_event({**chunk, "usage": usage} if self._include_usage else chunk)

    def _usage(self) -> dict[str, Any]:
        """OpenAI's counts, a prompt counted once however many answers it has, and our timings (seconds) beside."""
        firsts = [self._usages[index] for index in range(0, len(self._choices), self._per_prompt)]
        prompt = sum(usage.prompt_tokens for usage in firsts)
        completion = sum(usage.completion_tokens for usage in self._usages.values())
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": sum(usage.cached_tokens for usage in firsts)},
            "timings": {
                "prompt_seconds": max(usage.prompt_seconds for usage in self._usages.values()),
                "completion_seconds": max(usage.completion_seconds for usage in self._usages.values()),
            },
        }


class EventStream(StreamingResponse):
    """An answer as server-sent events; however sending it ends, the generation ends too."""

    def __init__(self, answer: Answer, request: Request) -> None:
        super().__init__(answer.server_sent_events(request), media_type="text/event-stream")
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.cancel()


def too_large(needed: int, there: int) -> RequestError:
    message = (
        f"With its prompt this answer may take {needed / 1e6:,.0f} MB, and the engine has {there / 1e6:,.0f} MB for "
        "answers; ask for fewer tokens, or start it with --cache q8_0 or more --memory."
    )
    return RequestError(400, message, field="max_tokens", code="insufficient_memory")


def queue_full() -> RequestError:
    return RequestError(429, "The engine's queue is full; try again in a moment.", code="queue_full")


def _failure(error: Exception) -> RequestError:
    if isinstance(error, StructureError):
        return RequestError(500, str(error), code="schema_too_complex")
    return RequestError(500, "The engine failed while generating.", code="generation_failed")


def _server_sent_event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


async def _disconnected(request: Request) -> None:
    """Return when the client is gone. The body was read before, so this is all that can still arrive."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
