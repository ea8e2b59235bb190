"""Copies of GGUF files with third-party tools, none of them ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

OWN_KEYS = ("general.architecture", "general.file_type")  # the writer's


def copy_as_float32(source: Path, target: Path, change: Callable[[dict[str, np.ndarray]], object] = len) -> Path:
    """Copy a model, its weights dequantised; `change` may alter them."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in OWN_KEYS:
            kind, *inner = field.types
            writer.add_key_value(key, field.contents(), kind, sub_type=inner[-1] if inner else None)
    weights = {each.name: gguf.dequantize(each.data, each.tensor_type).astype(np.float32) for each in reader.tensors}
    change(weights)
    for name, values in weights.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
