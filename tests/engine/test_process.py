"""The engine as a process: what its options bound, whom it lives with, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.engine.processes import COMMAND, TOKEN, engine, environment
from tests.engine.tiny import write_tiny


@contextmanager
def client_of(model: Path, *options: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        engine(model, *options) as running,
        httpx.Client(base_url=running.url, headers=headers, timeout=60, trust_env=False) as client,
    ):
        yield client


def ask(client: httpx.Client, **fields: Any) -> httpx.Response:
    question = {"temperature": 0, "messages": [{"role": "user", "content": "hi"}], **fields}
    return client.post("/v1/chat/completions", json=question)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("server") / "tiny.gguf")


def test_context_option_bounds_prompt_and_answer(tiny: Path):
    with client_of(tiny, "--context", "64") as client:
        answer = ask(client, max_tokens=500).json()
        assert answer["usage"]["total_tokens"] <= 64
        assert client.get("/v1/models").json()["data"][0]["context"] == 64


def test_an_answer_that_memory_cannot_hold_is_refused_with_the_numbers(starter_model: Path):
    with client_of(starter_model, "--memory", "2") as client:
        refused = ask(client, max_tokens=500)
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert (error["code"], error["param"]) == ("insufficient_memory", "max_tokens")
        assert "the engine has 2 MB for answers" in error["message"]
        assert ask(client, max_tokens=2).status_code == 200


def test_ends_when_its_standard_input_is_closed(tiny: Path):
    with engine(tiny) as running:
        assert running.process.poll() is None
        assert running.process.stdin is not None
        running.process.stdin.close()
        assert running.process.wait(10) == 0


def test_dies_with_an_owner_that_is_killed(tiny: Path):
    program = (
        "import subprocess as s, sys; "
        f"child = s.Popen({[*COMMAND, str(tiny)]!r}, stdin=s.PIPE, stdout=s.PIPE, text=True); "
        "sys.stdout.write(child.stdout.readline()); sys.stdout.flush(); child.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment()
    ) as owner:
        assert owner.stdout is not None
        child = psutil.Process(json.loads(owner.stdout.readline())["pid"])
        owner.send_signal(signal.SIGKILL)
    child.wait(10)


def test_a_model_that_cannot_run_is_one_sentence_and_status_2(tmp_path: Path):
    (tmp_path / "picture.gguf").write_bytes(b"\x89PNG\r\n\x1a\n")
    command = [*COMMAND, str(tmp_path / "picture.gguf")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment()) as process:
        assert process.wait(60) == 2
        assert process.stdout is not None
        assert process.stderr is not None
        sentence = json.loads(process.stdout.read())["error"]
        assert process.stderr.read() == sentence + "\n"
    assert sentence.startswith("The model file is damaged or not a model")


def test_a_person_gets_a_token(tiny: Path):
    command = [sys.executable, "-m", "engine", "serve", "--model", str(tiny)]
    env = {name: value for name, value in environment().items() if name != "QUARRY_ENGINE_TOKEN"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as person:
        assert person.stdout is not None
        assert person.stderr is not None
        port = json.loads(person.stdout.readline())["port"]
        token = person.stderr.readline().split()[-1]
        url = f"http://127.0.0.1:{port}/v1/models"
        assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False).status_code == 200
        person.send_signal(signal.SIGINT)
        assert person.wait(10) == 0
