"""Models loaded once: the starter, llama.cpp serving it (both keep keys and values in float32), and tiny ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from engine.checkpoint.gguf import GgufFile
from engine.loader import LoadedModel, load_model
from engine.structure import Structures
from engine.tokenizer import TextTokenizer, vocabulary_from_gguf
from tests.engine.asking import QUEUE
from tests.engine.oracle import FLOAT32, llama_cpp_client
from tests.engine.processes import TOKEN, Engine, engine
from tests.engine.tiny import write_tiny
from tests.engine.tool_template import TOOL_TEMPLATE


@pytest.fixture(scope="session")
def starter(starter_model: Path) -> LoadedModel:
    return load_model(starter_model, threads=1, cache="f32")  # the suite runs a worker on each core


@pytest.fixture(scope="session")
def llama_cpp(starter_model: Path) -> Iterator[httpx.Client]:
    with llama_cpp_client(starter_model, **FLOAT32) as client:
        yield client


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    """Each byte and a few longer tokens: everything can be written, in small steps."""
    file = GgufFile(write_tiny(tmp_path_factory.mktemp("bytes") / "tiny.gguf"))
    file.close()
    return TextTokenizer(vocabulary_from_gguf(file.metadata))


@pytest.fixture(scope="session")
def structures(tokenizer: TextTokenizer) -> Structures:
    return Structures(tokenizer)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A tiny random model that speaks bytes, with a template that takes tools and documents."""
    path = write_tiny(tmp_path_factory.mktemp("api") / "tiny.gguf", template=TOOL_TEMPLATE, context=4096)
    with engine(path, "--parallel", "4", "--queue", str(QUEUE)) as running:
        yield running


@pytest.fixture(scope="session")
def api(api_server: Engine) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api_server.url}/v1", api_key=TOKEN, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def api_http(api_server: Engine) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=api_server.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client
