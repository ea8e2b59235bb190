"""From a file to a model that can answer: header, weights, tokenizer, chat template and what /v1/models says."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.chat import ChatTemplate
from engine.checkpoint.source import open_checkpoint
from engine.checkpoint.weights import Weights
from engine.config import ModelConfig
from engine.cpu.decoder import CpuDecoder
from engine.cpu.packing import CacheFormat, why_not
from engine.errors import ModelFileError
from engine.protocol import ModelInfo
from engine.reading import Decoder
from engine.shapes import trained_context
from engine.tokenizer import TextTokenizer
from kernels.cpu.build import BuildError

logger = logging.getLogger(__name__)

DEFAULT_CONTEXT: Final = 8192  # tokens; a file's own limit may be a million, and a cache of that size never fits


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Everything that answering takes; read-only after loading."""

    info: ModelInfo
    decoder: Decoder[Any]
    tokenizer: TextTokenizer
    template: ChatTemplate


def load_model(
    path: Path,
    context: int | None = None,
    threads: int | None = None,
    *,
    cache: CacheFormat = "f16",
    reference: bool = False,
) -> LoadedModel:
    """Load a GGUF file or a checkpoint folder. Raises ModelFileError.

    `context` tokens at most, never more than the model knows. `cache` is what keys and values are kept in;
    `reference` computes in torch.
    """
    threads = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(1, thread_name_prefix="sha256") as pool:
        with open_checkpoint(path) as checkpoint:
            digest = pool.submit(_sha256, checkpoint.files)
            config, weights = checkpoint.config, checkpoint.weights
            decoder = _torch(config, weights, threads) if reference else _decoder(config, weights, threads, cache)
        info = ModelInfo(
            id=path.name if path.is_dir() else path.stem,
            file_sha256=digest.result(),
            quantisation=checkpoint.quantisation,
            context=min(context or DEFAULT_CONTEXT, trained_context(config)),
            device="cpu",
            parameters=checkpoint.parameters,
            kernels=dict(decoder.kernels),
        )
    return LoadedModel(info, decoder, checkpoint.tokenizer, checkpoint.template)


def _decoder(config: ModelConfig, weights: Weights, threads: int, cache: CacheFormat) -> Decoder[Any]:
    reason = why_not(config)
    if reason is None:
        try:
            return CpuDecoder(config, weights, threads, cache)
        except BuildError as error:
            reason = str(error)
    logger.info("The engine computes in torch, several times slower: %s.", reason)
    return _torch(config, weights, threads)


def _torch(config: ModelConfig, weights: Weights, threads: int) -> Decoder[Any]:
    import torch  # a second to import

    from engine.model.decoder import TorchDecoder

    torch.set_num_threads(threads)  # fixed: its sums, and so texts, may change with the number of threads
    return TorchDecoder(config, weights)


def _sha256(files: Sequence[Path]) -> str:
    """Of a file, what sha256sum says; of several, the hash of their hashes."""
    hashes = []
    for path in files:
        try:
            with path.open("rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256"))
        except OSError as error:
            raise ModelFileError(f"The model file {path.name} cannot be read ({error}).") from error
    if len(hashes) == 1:
        return hashes[0].hexdigest()
    return hashlib.sha256(b"".join(each.digest() for each in hashes)).hexdigest()
