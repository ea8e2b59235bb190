"""Many requests of every kind, one after another and at once: the engine's memory is back where it was."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.engine.asking import ON_AND_ON
from tests.engine.processes import TOKEN, Engine, engine
from tests.engine.test_families import FAMILIES
from tests.engine.tiny import write_tiny
from tests.engine.waiting import until

REQUESTS = 200
AT_ONCE = 8
MOST_GROWTH = 8  # MB between half of the requests and all of them; the store of prompts may take 2
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


@pytest.fixture
def running(tmp_path: Path) -> Any:
    model = write_tiny(tmp_path / "tiny.gguf", **FAMILIES["hybrid"])
    with engine(model, "--prefix-memory", "2", "--prefix-dir", str(tmp_path / "kept"), "--prefix-disk", "1") as server:
        yield server


def words(chance: random.Random) -> str:
    return " ".join(chance.choice(("loaf", "flour", "salt", "oven", "crust")) for _ in range(chance.randint(1, 12)))


def ask(client: openai.OpenAI, chance: random.Random) -> str:
    """One request of a random kind, which is given."""
    kind = chance.choice(("plain", "stream", "hang up", "schema", "several", "text", "refused"))
    fields: dict[str, Any] = {
        "model": "tiny",
        "max_tokens": chance.randint(1, 24),
        "seed": chance.randrange(1000),
        "messages": [{"role": "system", "content": words(chance)}, {"role": "user", "content": words(chance)}],
    }
    if kind == "text":
        del fields["messages"]
        client.completions.create(prompt=words(chance), **fields)
    elif kind in ("stream", "hang up"):
        with client.chat.completions.create(stream=True, logit_bias=ON_AND_ON, **fields) as stream:
            for _ in stream:
                if kind == "hang up":
                    break
    elif kind == "schema":
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}
        client.chat.completions.create(response_format=form, **fields)
    elif kind == "refused":
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(**fields | {"max_tokens": -1})
    else:
        client.chat.completions.create(n=3 if kind == "several" else 1, **fields)
    return kind


def resident(server: Engine) -> float:
    return psutil.Process(server.process.pid).memory_info().rss / 1e6


def test_memory_stays_where_it_is(running: Engine, scale: int):
    seed = random.randrange(1 << 32)
    client = openai.OpenAI(base_url=f"{running.url}/v1", api_key=TOKEN, max_retries=20, timeout=60)
    threads = psutil.Process(running.process.pid).num_threads
    with client, ThreadPoolExecutor(AT_ONCE) as callers:

        def half(number: int) -> list[str]:
            chances = [random.Random(f"{seed}/{number}/{i}") for i in range(REQUESTS * scale // 2)]
            return list(callers.map(lambda chance: ask(client, chance), chances))

        kinds = half(1)
        halfway, helpers = resident(running), threads()
        kinds += half(2)
    assert len(set(kinds)) == 7
    headers = {"Authorization": f"Bearer {TOKEN}"}
    health = f"{running.url}/health"
    assert until(lambda: httpx.get(health, headers=headers, trust_env=False).json()["running"] == 0)
    after = resident(running)
    sys.stdout.write(f"seed {seed}: {halfway:.1f} MB after half of {len(kinds)} requests, {after:.1f} MB after all\n")
    assert after < halfway + MOST_GROWTH, f"seed {seed}"
    assert threads() <= helpers + AT_ONCE, f"seed {seed}"  # pools start theirs when they are first needed
