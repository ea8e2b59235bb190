"""The weights of a GGUF file as float32 torch tensors under their canonical names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from engine.checkpoint.dequantize import dequantize
from engine.checkpoint.gguf import GgufFile, TensorEntry
from engine.checkpoint.names import canonical_name, expected_shapes, gguf_rows_to_canonical
from engine.config import ModelConfig
from engine.errors import damaged, unsupported


class GgufWeights(Mapping[str, torch.Tensor]):
    """Canonical name -> tensor. A tensor is converted at each look-up and not kept, so that memory stays bounded.

    Names and shapes of the whole file are checked here, before the first one is converted; raises ModelFileError.
    """

    def __init__(self, file: GgufFile, config: ModelConfig) -> None:
        self._file = file
        self._config = config
        self._entries: dict[str, TensorEntry] = {}
        expected = expected_shapes(config)
        for entry in file.tensors.values():
            name = canonical_name(entry.name)
            if name not in expected:
                raise unsupported(f"it holds a tensor {entry.name} that this engine has no use for")
            if entry.shape != expected[name]:
                raise damaged(f"tensor {entry.name} has shape {entry.shape}, not {expected[name]}")
            self._entries[name] = entry
        missing = sorted(expected.keys() - self._entries.keys() - {"head"})
        if missing:
            raise damaged(f"tensor {missing[0]} is missing")

    def __getitem__(self, name: str) -> torch.Tensor:
        entry = self._entries[name]
        values = dequantize(self._file.bytes_of(entry), entry.type_id, entry.shape)
        return torch.from_numpy(gguf_rows_to_canonical(name, values, self._config))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries
