"""The starter model, loaded once, and llama.cpp serving the same file; both keep keys and values in float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engine.loader import LoadedModel, load_model
from tests.engine.oracle import FLOAT32, llama_cpp_client


@pytest.fixture(scope="session")
def starter(starter_model: Path) -> LoadedModel:
    return load_model(starter_model, threads=1, exact_cache=True)  # the suite runs a worker on each core


@pytest.fixture(scope="session")
def llama_cpp(starter_model: Path) -> Iterator[httpx.Client]:
    with llama_cpp_client(starter_model, **FLOAT32) as client:
        yield client
