"""The OpenAI-compatible HTTP API of one loaded model: /v1/models, /v1/chat/completions, /health."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.chat import TemplateError
from engine.generation import Event, Generation
from engine.guard import Guard, error_body
from engine.loader import LoadedModel
from engine.protocol import Delta, Finished, Usage
from engine.request import CompletionRequest, RequestError, parse_completion_request
from engine.scheduler import QueueFull, Scheduler

MAX_BODY_BYTES: Final = 16 << 20


class Api:
    """The routes. Holds no state but the model and the scheduler that another thread runs."""

    def __init__(self, model: LoadedModel, scheduler: Scheduler) -> None:
        self._model = model
        self._scheduler = scheduler
        self._created = int(time.time())

    async def health(self, _request: Request) -> Response:
        running, waiting = self._scheduler.load
        return JSONResponse({"status": "ok", "running": running, "waiting": waiting})

    async def models(self, _request: Request) -> Response:
        entry = {**asdict(self._model.info), "object": "model", "created": self._created, "owned_by": "quarry"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def chat_completions(self, request: Request) -> Response:
        completion = parse_completion_request(await _bounded_body(request))
        answer = Answer(self._model, completion)
        # a long source text takes a while to tokenise; other streams go on meanwhile
        prompt = await asyncio.to_thread(self._prompt, completion)
        answer.start(self._scheduler, prompt)
        if completion.stream:
            return EventStream(answer, request)
        return JSONResponse(await answer.whole(request))

    def _prompt(self, completion: CompletionRequest) -> list[int]:
        """The prompt's tokens, refused where no room is left for an answer."""
        info, asked = self._model.info, completion.chat.model
        if asked not in ("", info.id):
            raise RequestError(
                404, f"This engine serves {info.id}, not {asked[:200]}.", field="model", code="model_not_found"
            )
        try:
            prompt = self._model.template.encode(completion.chat.messages)
        except TemplateError as error:
            raise RequestError(400, str(error), field="messages") from error
        if not 1 <= len(prompt) < info.context:
            message = (
                f"The prompt takes {len(prompt)} tokens and the context holds {info.context}, answer included; "
                "shorten the text or start the engine with a larger context."
            )
            raise RequestError(400, message, field="messages", code="context_length_exceeded")
        return prompt


class Answer:
    """One completion on its way: events come from the scheduler's thread and leave as JSON.

    However the client goes away, the generation is cancelled.
    """

    def __init__(self, model: LoadedModel, completion: CompletionRequest) -> None:
        self._model = model
        self._completion = completion
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._generation: Generation | None = None
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

    def start(self, scheduler: Scheduler, prompt: list[int]) -> None:
        loop = asyncio.get_running_loop()
        chat = self._completion.chat
        seed = chat.sampling.seed if chat.sampling.seed is not None else secrets.randbits(63)
        self._generation = Generation(
            self._model,
            prompt,
            chat.max_tokens,
            chat.sampling,
            seed,
            emit=lambda event: loop.call_soon_threadsafe(self._events.put_nowait, event),
        )
        try:
            scheduler.submit(self._generation)
        except QueueFull as error:
            raise RequestError(429, "The engine's queue is full; try again in a moment.", code="queue_full") from error

    def cancel(self) -> None:
        """Stop generating; harmless at the end."""
        assert self._generation is not None, "start() comes first"
        self._generation.cancel()

    async def whole(self, request: Request) -> dict[str, Any]:
        """The complete answer. Raises ClientDisconnect where nobody waits for it any more."""
        text = ""
        async with aclosing(self._until_gone(request)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    text += event.text
                    continue
                message = {"role": "assistant", "content": text, "refusal": None}
                choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": event.reason}
                return {**self._head("chat.completion"), "choices": [choice], "usage": _usage(event.usage)}
        raise ClientDisconnect

    async def server_sent_events(self, request: Request) -> AsyncIterator[str]:
        """The answer as a stream of chunks, then [DONE]. An error in the middle is sent as an error object."""
        yield self._chunk({"role": "assistant", "content": ""})
        try:
            async with aclosing(self._until_gone(request)) as events:
                async for event in events:
                    yield self._chunk({"content": event.text}) if isinstance(event, Delta) else self._last_chunks(event)
        except RequestError as error:
            yield _server_sent_event(error_body(error.message, kind="server_error", code=error.code))

    async def _until_gone(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        """Events up to Finished; ends early, the generation cancelled, when the client hangs up."""
        gone = asyncio.ensure_future(_disconnected(request))
        coming = asyncio.ensure_future(self._events.get())
        try:
            while True:
                await asyncio.wait((coming, gone), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    return
                event = coming.result()
                if isinstance(event, Exception):
                    raise RequestError(500, "The engine failed while generating.", code="generation_failed") from event
                yield event
                if isinstance(event, Finished):
                    return
                coming = asyncio.ensure_future(self._events.get())
        finally:
            self.cancel()
            gone.cancel()
            coming.cancel()

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model.info.id}

    def _chunk(self, delta: dict[str, str], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
        return _server_sent_event({**chunk, "usage": None} if self._completion.include_usage else chunk)

    def _last_chunks(self, finished: Finished) -> str:
        chunks = self._chunk({}, finished.reason)
        if self._completion.include_usage:
            head = self._head("chat.completion.chunk")
            chunks += _server_sent_event({**head, "choices": [], "usage": _usage(finished.usage)})
        return chunks + "data: [DONE]\n\n"


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


def _usage(usage: Usage) -> dict[str, Any]:
    """OpenAI's counts, and our timings (seconds) beside them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "timings": {"prompt_seconds": usage.prompt_seconds, "completion_seconds": usage.completion_seconds},
    }


def _server_sent_event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


async def _disconnected(request: Request) -> None:
    """Return when the client is gone. The body was read before, so this is all that can still arrive."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(413, f"The request is larger than {MAX_BODY_BYTES >> 20} MiB.")
    return bytes(body)


async def _request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    headers = {"Retry-After": "1"} if error.status == 429 else None
    return JSONResponse(
        error_body(error.message, kind=kind, field=error.field, code=error.code), error.status, headers=headers
    )


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(error_body(error.detail, kind="invalid_request_error"), error.status_code)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


def make_app(model: LoadedModel, scheduler: Scheduler, token: str, hosts: Collection[str] | None) -> ASGIApp:
    """The guarded application. `hosts` are the Host headers it answers to, port included; None for any."""
    api = Api(model, scheduler)
    routes = [
        Route("/health", api.health),
        Route("/v1/models", api.models),
        Route("/v1/chat/completions", api.chat_completions, methods=["POST"]),
    ]
    handlers = {RequestError: _request_error, HTTPException: _http_error, ClientDisconnect: _gone}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token, hosts)


def serve(app: ASGIApp, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Answer requests at `listener`, an open socket, until SIGINT or SIGTERM."""
    config = uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=1, server_header=False)
    server = uvicorn.Server(config)

    async def run() -> None:
        on_ready()  # the socket listens already: a connection made from now on is answered
        await server.serve(sockets=[listener])

    with suppress(KeyboardInterrupt):  # uvicorn ends well and then raises the signal again
        asyncio.run(run())
