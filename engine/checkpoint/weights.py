"""All weights of a GGUF file as float32 torch tensors under their canonical names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from engine.checkpoint.dequantize import dequantize
from engine.checkpoint.gguf import GgufFile, TensorEntry
from engine.checkpoint.names import canonical_name, expected_shapes, gguf_rows_to_canonical
from engine.config import ModelConfig
from engine.errors import damaged, unsupported


def read_weights(file: GgufFile, config: ModelConfig) -> dict[str, torch.Tensor]:
    """Every tensor the model needs. Names and shapes are checked before the first one is converted."""
    expected = expected_shapes(config)
    found: dict[str, TensorEntry] = {}
    for entry in file.tensors.values():
        name = canonical_name(entry.name)
        if name not in expected:
            raise unsupported(f"it holds a tensor {entry.name} that this engine has no use for")
        if entry.shape != expected[name]:
            raise damaged(f"tensor {entry.name} has shape {entry.shape}, not {expected[name]}")
        found[name] = entry
    missing = sorted(expected.keys() - found.keys() - {"head"})
    if missing:
        raise damaged(f"tensor {missing[0]} is missing")

    def convert(name: str, entry: TensorEntry) -> torch.Tensor:
        values = dequantize(file.bytes_of(entry), entry.type_id, entry.shape)
        return torch.from_numpy(gguf_rows_to_canonical(name, values, config))

    with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="weights") as pool:  # numpy frees the GIL
        return dict(zip(found, pool.map(convert, found.keys(), found.values()), strict=True))
