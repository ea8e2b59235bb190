"""The client against our engine, llama.cpp's server and servers that misbehave."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from engine.client import EngineClient
from engine.protocol import (
    ChatRequest,
    Delta,
    EngineError,
    EngineFault,
    Finished,
    FinishReason,
    Message,
    Sampling,
    StreamEvent,
)
from tests.engine.processes import TOKEN, Engine, engine
from tests.engine.waiting import until

MODEL = "SmolLM2-135M-Instruct.Q4_1"
REQUEST = ChatRequest(
    MODEL,
    (Message("system", ("You write posts.", "Be brief.")), Message("user", ("A post about bread, please.",))),
    max_tokens=12,
    sampling=Sampling(seed=7, repetition_penalty=1.1),
)
# The penalty falls on the end of a message too, which stands in every prompt: this answer goes on and on.
ENDLESS = ChatRequest(MODEL, REQUEST.messages, 4000, Sampling(temperature=2, top_k=0, repetition_penalty=10, seed=7))


@pytest.fixture(scope="module")
def server(starter_model: Path) -> Iterator[Engine]:
    with engine(starter_model, "--parallel", "1", "--queue", "0") as running:
        yield running


async def collect(client: EngineClient, request: ChatRequest = REQUEST) -> tuple[str, Finished]:
    events: list[StreamEvent] = [event async for event in client.stream(request)]
    assert all(isinstance(event, Delta) for event in events[:-1])
    assert isinstance(events[-1], Finished)
    return "".join(event.text for event in events[:-1] if isinstance(event, Delta)), events[-1]


def test_streams_from_our_engine(server: Engine):
    async def run() -> None:
        async with EngineClient(server.url, TOKEN) as client:
            assert await client.health()
            (info,) = await client.models()
            assert (info.id, info.quantisation, info.context) == (MODEL, "Q4_1", 8192)
            assert len(info.file_sha256) == 64
            assert info.kernels == {"step": "cpu"}
            text, finished = await collect(client)
            assert len(text) > 10
            assert finished.reason is FinishReason.LENGTH
            assert finished.usage.completion_tokens == 12
            assert finished.usage.tokens_per_second > 0
            again, finished = await collect(client)
            assert again == text
            assert finished.usage.cached_tokens == finished.usage.prompt_tokens

    asyncio.run(run())


def test_streams_from_llama_cpp(llama_cpp: httpx.Client):
    async def run() -> None:
        async with EngineClient(str(llama_cpp.base_url).rstrip("/") + "/v1/") as client:
            assert await client.health()
            (info,) = await client.models()
            assert info.parameters == 134_515_008
            assert info.file_sha256 == ""
            text, finished = await collect(client)
            assert len(text) > 10
            assert finished.reason is FinishReason.LENGTH
            assert finished.usage.completion_tokens == 12
            assert finished.usage.completion_seconds > 0  # measured by the client

    asyncio.run(run())


def test_closing_the_iterator_cancels(server: Engine):
    async def run() -> None:
        async with EngineClient(server.url, TOKEN) as client:
            stream = client.stream(ENDLESS)
            assert isinstance(await anext(stream), Delta)
            with pytest.raises(EngineError) as busy:  # no place to wait
                await collect(client)
            assert busy.value.fault is EngineFault.BUSY
            await stream.aclose()

    asyncio.run(run())
    assert until(lambda: httpx.get(f"{server.url}/health", trust_env=False).json()["running"] == 0)


def test_killed_engine_breaks_the_stream(starter_model: Path):
    async def run(server: Engine) -> EngineError:
        async with EngineClient(server.url, TOKEN) as client:
            stream = client.stream(ENDLESS)
            await anext(stream)
            server.process.kill()
            with pytest.raises(EngineError) as broken:
                async for _ in stream:
                    pass
            assert broken.value.fault is EngineFault.BROKEN
            with pytest.raises(EngineError) as unreachable:
                await client.models()
            assert not await client.health()
            return unreachable.value

    with engine(starter_model) as server:
        assert asyncio.run(run(server)).fault is EngineFault.UNREACHABLE


def test_refusals_carry_the_server_s_sentence(server: Engine):
    async def run(token: str, request: ChatRequest) -> EngineError:
        async with EngineClient(server.url, token) as client:
            with pytest.raises(EngineError) as refused:
                await collect(client, request)
            return refused.value

    wrong = asyncio.run(run("wrong", REQUEST))
    assert (wrong.fault, wrong.detail) == (EngineFault.REFUSED, "HTTP 401")
    long = asyncio.run(run(TOKEN, ChatRequest(MODEL, (Message("user", ("word " * 9000,)),))))
    assert long.fault is EngineFault.REFUSED
    assert "the context holds 8192" in long.message


@asynccontextmanager
async def scripted(answer: bytes) -> AsyncIterator[str]:
    """A server that sends `answer` to every request and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def sse(*lines: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + "".join(f"{x}\n\n" for x in lines).encode()


HELLO = 'data: {"choices": [{"delta": {"content": "Hel"}, "finish_reason": null}]}'
STOP = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}'
BROKEN = {
    "cut": sse(HELLO),
    "not http": b"hello\r\n\r\n",
    "not json": sse("data: {"),
    "not an object": sse("data: 1"),
    "error": sse(HELLO, 'data: {"error": {"message": "out of memory"}}'),
    "wrong shape": sse('data: {"choices": {"a": 1}}'),
    "wrong choice": sse('data: {"choices": [1]}'),
    "odd reason": sse(HELLO, 'data: {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}'),
    "shorter than promised": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",
    "server error": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
}


async def stream_from(answer: bytes) -> tuple[str, Finished]:
    async with scripted(answer) as url, EngineClient(url) as client:
        return await collect(client)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_a_fault_of_the_server(name: str):
    with pytest.raises(EngineError) as broken:
        asyncio.run(stream_from(BROKEN[name]))
    assert broken.value.fault in (EngineFault.BROKEN, EngineFault.UNREACHABLE)
    assert broken.value.message.endswith(".") or broken.value.message == "out of memory"


def test_a_plain_answer_is_measured_here():
    text, finished = asyncio.run(stream_from(sse(": comment", HELLO, HELLO, STOP, "data: [DONE]")))
    assert text == "HelHel"
    assert finished.reason is FinishReason.STOP
    assert finished.usage.completion_tokens == 2  # pieces, for want of better


@pytest.mark.parametrize(("status", "fault"), [(429, "busy"), (503, "busy"), (404, "refused"), (500, "broken")])
def test_statuses_are_faults(status: int, fault: str):
    answer = f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n[]".encode()
    with pytest.raises(EngineError) as error:
        asyncio.run(stream_from(answer))
    assert error.value.fault == fault


@pytest.mark.parametrize("body", ["", "1", "{}", '{"data": [1]}', '{"data": [{}]}', '{"data": 1}', "[]"])
def test_a_list_of_models_that_cannot_be_read(body: str):
    async def run() -> None:
        answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        async with scripted(answer) as url, EngineClient(url) as client:
            await client.models()

    with pytest.raises(EngineError) as error:
        asyncio.run(run())
    assert error.value.fault is EngineFault.BROKEN


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "ftp://127.0.0.1/", "http://[::1"])
def test_no_server_there(url: str):
    async def run() -> None:
        async with EngineClient(url) as client:
            assert not await client.health()
            await client.models()

    with pytest.raises(EngineError) as error:
        asyncio.run(run())
    assert error.value.fault is EngineFault.UNREACHABLE


def test_client_and_protocol_need_no_torch():
    program = "import sys, engine.client, engine.protocol; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
