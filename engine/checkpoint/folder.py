"""A checkpoint folder as Hugging Face publishes it: config.json, safetensors (in one file or several), tokenizer files.

Everything in it is untrusted. JSON files are bounded before they are read, and an index names files of this folder
alone. Pickled weights (pytorch_model.bin) are never opened.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Final

from engine.checkpoint.safetensors import SafetensorsFile
from engine.errors import ModelFileError, damaged, unsupported

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
TOKENIZER: Final = "tokenizer.json"
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
GENERATION_CONFIG: Final = "generation_config.json"
TEMPLATE: Final = "chat_template.jinja"

MAX_JSON_BYTES: Final = 2 << 20  # Python's objects take twenty times as much
MAX_TOKENIZER_BYTES: Final = 64 << 20
MAX_FILES: Final = 1024
_PART: Final = re.compile(r"\w[\w.-]{0,200}\.safetensors")  # no way out of the folder, no drive, no stream


class CheckpointFolder:
    """An open folder. Raises ModelFileError where the weights are not whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        config = self.json_object(CONFIG)
        if config is None:
            raise ModelFileError(f"The folder {path.name} is not a model: it holds no {CONFIG}; choose another.")
        self.config = config
        self.files: list[SafetensorsFile] = []
        try:
            self._open_weights()
        except ModelFileError:
            self.close()
            raise

    @property
    def weight_paths(self) -> tuple[Path, ...]:
        return tuple(self.path / file.name for file in self.files)

    def close(self) -> None:
        for file in self.files:
            file.close()

    def read(self, name: str, limit: int) -> bytes | None:
        """A small file's bytes; None where there is none."""
        path = self.path / name
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > limit:
                    raise damaged(f"{name} is longer than {limit} bytes")
                return file.read(size)  # with `limit` here, that much memory would be taken first
        except OSError as error:
            raise ModelFileError(f"{name} in the folder {self.path.name} cannot be read ({error}).") from error

    def json_object(self, name: str) -> dict[str, Any] | None:
        """A small file's JSON object; None where there is no such file."""
        data = self.read(name, MAX_JSON_BYTES)
        if data is None:
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise damaged(f"{name} is not JSON") from error
        if not isinstance(value, dict):
            raise damaged(f"{name} is not a JSON object")
        return value

    def _open_weights(self) -> None:
        index = self.json_object(INDEX)
        if index is not None:
            self._open_parts(index.get("weight_map"))
        elif (self.path / WEIGHTS).exists():
            self.files.append(SafetensorsFile(self.path / WEIGHTS))
        elif any(self.path.glob("*.bin")):
            raise unsupported("its weights are pickled, which is never opened, and safetensors are needed")
        else:
            raise damaged(f"it holds neither {WEIGHTS} nor {INDEX}")

    def _open_parts(self, weight_map: object) -> None:
        if not isinstance(weight_map, dict) or not all(isinstance(part, str) for part in weight_map.values()):
            raise damaged(f"{INDEX} does not map tensors to files")
        parts = sorted(set(weight_map.values()))
        if len(parts) > MAX_FILES:
            raise damaged(f"{INDEX} names more than {MAX_FILES} files")
        for part in parts:
            if not _PART.fullmatch(part):
                raise damaged(f"{INDEX} names {part[:64]!r}, which is not a safetensors file of its folder")
            self.files.append(SafetensorsFile(self.path / part))
        for file in self.files:
            for name in file.tensors:
                if weight_map.pop(name, None) != file.name:
                    raise damaged(f"tensor {name} stands in {file.name}, and {INDEX} says otherwise")
        if weight_map:
            raise damaged(f"tensor {next(iter(weight_map))[:64]} of {INDEX} is in none of its files")
