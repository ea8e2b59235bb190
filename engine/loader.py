"""From a file to a model that can answer: header, weights, tokenizer, chat template and what /v1/models says."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final

from engine.chat import ChatTemplate, template_from_gguf
from engine.checkpoint.dequantize import TYPE_NAMES
from engine.checkpoint.gguf import GgufFile
from engine.checkpoint.weights import GgufWeights
from engine.config import config_from_gguf
from engine.errors import ModelFileError
from engine.model.decoder import Decoder
from engine.protocol import ModelInfo
from engine.tokenizer import TextTokenizer, vocabulary_from_gguf
from kernels.ops import IMPLEMENTATIONS

DEFAULT_CONTEXT: Final = 8192  # tokens; a file's own limit may be a million, and a cache of that size never fits


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Everything that answering takes; read-only after loading."""

    info: ModelInfo
    decoder: Decoder
    tokenizer: TextTokenizer
    template: ChatTemplate


def load_model(path: Path, context: int | None = None) -> LoadedModel:
    """Load a GGUF file; `context` tokens at most, never more than the model knows. Raises ModelFileError."""
    with ThreadPoolExecutor(1, thread_name_prefix="sha256") as pool:
        file = GgufFile(path)
        try:
            digest = pool.submit(_sha256, path)
            config = config_from_gguf(file.metadata, file.tensors)
            tokenizer = TextTokenizer(vocabulary_from_gguf(file.metadata))
            template = template_from_gguf(file.metadata, tokenizer)
            decoder = Decoder(config, GgufWeights(file, config))
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
            kernels=dict(IMPLEMENTATIONS),
        )
    return LoadedModel(info, decoder, tokenizer, template)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(f"The model file {path.name} cannot be read ({error}).") from error
