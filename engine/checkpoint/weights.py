"""The weights of a GGUF file as float32 arrays under their canonical names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from engine.checkpoint.dequantize import Floats, dequantize
from engine.checkpoint.gguf import GgufFile, TensorEntry
from engine.checkpoint.names import Shape, canonical_name, expected_shapes, gguf_rows_to_canonical, gguf_shape
from engine.config import ModelConfig
from engine.errors import damaged, unsupported


class GgufWeights(Mapping[str, Floats]):
    """Canonical name -> values. A tensor is converted at each look-up and not kept, so that memory stays bounded.

    Names and shapes of the whole file are checked here, before the first one is converted; raises ModelFileError.
    A look-up raises it too: for a tensor with a number that is not finite.
    """

    def __init__(self, file: GgufFile, config: ModelConfig) -> None:
        self._file = file
        self._config = config
        self._entries: dict[str, TensorEntry] = {}
        self._shapes = expected_shapes(config)
        for entry in file.tensors.values():
            name = canonical_name(entry.name)
            if name not in self._shapes:
                raise unsupported(f"it holds a tensor {entry.name} that this engine has no use for")
            if name in self._entries:
                raise damaged(f"tensor {entry.name} stands beside {self._entries[name].name}")
            check_shape(entry.name, entry.shape, gguf_shape(name, self._shapes[name], config))
            self._entries[name] = entry
        check_complete(self._shapes, self._entries)

    def __getitem__(self, name: str) -> Floats:
        entry = self._entries[name]
        values = dequantize(self._file.bytes_of(entry), entry.type_id, entry.shape)
        check_finite(entry.name, values)
        return gguf_rows_to_canonical(name, values.reshape(self._shapes[name]), self._config)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries


def check_shape(name: str, shape: Shape, expected: Shape) -> None:
    """Extents of 1 in front say nothing: writers differ in them."""
    if _inner(shape) != _inner(expected):
        raise damaged(f"tensor {name} has shape {shape}, not {expected}")


def _inner(shape: Shape) -> Shape:
    first = next((at for at, extent in enumerate(shape) if extent != 1), len(shape))
    return shape[first:]


def check_complete(expected: Mapping[str, object], found: Mapping[str, object]) -> None:
    missing = next((name for name in expected if name not in found), None)
    if missing is not None:
        raise damaged(f"tensor {missing} is missing")


def check_finite(name: str, values: Floats) -> None:
    """NaN passes through min and max; two passes need no memory, a mask of the whole tensor would."""
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise damaged(f"tensor {name} holds a value that is not a number")
