"""The engine process over HTTP: what it answers, what it refuses, and when it ends."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.engine.processes import TOKEN, Engine, engine
from tests.engine.waiting import until

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
QUESTION = {"messages": [{"role": "user", "content": "Write one sentence about bread."}], "max_tokens": 12, "seed": 7}
# The penalty falls on the end of a message too, which stands in every prompt: this answer goes on and on.
LONG = {**QUESTION, "max_tokens": 4000, "stream": True, "temperature": 2, "top_k": 0, "repetition_penalty": 10}


@pytest.fixture(scope="module")
def server(starter_model: Path) -> Iterator[Engine]:
    """The starter model with room for one answer and one that waits."""
    with engine(starter_model, "--parallel", "1", "--queue", "1") as running:
        yield running


@pytest.fixture
def http(server: Engine) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=AUTHORIZED, timeout=60, trust_env=False) as client:
        yield client


def idle(http: httpx.Client) -> bool:
    health = http.get("/health").json()
    return (health["running"], health["waiting"]) == (0, 0)


def ask(http: httpx.Client, **fields: Any) -> httpx.Response:
    return http.post("/v1/chat/completions", json={**QUESTION, **fields})


def test_models_tell_what_a_draft_was_made_with(http: httpx.Client, server: Engine):
    (model,) = http.get("/v1/models").raise_for_status().json()["data"]
    assert model["id"] == "SmolLM2-135M-Instruct.Q4_1"
    assert model["file_sha256"] == hashlib.sha256(server.model.read_bytes()).hexdigest()
    assert (model["quantisation"], model["context"], model["device"]) == ("Q4_1", 8192, "cpu")
    assert model["parameters"] == 134_515_008
    assert model["kernels"] == {"step": "cpu"}


def test_official_client_without_stream(server: Engine):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0) as client:
        answer = client.chat.completions.create(model="SmolLM2-135M-Instruct.Q4_1", **QUESTION)
    assert answer.choices[0].finish_reason == "length"
    assert len(answer.choices[0].message.content) > 10
    assert answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12


def test_official_client_with_stream_gets_the_same_text(server: Engine, http: httpx.Client):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0) as client:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(client.chat.completions.create(model="SmolLM2-135M-Instruct.Q4_1", **QUESTION, **options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ask(http).json()["choices"][0]["message"]["content"]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 12
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_usage_tells_seconds(http: httpx.Client):
    timings = ask(http).json()["usage"]["timings"]
    assert 0 < timings["prompt_seconds"] < 60
    assert 0 < timings["completion_seconds"] < 60


def test_content_parts_and_developer_role_are_the_same_prompt(http: httpx.Client):
    plain = ask(http, messages=[{"role": "system", "content": "a\nb"}, {"role": "user", "content": "c"}]).json()
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    split = ask(http, messages=[{"role": "developer", "content": parts}, {"role": "user", "content": "c"}]).json()
    assert split["choices"] == plain["choices"]


def test_stop_string_ends_the_answer_before_it(http: httpx.Client):
    whole = ask(http, max_tokens=40).json()["choices"][0]["message"]["content"]
    word = whole.split()[5]
    choice = ask(http, max_tokens=40, stop=[word]).json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == whole[: whole.index(word)]


@pytest.mark.parametrize("token", [b"", b"Bearer wrong", b"Basic " + TOKEN.encode(), b"Bearer", b"Bearer \xe9"])
def test_wrong_token_is_refused(server: Engine, token: bytes):
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for path in ("/v1/models", "/v1/chat/completions", "/nothing"):
            answer = client.get(path, headers={b"Authorization": token})
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "invalid_api_key"
        assert client.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example", ""])
def test_wrong_host_is_refused(http: httpx.Client, host: str):
    for path in ("/health", "/v1/models"):
        answer = http.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert answer.json()["error"]["code"] == "wrong_host"


def test_localhost_is_a_right_host(http: httpx.Client, server: Engine):
    assert http.get("/health", headers={"Host": f"LOCALHOST:{server.port}"}).status_code == 200


BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "temperature": ({"temperature": 2.1}, "temperature must be a number from 0 to 2."),
    "temperature text": ({"temperature": "warm"}, "temperature must be a number from 0 to 2."),
    "temperature bool": ({"temperature": True}, "temperature must be a number from 0 to 2."),
    "top_p": ({"top_p": -0.1}, "top_p must be a number from 0 to 1."),
    "seed": ({"seed": -1}, f"seed must be a whole number from 0 to {2**63 - 1}."),
    "max_tokens": ({"max_tokens": 0}, "max_tokens must be a whole number from 1 to 1048576."),
    "stop": ({"stop": [""]}, "stop must be a text or a list of up to 16 texts of 1 to 200 characters."),
    "no messages": ({"messages": []}, "messages must be a list of 1 to 1000 messages."),
    "role": (
        {"messages": [{"role": ["user"], "content": "x"}]},
        "messages[0].role must be system, user, assistant or tool.",
    ),
    "content": ({"messages": [{"role": "user"}]}, "messages[0].content must be a text or a list of text parts."),
    "image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages[0].content[0] must be a part of type text with a text.",
    ),
    "surrogate": (
        {"messages": [{"role": "user", "content": "\ud800"}]},
        "messages[0].content[0] holds half a surrogate pair, which is not text.",
    ),
    "logprobs": ({"logprobs": 1}, "logprobs must be of type bool."),
    "template": ({"chat_template": "{{ 1 }}"}, "chat_template is not supported by this engine."),
    "stream": ({"stream": "yes"}, "stream must be of type bool."),
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_bad_fields_are_refused_with_their_range(http: httpx.Client, name: str):
    fields, message = BAD_FIELDS[name]
    answer = http.post("/v1/chat/completions", content=json.dumps({**QUESTION, **fields}))
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert message.startswith(answer.json()["error"]["param"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"temperature": NaN}'])
def test_what_is_no_request_is_refused(http: httpx.Client, body: bytes):
    assert http.post("/v1/chat/completions", content=body).status_code == 400


def test_unknown_fields_and_usual_values_are_taken(http: httpx.Client):
    assert ask(http, n=1, tools=[], logprobs=False, user="me", metadata={}, logit_bias=None).status_code == 200


def test_another_model_is_refused_by_name(http: httpx.Client):
    answer = ask(http, model="gpt-4o")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_too_long_a_prompt_is_refused_with_the_numbers(http: httpx.Client):
    answer = ask(http, messages=[{"role": "user", "content": "word " * 9000}])
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert re.search(r"The prompt takes 90\d\d tokens and the context holds 8192", answer.json()["error"]["message"])


def test_too_large_a_body_is_refused(http: httpx.Client):
    assert http.post("/v1/chat/completions", content=b" " * (17 << 20)).status_code == 413


def test_unknown_paths_and_methods_get_error_objects(http: httpx.Client):
    assert http.get("/v1/nothing").json()["error"]["message"] == "Not Found"
    assert http.get("/v1/chat/completions").status_code == 405


def test_hanging_up_frees_the_engine_and_a_full_queue_refuses(http: httpx.Client):
    with http.stream("POST", "/v1/chat/completions", json=LONG) as first:
        lines = first.iter_lines()  # kept: closing the iterator closes the connection
        next(lines)
        with http.stream("POST", "/v1/chat/completions", json=LONG):  # answers at once, and waits for its turn
            assert until(lambda: http.get("/health").json() == {"status": "ok", "running": 1, "waiting": 1})
            refused = ask(http)
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "queue_full"
            assert refused.headers["retry-after"] == "1"
    assert until(lambda: idle(http))  # both were cancelled by the closed connections
    assert ask(http).status_code == 200


def test_hanging_up_without_stream_frees_the_engine(http: httpx.Client):
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json={**LONG, "stream": False}, timeout=0.5)
    assert until(lambda: idle(http))


def test_same_request_gives_the_same_text_whatever_ran_between(http: httpx.Client):
    request = {"max_tokens": 30, "temperature": 1.0, "seed": 42}
    first = ask(http, **request).json()["choices"]
    assert ask(http, **{**request, "seed": 43}).json()["choices"] != first
    with http.stream("POST", "/v1/chat/completions", json=LONG) as other:
        lines = other.iter_lines()
        next(lines)
    assert ask(http, **request).json()["choices"] == first


def test_same_request_gives_the_same_text_beside_another(starter_model: Path, http: httpx.Client):
    request = {"max_tokens": 20, "temperature": 1.0, "seed": 42}
    alone = ask(http, **request).json()["choices"]
    with (
        engine(starter_model, "--parallel", "2") as shared,
        httpx.Client(base_url=shared.url, headers=AUTHORIZED, timeout=60, trust_env=False) as client,
        client.stream("POST", "/v1/chat/completions", json=LONG) as other,
    ):
        lines = other.iter_lines()
        next(lines)
        beside = ask(client, **request).json()["choices"]
        # The other one still is; a client may have its answer a moment before its place is free.
        assert until(lambda: client.get("/health").json()["running"] == 1)
    assert beside == alone
