"""One way to open a model, whichever it is: a GGUF file, or a folder with safetensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from engine.chat import ChatTemplate
from engine.checkpoint import folder as names
from engine.checkpoint.dequantize import TYPE_NAMES
from engine.checkpoint.folder import CheckpointFolder
from engine.checkpoint.gguf import GgufFile
from engine.checkpoint.mapped import TensorEntry
from engine.checkpoint.weights import FolderWeights, GgufWeights, Weights
from engine.config import ModelConfig, config_from_gguf
from engine.config_json import config_from_json
from engine.errors import damaged, unsupported
from engine.tokenizer import TextTokenizer, vocabulary_from_gguf
from engine.tokenizer_json import tokenizer_from_json


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An open model: everything is checked, and no weight is read yet."""

    config: ModelConfig
    weights: Weights
    tokenizer: TextTokenizer
    template: ChatTemplate
    template_source: str
    opened: GgufFile | CheckpointFolder  # what all this was read from
    parameters: int
    quantisation: str  # the number format that most bytes are stored in
    files: tuple[Path, ...]  # what holds the weights, in a fixed order: its hash is the model's


@contextmanager
def open_checkpoint(path: Path) -> Iterator[Checkpoint]:
    """Open a GGUF file or a checkpoint folder; closed at the end, whatever happens. Raises ModelFileError."""
    if path.is_dir():
        opened = CheckpointFolder(path)
        try:
            yield _from_folder(opened)
        finally:
            opened.close()
    else:
        file = GgufFile(path)
        try:
            yield _from_gguf(file, path)
        finally:
            file.close()


def _from_gguf(file: GgufFile, path: Path) -> Checkpoint:
    config = config_from_gguf(file.metadata, file.tensors)
    tokenizer = TextTokenizer(vocabulary_from_gguf(file.metadata))
    template = _template(file.metadata.get("tokenizer.chat_template"))
    return _checkpoint(file, config, GgufWeights(file, config), tokenizer, template, file.tensors.values(), (path,))


def _from_folder(opened: CheckpointFolder) -> Checkpoint:
    config = config_from_json(opened.config)
    source = opened.read(names.TOKENIZER, names.MAX_TOKENIZER_BYTES)
    if source is None:
        raise damaged(f"it holds no {names.TOKENIZER}")
    settings = opened.json_object(names.TOKENIZER_CONFIG) or {}
    generation = opened.json_object(names.GENERATION_CONFIG) or {}
    ends = (opened.config.get("eos_token_id"), generation.get("eos_token_id"))
    tokenizer = tokenizer_from_json(source, config.vocabulary, settings, ends)
    template = _template(_folder_template(opened, settings))
    entries = [entry for file in opened.files for entry in file.tensors.values()]
    weights = FolderWeights(opened.files, config)
    return _checkpoint(opened, config, weights, tokenizer, template, entries, opened.weight_paths)


def _folder_template(opened: CheckpointFolder, settings: Mapping[str, Any]) -> object:
    """chat_template.jinja, else tokenizer_config.json's one, which may be a list of named ones."""
    separate = opened.read(names.TEMPLATE, names.MAX_JSON_BYTES)
    if separate is not None:
        return separate.decode(errors="replace")
    written = settings.get("chat_template")
    if not isinstance(written, list):
        return written
    defaults = (entry for entry in written if isinstance(entry, dict) and entry.get("name") == "default")
    return next(defaults, {}).get("template")


def _template(source: object) -> str:
    if source is None:
        raise unsupported("it carries no chat template, so it is not made for answering messages")
    if not isinstance(source, str):
        raise damaged("its chat template is not a text")
    return source


def _checkpoint(
    opened: GgufFile | CheckpointFolder,
    config: ModelConfig,
    weights: Weights,
    tokenizer: TextTokenizer,
    template_source: str,
    entries: Iterable[TensorEntry],
    files: tuple[Path, ...],
) -> Checkpoint:
    sizes: Counter[str] = Counter()
    parameters = 0
    for entry in entries:
        sizes[TYPE_NAMES[entry.type_id]] += entry.size
        parameters += prod(entry.shape)
    return Checkpoint(
        config=config,
        weights=weights,
        tokenizer=tokenizer,
        template=ChatTemplate(template_source, tokenizer),
        template_source=template_source,
        opened=opened,
        parameters=parameters,
        quantisation=sizes.most_common(1)[0][0],
        files=files,
    )
