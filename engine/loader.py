"""From a file to a model that can answer: header, weights, tokenizer, chat template and what /v1/models says."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from engine.chat import ChatTemplate, template_from_gguf
from engine.checkpoint.dequantize import TYPE_NAMES
from engine.checkpoint.gguf import GgufFile
from engine.checkpoint.weights import GgufWeights
from engine.config import ModelConfig, config_from_gguf
from engine.cpu.decoder import CpuDecoder
from engine.cpu.packing import why_not
from engine.errors import ModelFileError
from engine.protocol import ModelInfo
from engine.reading import Decoder
from engine.tokenizer import TextTokenizer, vocabulary_from_gguf
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
    exact_cache: bool = False,
    reference: bool = False,
) -> LoadedModel:
    """Load a GGUF file; `context` tokens at most, never more than the model knows. Raises ModelFileError.

    `exact_cache` keeps keys and values in float32 and not in half precision; `reference` computes in torch.
    """
    threads = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(1, thread_name_prefix="sha256") as pool:
        file = GgufFile(path)
        try:
            digest = pool.submit(_sha256, path)
            config = config_from_gguf(file.metadata, file.tensors)
            tokenizer = TextTokenizer(vocabulary_from_gguf(file.metadata))
            template = template_from_gguf(file.metadata, tokenizer)
            weights = GgufWeights(file, config)
            decoder = _torch(config, weights, threads) if reference else _decoder(config, weights, threads, exact_cache)
            parameters = sum(prod(entry.shape) for entry in file.tensors.values())
            sizes: Counter[str] = Counter()
            for entry in file.tensors.values():
                sizes[TYPE_NAMES[entry.type_id]] += entry.size
        finally:
            file.close()
        info = ModelInfo(
            id=path.stem,
            file_sha256=digest.result(),
            quantisation=sizes.most_common(1)[0][0],
            context=min(context or DEFAULT_CONTEXT, config.context),
            device="cpu",
            parameters=parameters,
            kernels=dict(decoder.kernels),
        )
    return LoadedModel(info, decoder, tokenizer, template)


def _decoder(config: ModelConfig, weights: GgufWeights, threads: int, exact_cache: bool) -> Decoder[Any]:
    reason = why_not(config)
    if reason is None:
        try:
            return CpuDecoder(config, weights, threads, exact_cache=exact_cache)
        except BuildError as error:
            reason = str(error)
    logger.info("The engine computes in torch, several times slower: %s.", reason)
    return _torch(config, weights, threads)


def _torch(config: ModelConfig, weights: GgufWeights, threads: int) -> Decoder[Any]:
    import torch  # a second to import

    from engine.model.decoder import TorchDecoder

    torch.set_num_threads(threads)  # fixed: its sums, and so texts, may change with the number of threads
    return TorchDecoder(config, weights)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(f"The model file {path.name} cannot be read ({error}).") from error
