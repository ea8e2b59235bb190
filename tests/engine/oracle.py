"""llama.cpp's own HTTP server inside the test process (PyPI: xllamacpp)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import xllamacpp

SLOTS = 4  # answers at a time
# Settings under which llama.cpp rounds nothing below float32, given float32 weights.
FLOAT32 = {
    "cache_type_k": xllamacpp.ggml_type.GGML_TYPE_F32,
    "cache_type_v": xllamacpp.ggml_type.GGML_TYPE_F32,
    "flash_attn_type": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


@contextmanager
def llama_cpp_server(model: Path, **settings: Any) -> Iterator[str]:
    """Serve a model; the server's address. `settings` are fields of llama.cpp's common parameters."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_ctx = SLOTS * 2048
    parameters.n_parallel = SLOTS
    parameters.cpuparams.n_threads = 1  # the suite runs a worker on each core
    parameters.cpuparams.poll = 0  # wait asleep: the cores are shared with what is tested
    for name, value in settings.items():
        setattr(parameters, name, value)
    server = xllamacpp.Server(parameters)
    try:
        yield server.listening_address
    finally:
        del server


@contextmanager
def llama_cpp_client(model: Path, **settings: Any) -> Iterator[httpx.Client]:
    with (
        llama_cpp_server(model, **settings) as address,
        httpx.Client(base_url=address, timeout=120, trust_env=False) as client,
    ):
        yield client


def their_log_probabilities(client: httpx.Client, prompt: list[int], vocabulary: int, **more: Any) -> np.ndarray:
    """(vocabulary,) of the token after `prompt`."""
    request = {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": vocabulary} | more
    answer = client.post("/completion", json=request).raise_for_status().json()
    theirs = np.full(vocabulary, -np.inf)
    for top in answer["completion_probabilities"][0]["top_logprobs"]:
        theirs[top["id"]] = top["logprob"]
    return theirs


def divergence(expected: np.ndarray, found: np.ndarray) -> float:
    """The mean of Kullback and Leibler's, in nats, of log-probabilities (..., vocabulary)."""
    known = np.isfinite(expected)
    return float((np.exp(expected) * (np.where(known, expected, found) - found)).sum(-1).mean())
