"""A client for any OpenAI-compatible server: our own engine, llama.cpp, vLLM, Ollama, LM Studio. Imports no torch."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from engine.protocol import (
    ChatRequest,
    Delta,
    EngineError,
    EngineFault,
    Finished,
    FinishReason,
    Message,
    ModelInfo,
    StreamEvent,
    Usage,
)

MAX_LINE_CHARS: Final = 4 << 20  # of one server-sent event
_CONNECT_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 600.0  # a long prompt on a slow machine, or a full queue, before the first token
_STATUS_FAULTS: Final = {429: EngineFault.BUSY, 503: EngineFault.BUSY}
_LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))


class EngineClient:
    """Talks to one server. `url` may end in /v1 or not. Close it, or use it as an async context manager."""

    def __init__(self, url: str, token: str = "") -> None:
        """Raises EngineError where `url` is not an address at all."""
        try:
            host = urlsplit(url).hostname
        except ValueError as error:
            raise EngineError(EngineFault.UNREACHABLE, f"{url[:200]} is not an address.", detail=str(error)) from error
        self._url = url.rstrip("/").removesuffix("/v1")
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=host not in _LOOPBACK,  # a proxy cannot reach this machine's own engine
        )

    async def __aenter__(self) -> EngineClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def health(self) -> bool:
        """Whether the server answers and is ready; servers without /health are asked for their models."""
        try:
            async with self._send("GET", "/health") as response:
                if response.status_code != 404:
                    return response.is_success
            await self.models()
        except EngineError:
            return False
        return True

    async def models(self) -> list[ModelInfo]:
        """The models the server offers. Raises EngineError."""
        async with self._send("GET", "/v1/models") as response:
            await _raise_for_status(response)
            try:
                listing = json.loads(await response.aread())
                return [_model_info(entry) for entry in listing["data"]]
            except (ValueError, KeyError, TypeError) as error:
                raise EngineError(EngineFault.BROKEN, "The server's list of models cannot be read.") from error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Delta*, then Finished. Raises EngineError. Closing the iterator closes the connection, which cancels."""
        started = time.monotonic()
        first: float | None = None
        pieces = 0
        reason: FinishReason | None = None
        usage: Mapping[str, Any] = {}
        async with self._send("POST", "/v1/chat/completions", _body(request)) as response:
            await _raise_for_status(response)
            async for chunk in _chunks(response):
                text, ended_by = _choice(chunk)
                usage = _object(chunk.get("usage")) or usage
                reason = ended_by or reason
                if text:
                    first = first or time.monotonic()
                    pieces += 1
                    yield Delta(text)
        if reason is None:
            raise EngineError(EngineFault.BROKEN, "The answer ended in the middle.")
        ended = time.monotonic()
        yield Finished(reason, _usage(usage, pieces, (first or ended) - started, ended - (first or ended)))

    @asynccontextmanager
    async def _send(self, method: str, path: str, body: object = None) -> AsyncIterator[httpx.Response]:
        """An open response; transport errors become EngineError, before the answer or in the middle of it."""
        answered = False
        try:
            async with self._http.stream(method, self._url + path, json=body) as response:
                answered = True
                yield response
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            if answered:
                raise EngineError(EngineFault.BROKEN, "The model stopped answering.", detail=repr(error)) from error
            message = f"No model server answers at {self._url}."
            raise EngineError(EngineFault.UNREACHABLE, message, detail=repr(error)) from error


def _body(request: ChatRequest) -> dict[str, Any]:
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if sampling.repetition_penalty != 1.0:
        body["repetition_penalty"] = sampling.repetition_penalty  # ours and vLLM's name
        body["repeat_penalty"] = sampling.repetition_penalty  # llama.cpp's and Ollama's
    if sampling.presence_penalty:
        body["presence_penalty"] = sampling.presence_penalty
    if sampling.frequency_penalty:
        body["frequency_penalty"] = sampling.frequency_penalty
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    return body


def _message(message: Message) -> dict[str, Any]:
    parts = [{"type": "text", "text": part} for part in message.parts]
    body: dict[str, Any] = {"role": message.role, "content": message.text if len(parts) < 2 else parts}
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    return body


async def _chunks(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects of a server-sent event stream, up to [DONE]; an error object raises EngineError."""
    async for line in response.aiter_lines():
        if len(line) > MAX_LINE_CHARS:
            raise EngineError(EngineFault.BROKEN, "The server sent a line that is too long.")
        if not line.startswith("data:"):
            continue  # comments, event names and blank lines
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        try:
            chunk = json.loads(data)
        except ValueError as error:
            raise EngineError(EngineFault.BROKEN, "The server sent something that is not JSON.") from error
        if not isinstance(chunk, dict) or "error" in chunk:
            raise EngineError(EngineFault.BROKEN, _error_message(chunk) or "The server failed while answering.")
        yield chunk


async def _raise_for_status(response: httpx.Response) -> None:
    if response.is_success:
        return
    status = response.status_code
    fault = _STATUS_FAULTS.get(status, EngineFault.BROKEN if status >= 500 else EngineFault.REFUSED)
    try:
        message = _error_message(json.loads(await response.aread()))
    except ValueError:
        message = ""
    raise EngineError(fault, message or f"The model server refused with status {status}.", detail=f"HTTP {status}")


def _error_message(body: object) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message[:1000] if isinstance(message, str) else ""


def _choice(chunk: Mapping[str, Any]) -> tuple[str, FinishReason | None]:
    """The text and the end that a chunk brings; a chunk without choices brings usage alone."""
    choices = chunk.get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
    text, reason = _object(choice.get("delta")).get("content"), choice.get("finish_reason")
    if reason is not None and reason not in tuple(FinishReason):
        raise EngineError(EngineFault.BROKEN, f"The answer ended with {str(reason)[:40]!r}.")
    return text if isinstance(text, str) else "", FinishReason(reason) if reason is not None else None


def _object(value: object) -> Mapping[str, Any]:
    """A JSON object, or an empty one where a server sends something else."""
    return value if isinstance(value, dict) else {}


def _usage(given: Mapping[str, Any], pieces: int, prompt_seconds: float, completion_seconds: float) -> Usage:
    """Counts and times as the server gives them; times as seen from here, and pieces of text, where it does not."""
    timings = _object(given.get("timings"))
    return Usage(
        prompt_tokens=_count(given.get("prompt_tokens")),
        completion_tokens=_count(given.get("completion_tokens")) or pieces,
        prompt_seconds=_seconds(timings.get("prompt_seconds"), prompt_seconds),
        completion_seconds=_seconds(timings.get("completion_seconds"), completion_seconds),
        cached_tokens=_count(_object(given.get("prompt_tokens_details")).get("cached_tokens")),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _seconds(value: object, measured: float) -> float:
    return float(value) if isinstance(value, int | float) and value >= 0 else measured


def _model_info(value: object) -> ModelInfo:
    entry = _object(value)
    meta = _object(entry.get("meta"))  # llama.cpp
    return ModelInfo(
        id=str(entry["id"]),
        file_sha256=str(entry.get("file_sha256") or ""),
        quantisation=str(entry.get("quantisation") or ""),
        context=_count(entry.get("context") or entry.get("max_model_len") or meta.get("n_ctx")),  # max_model_len: vLLM
        device=str(entry.get("device") or ""),
        parameters=_count(entry.get("parameters") or meta.get("n_params")),
        kernels={str(op): str(on) for op, on in _object(entry.get("kernels")).items()},
    )
