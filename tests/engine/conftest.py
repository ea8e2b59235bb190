"""The starter model, loaded once, and llama.cpp serving the same file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch

from engine.loader import LoadedModel, load_model
from tests.engine.oracle import llama_cpp_client


@pytest.fixture(scope="session")
def starter(starter_model: Path) -> LoadedModel:
    torch.set_num_threads(1)  # the suite runs a worker on each core
    return load_model(starter_model)


@pytest.fixture(scope="session")
def llama_cpp(starter_model: Path) -> Iterator[httpx.Client]:
    with llama_cpp_client(starter_model) as client:
        yield client
