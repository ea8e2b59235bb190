"""The OpenAI-compatible HTTP API of one loaded model; docs/engine.md lists its routes and fields."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.answer import Answer, Emit, EventStream, queue_full
from engine.choices import ChatChoice, Choice, TextChoice
from engine.fields import RequestError
from engine.generation import Generation
from engine.guard import Guard, error_body
from engine.loader import LoadedModel
from engine.metrics import CONTENT_TYPE, Metrics
from engine.prefix_store import PrefixStore
from engine.prompts import chat_prompt, check_options, text_prompts
from engine.reading import Prompt
from engine.request import AnswerOptions, ChatCompletion, parse_chat_completion, parse_text_completion
from engine.scheduler import Scheduler
from engine.structure import Structure, StructureError, Structures
from engine.tool_calls import ToolCallReader
from engine.tools import answer_grammar

MAX_BODY_BYTES: Final = 16 << 20
_SEEDS: Final = 1 << 63


class Api:
    """The routes. The model is read-only and another thread runs the scheduler; the rest is this event loop's."""

    def __init__(self, model: LoadedModel, scheduler: Scheduler, prefixes: PrefixStore | None) -> None:
        self.metrics = Metrics()
        self._model = model
        self._scheduler = scheduler
        self._prefixes = prefixes
        self._structures = Structures(model.tokenizer)
        self._created = int(time.time())
        self._preparing = 0  # answers whose prompts are being read, not yet queued

    async def health(self, _request: Request) -> Response:
        running, waiting = self._scheduler.load
        return JSONResponse({"status": "ok", "running": running, "waiting": waiting})

    async def metrics_page(self, _request: Request) -> Response:
        kept = self._prefixes.counts if self._prefixes is not None else None
        return Response(self.metrics.text(*self._scheduler.load, kept), headers={"Content-Type": CONTENT_TYPE})

    async def models(self, _request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._model_entry()]})

    async def model(self, request: Request) -> Response:
        if request.path_params["id"] != self._model.info.id:
            message = f"This engine serves {self._model.info.id} alone."
            raise RequestError(404, message, field="model", code="model_not_found")
        return JSONResponse(self._model_entry())

    async def chat_completions(self, request: Request) -> Response:
        completion = parse_chat_completion(await _bounded_body(request))
        check_options(self._model, completion.options)
        count = completion.options.choices
        with self._admitted(count):
            # a long source text takes a while to tokenise; other streams go on meanwhile
            prompt, structure = await asyncio.to_thread(self._prepare_chat, completion)
            tools, told = completion.tool_use is not None, completion.options.top_logprobs is not None
            tokenizer = self._model.tokenizer
            choices = [
                ChatChoice(i, tokenizer, logprobs=told, calls=ToolCallReader() if tools else None) for i in range(count)
            ]
            answer = self._start(completion.options, [prompt], choices, structure)
        return await _respond(answer, request, completion.options)

    async def text_completions(self, request: Request) -> Response:
        completion = parse_text_completion(await _bounded_body(request))
        check_options(self._model, completion.options)
        count = completion.options.choices * len(completion.prompts)
        with self._admitted(count):
            prompts = await asyncio.to_thread(text_prompts, self._model, completion)
            told = completion.options.top_logprobs is not None
            choices = [TextChoice(i, self._model.tokenizer, logprobs=told) for i in range(count)]
            answer = self._start(completion.options, prompts, choices, None)
        return await _respond(answer, request, completion.options)

    def _model_entry(self) -> dict[str, Any]:
        return {**asdict(self._model.info), "object": "model", "created": self._created, "owned_by": "quarry"}

    @contextmanager
    def _admitted(self, count: int) -> Iterator[None]:
        """Room for `count` answers while they are prepared: when the queue is full, no work is done. Raises 429."""
        if not self._scheduler.has_room(self._preparing + count):
            raise queue_full()
        self._preparing += count
        try:
            yield
        finally:
            self._preparing -= count

    def _prepare_chat(self, completion: ChatCompletion) -> tuple[Prompt, Structure | None]:
        prompt = chat_prompt(self._model, completion)
        grammar = answer_grammar(completion.tool_use, completion.answer_rule)
        if grammar is None:
            return prompt, None
        try:
            return prompt, self._structures.compile(grammar)
        except StructureError as error:
            field = "tools" if completion.tool_use is not None else "response_format"
            raise RequestError(400, str(error), field=field, code="invalid_schema") from error

    def _start(
        self,
        options: AnswerOptions,
        prompts: Sequence[Prompt],
        choices: Sequence[Choice],
        structure: Structure | None,
    ) -> Answer:
        sampling = options.sampling
        seed = sampling.seed if sampling.seed is not None else secrets.randbelow(_SEEDS)

        def generation(index: int, emit: Emit) -> Generation:
            return Generation(
                self._model,
                prompts[index // options.choices],
                options.max_tokens,
                sampling,
                (seed + index) % _SEEDS,
                emit,
                structure=structure.fork() if structure is not None else None,
                top_logprobs=options.top_logprobs,
                prefixes=self._prefixes,
            )

        answer = Answer(
            self._model.info.id,
            choices,
            self.metrics,
            prompts=len(prompts),
            include_usage=options.include_usage,
        )
        answer.start(self._scheduler, generation)
        return answer


async def _respond(answer: Answer, request: Request, options: AnswerOptions) -> Response:
    if options.stream:
        return EventStream(answer, request)
    return JSONResponse(await answer.whole(request))


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(413, f"The request is larger than {MAX_BODY_BYTES >> 20} MiB.")
    return bytes(body)


async def _request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    kind = {429: "rate_limit_error"}.get(
        error.status, "server_error" if error.status >= 500 else "invalid_request_error"
    )
    headers = {"Retry-After": "1"} if error.status == 429 else None
    return JSONResponse(
        error_body(error.message, kind=kind, field=error.field, code=error.code), error.status, headers=headers
    )


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(error_body(error.detail, kind="invalid_request_error"), error.status_code)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


class _Counted:
    """Counts requests to the server's own paths by status; other paths are anybody's words, and are not kept."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = scope["path"] if scope["path"] in self._paths else "other"
                self._metrics.answered(path, message["status"])
            await send(message)

        await self._app(scope, receive, counting if scope["type"] == "http" else send)


def make_app(
    model: LoadedModel,
    scheduler: Scheduler,
    token: str,
    hosts: Collection[str] | None,
    prefixes: PrefixStore | None = None,
) -> ASGIApp:
    """The guarded application. `hosts` are the Host headers it answers to, port included; None for any."""
    api = Api(model, scheduler, prefixes)
    routes = [
        Route("/health", api.health),
        Route("/metrics", api.metrics_page),
        Route("/v1/models", api.models),
        Route("/v1/models/{id}", api.model),
        Route("/v1/chat/completions", api.chat_completions, methods=["POST"]),
        Route("/v1/completions", api.text_completions, methods=["POST"]),
    ]
    handlers = {RequestError: _request_error, HTTPException: _http_error, ClientDisconnect: _gone}
    app = Guard(Starlette(routes=routes, exception_handlers=handlers), token, hosts)
    return _Counted(app, api.metrics, frozenset(route.path for route in routes))


def serve(app: ASGIApp, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Answer requests at `listener`, an open socket, until SIGINT or SIGTERM."""
    config = uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=1, server_header=False)
    server = uvicorn.Server(config)

    async def run() -> None:
        on_ready()  # the socket listens already: a connection made from now on is answered
        await server.serve(sockets=[listener])

    with suppress(KeyboardInterrupt):  # uvicorn ends well and then raises the signal again
        asyncio.run(run())
