"""Weights that nobody trained, in any stored format: what self-tests and benchmarks of a shape compute with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Final
from zlib import crc32

import numpy as np

from engine.checkpoint.dequantize import BF16, F16, F32, FORMATS, Bytes, Floats, dequantize
from engine.checkpoint.names import Shape
from engine.checkpoint.weights import Weights
from engine.config import ModelConfig

# At which bytes of a block the half-precision numbers stand that its values are multiplied with.
SCALES: Final[Mapping[int, tuple[int, ...]]] = {
    2: (0,), 3: (0, 2), 6: (0,), 7: (0, 2), 8: (0,), 12: (0, 2), 13: (0, 2), 14: (208,),
}  # fmt: skip


def random_stored(type_id: int, shape: Shape, generator: np.random.Generator) -> Bytes:
    """A matrix as a file stores it, rows one after another: (bytes,). Its last width holds whole blocks."""
    layout, count = FORMATS[type_id], prod(shape)
    if layout.values == 1:
        values = generator.standard_normal(count, np.float32) / np.float32(shape[-1] ** 0.5)
        if type_id == BF16:
            return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
        return values.astype(np.float16 if type_id == F16 else np.float32).view(np.uint8)
    blocks = np.frombuffer(generator.bytes(count // layout.values * layout.bytes), np.uint8).copy()
    blocks = blocks.reshape(-1, layout.bytes)
    for at in SCALES[type_id]:
        blocks[:, at : at + 2] = generator.uniform(0.001, 0.02, (len(blocks), 1)).astype(np.float16).view(np.uint8)
    return blocks.reshape(-1)


class RandomWeights(Weights):
    """A whole model of `config`: `format_of` names the type of each matrix, vectors are float32.

    The same seed gives the same model. Norms, decays and time steps are those of a trained model's kind, so that
    nothing overflows however long the text is.
    """

    rotates_pairs = False

    def __init__(self, config: ModelConfig, format_of: Callable[[str, Shape], int], seed: int = 0) -> None:
        super().__init__(config)
        self._format_of = format_of
        self._seed = seed

    def stored(self, name: str) -> tuple[int, Bytes]:
        type_id = self.type_id(name)
        if self._is_matrix(name):
            return type_id, random_stored(type_id, self._shapes[name], self._generator(name))
        return type_id, self._vector(name).reshape(-1).view(np.uint8)

    def type_id(self, name: str) -> int:
        return self._format_of(name, self._shapes[name]) if self._is_matrix(name) else F32

    def release(self, name: str) -> None:
        """Nothing is kept."""

    def _is_matrix(self, name: str) -> bool:
        return len(self._shapes[name]) > 1 and not name.endswith(".mamba.conv")

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, crc32(name.encode())])

    def _vector(self, name: str) -> Floats:
        shape, generator = self._shapes[name], self._generator(name)
        part = name.rpartition(".")[2]
        if part.startswith("norm"):
            return generator.uniform(0.8, 1.2, shape).astype(np.float32)
        if part == "a":
            return -generator.uniform(1.0, 16.0, shape).astype(np.float32)
        if part == "dt_bias":  # time steps of 0.001 to 0.1, before the softplus
            return np.log(np.expm1(generator.uniform(0.001, 0.1, shape))).astype(np.float32)
        return (generator.standard_normal(shape) / 2).astype(np.float32)

    def _to_canonical(self, name: str, values: Floats) -> Floats:
        return values

    def __getitem__(self, name: str) -> Floats:
        type_id, stored = self.stored(name)
        return dequantize(stored, type_id, self._shapes[name])
