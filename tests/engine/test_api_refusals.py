"""What the API refuses, how it stops, and what it tells of itself."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import openai
import pytest

from tests.engine.asking import MESSAGES, ON_AND_ON, QUEUE, chat, complete
from tests.engine.processes import TOKEN, Engine
from tests.engine.waiting import until

UNSUPPORTED = "is not supported by this engine."
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "top_logprobs": ({"top_logprobs": 2}, "top_logprobs needs logprobs to be true."),
    "many": ({"logprobs": True, "top_logprobs": 21}, "top_logprobs must be a whole number from 0 to 20."),
    "n": ({"n": 0}, "n must be a whole number from 1 to 16."),
    "penalty": ({"frequency_penalty": 3}, "frequency_penalty must be a number from -2 to 2."),
    "bias": ({"logit_bias": {"a": 1}}, "logit_bias must map up to 1024 token ids to numbers from -100 to 100."),
    "foreign token": ({"logit_bias": {"263": 1}}, "logit_bias names a token that is not from 0 to 262."),
    "format": ({"response_format": {"type": "xml"}}, "response_format.type must be text, json_object or json_schema."),
    "no schema": (
        {"response_format": {"type": "json_schema"}},
        "response_format.json_schema.schema must be a JSON schema object.",
    ),
    "tool_choice": ({"tool_choice": "always"}, "tool_choice must be none, auto, required or"),
    "documents": ({"documents": ["text"]}, "documents must be a list of up to 1000 objects, such as {title, text}."),
    "guided_json": ({"guided_json": {}}, f"guided_json {UNSUPPORTED}"),
    "reasoning_effort": ({"reasoning_effort": "high"}, f"reasoning_effort {UNSUPPORTED}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_by_name(api: openai.OpenAI, name: str):
    fields, message = REFUSED[name]
    with pytest.raises(openai.BadRequestError) as refused:
        chat(api, extra_body=fields)
    body: Any = refused.value.body
    assert body["message"].startswith(message)
    assert (body["type"], body["code"]) == (
        "invalid_request_error",
        "unsupported_value" if UNSUPPORTED in message else None,
    )
    assert message.startswith(body["param"])


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "strin"}}}},
            "response_format",
            "The schema cannot be followed (Invalid type: strin).",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"properties": 1}}}]},
            "tools",
            "The schema cannot be followed (properties must be an object).",
        ),
    ],
)
def test_a_wrong_schema_is_refused_with_what_is_wrong(
    api: openai.OpenAI, fields: dict[str, Any], param: str, message: str
):
    with pytest.raises(openai.BadRequestError) as refused:
        chat(api, extra_body=fields)
    assert refused.value.body == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": "invalid_schema",
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"echo": True}, "echo is not supported by this engine."),
        ({"suffix": "x"}, "suffix is not supported by this engine."),
        ({"best_of": 2}, "best_of is not supported by this engine."),
        ({"logprobs": 6}, "logprobs must be a whole number from 0 to 5."),
        ({"prompt": ""}, "prompt is empty: there is nothing to go on with."),
        ({"prompt": []}, "prompt must be a text, a list of token ids"),
        ({"prompt": [9999]}, "prompt names a token that is not from 0 to 262."),
        ({"prompt": [[1], "a", 1]}, "prompt[2] must be a text or a list of token ids."),
        ({"prompt": "x" * 5000}, "The prompt takes 5000 tokens and the context holds 4096"),
    ],
)
def test_text_completions_refuse_in_the_same_way(api: openai.OpenAI, fields: dict[str, Any], message: str):
    with pytest.raises(openai.BadRequestError) as refused:
        complete(api, **fields)
    body: Any = refused.value.body
    assert body["message"].startswith(message)


def test_wrong_keys_get_the_client_s_own_error(api_server: Engine):
    with (
        openai.OpenAI(base_url=f"{api_server.url}/v1", api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def idle(http: httpx.Client) -> bool:
    health = http.get("/health").json()
    return (health["running"], health["waiting"]) == (0, 0)


def sample(http: httpx.Client, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", http.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_closing_a_stream_cancels_all_its_choices(api: openai.OpenAI, api_http: httpx.Client):
    before = sample(api_http, 'quarry_answers_total{reason="cancelled"}')
    stream = chat(api, n=3, max_tokens=3000, stream=True, logit_bias=ON_AND_ON)
    next(iter(stream))
    assert not idle(api_http)
    stream.close()
    assert until(lambda: idle(api_http))
    assert until(lambda: sample(api_http, 'quarry_answers_total{reason="cancelled"}') == before + 3)


def test_a_full_queue_refuses_before_any_work(api: openai.OpenAI, api_http: httpx.Client):
    wrong = {"type": "json_schema", "json_schema": {"schema": {"type": "strin"}}}  # 400 to whoever reads it
    with chat(api, n=16, max_tokens=3000, stream=True, logit_bias=ON_AND_ON) as stream:  # 4 run and 12 wait
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as refused:
            chat(api, response_format=wrong)
    assert (refused.value.code, refused.value.response.headers["Retry-After"]) == ("queue_full", "1")
    assert until(lambda: idle(api_http))


def test_a_thousand_requests_at_once_are_answered_or_told_to_come_back(api_server: Engine, api_http: httpx.Client):
    body = json.dumps({"messages": MESSAGES, "max_tokens": 30, "logit_bias": ON_AND_ON}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{api_server.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", api_server.port)
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return answer

    async def crowd() -> list[bytes]:
        return await asyncio.gather(*(ask() for _ in range(1000)))

    answers = asyncio.run(crowd())
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429 ")]
    assert all(b"\r\nretry-after: 1\r\n" in answer and b'"rate_limit_error"' in answer for answer in refused)
    answered = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200 ")]
    assert len(answered) + len(refused) == 1000
    assert 4 + QUEUE <= len(answered) < 1000  # at least all that there was room for
    assert until(lambda: idle(api_http))


def test_metrics_are_prometheus_text(api_http: httpx.Client, api: openai.OpenAI):
    names = {
        "requests": 'quarry_http_requests_total{path="/v1/chat/completions",status="200"}',
        "answers": 'quarry_answers_total{reason="length"}',
        "prompt": 'quarry_tokens_total{kind="prompt"}',
        "cached": 'quarry_tokens_total{kind="cached"}',
        "hits": 'quarry_prefix_lookups_total{result="hit"}',
        "generated": 'quarry_tokens_total{kind="generated"}',
        "first": "quarry_first_token_seconds_count",
        "seconds": 'quarry_answer_seconds_bucket{le="+Inf"}',
    }
    chat(api)  # from now on it is kept
    before = {key: sample(api_http, name) for key, name in names.items()}
    usage = chat(api, n=2, max_tokens=5, logit_bias=ON_AND_ON).usage
    added = {key: sample(api_http, name) - before[key] for key, name in names.items()}
    assert added == {
        "requests": 1,
        "answers": 2,
        "prompt": 2 * usage.prompt_tokens,
        "cached": 2 * usage.prompt_tokens,
        "hits": 2,
        "generated": 10,
        "first": 1,
        "seconds": 2,
    }
    assert sample(api_http, 'quarry_prefix_entries{place="memory"}') > 0
    assert sample(api_http, 'quarry_prefix_bytes{place="memory"}') > 1000
    assert sample(api_http, 'quarry_prefix_entries{place="disk"}') == 0
    api_http.get("/v1/" + "x" * 50)
    page = api_http.get("/metrics")
    assert page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "xxx" not in page.text
    assert page.text.endswith("\n")
    for line in page.text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) quarry_\w+ .+|quarry_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? \S+', line
        ), line  # fmt: skip
    assert httpx.get(f"{api_http.base_url}/metrics", trust_env=False).status_code == 401
