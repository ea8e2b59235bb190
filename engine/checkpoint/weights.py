"""The weights of a checkpoint under their canonical names: as float32, or as the file stores them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.checkpoint.dequantize import FORMATS, Floats, dequantize
from engine.checkpoint.gguf import GgufFile
from engine.checkpoint.mapped import MappedFile, TensorEntry
from engine.checkpoint.names import (
    Shape,
    canonical_name,
    canonical_names,
    expected_shapes,
    folder_shape,
    folder_values_to_canonical,
    gguf_rows_to_canonical,
    gguf_shape,
)
from engine.checkpoint.safetensors import SafetensorsFile
from engine.config import ModelConfig
from engine.errors import damaged, unsupported

_UNUSED: Final = (".rotary_emb.inv_freq",)  # computed from the config; old checkpoints carry it


@dataclass(frozen=True, slots=True)
class _Place:
    """One canonical tensor: the `index`-th of `parts` equal parts that stand one above the other in `entry`."""

    file: MappedFile
    entry: TensorEntry
    index: int = 0
    parts: int = 1

    def stored(self) -> NDArray[np.uint8]:
        """Its bytes, without a copy: (..., rows, bytes of a row), or (bytes,) for a vector."""
        entry, layout = self.entry, FORMATS[self.entry.type_id]
        row = entry.shape[-1] // layout.values * layout.bytes
        stored = self.file.view(entry.offset, entry.size).reshape(*entry.shape[:-1], row)
        if self.parts == 1:
            return stored
        rows = entry.shape[-2] // self.parts
        return stored[..., self.index * rows : (self.index + 1) * rows, :]


class Weights(Mapping[str, Floats], ABC):
    """Canonical name -> values. A tensor is converted at each look-up and not kept, so that memory stays bounded.

    Names and shapes of the whole checkpoint are checked before the first tensor is converted; raises ModelFileError.
    A look-up raises it too: for a tensor with a number that is not finite.
    """

    rotates_pairs: bool  # the rows of q and k are stored as interleaved pairs, not as halves
    stored_as_something_else: tuple[str, ...] = ()  # endings of names

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._shapes = expected_shapes(config)
        self._places: dict[str, _Place] = {}

    def _add(self, name: str, place: _Place, expected: Shape) -> None:
        entry = place.entry
        if name in self._places:
            raise damaged(f"tensor {entry.name} stands beside {self._places[name].entry.name}")
        if place.parts > 1:
            expected = (*expected[:-2], expected[-2] * place.parts, expected[-1])
        if _without_ones(entry.shape) != _without_ones(expected):
            raise damaged(f"tensor {entry.name} has shape {entry.shape}, not {expected}")
        self._places[name] = place

    def _check_complete(self) -> None:
        missing = next((name for name in self._shapes if name not in self._places), None)
        if missing is not None:
            raise damaged(f"tensor {missing} is missing")

    @abstractmethod
    def _to_canonical(self, name: str, values: Floats) -> Floats:
        """Undo what the format does to the values of `name`."""

    def __getitem__(self, name: str) -> Floats:
        place = self._places[name]
        stored = np.ascontiguousarray(place.stored())
        values = dequantize(stored.reshape(-1), place.entry.type_id, self._shapes[name])
        _check_finite(place.entry.name, values)
        return self._to_canonical(name, values)

    def stored(self, name: str) -> tuple[int, NDArray[np.uint8]] | None:
        """ggml's type id and the bytes, without a copy, rows of q and k as `rotates_pairs` says.

        None for a tensor that the format stores as something else or in several pieces.
        """
        place = self._places[name]
        stored = place.stored()
        if name.endswith(self.stored_as_something_else) or not stored.flags.c_contiguous:
            return None
        return place.entry.type_id, stored.reshape(-1)

    def shape(self, name: str) -> Shape:
        return self._shapes[name]

    def type_id(self, name: str) -> int:
        """ggml's type id of the numbers that `name` is stored in."""
        return self._places[name].entry.type_id

    def release(self, name: str) -> None:
        """The stored bytes of `name` are not needed again."""
        place = self._places[name]
        place.file.release(place.entry.offset, place.entry.size)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def __contains__(self, name: object) -> bool:
        return name in self._shapes


class GgufWeights(Weights):
    """The weights of a GGUF file. Every tensor in it must have its use."""

    rotates_pairs = True

    def __init__(self, file: GgufFile, config: ModelConfig) -> None:
        super().__init__(config)
        for entry in file.tensors.values():
            name = canonical_name(entry.name)
            if name not in self._shapes:
                raise unsupported(f"it holds a tensor {entry.name} that this engine has no use for")
            self._add(name, _Place(file.file, entry), gguf_shape(name, self._shapes[name], config))
        self._check_complete()

    def _to_canonical(self, name: str, values: Floats) -> Floats:
        return gguf_rows_to_canonical(name, values, self._config)


class FolderWeights(Weights):
    """The weights of a folder's safetensors files."""

    rotates_pairs = False
    stored_as_something_else = (".mamba.a",)

    def __init__(self, files: Iterable[SafetensorsFile], config: ModelConfig) -> None:
        super().__init__(config)
        for file in files:
            for entry in file.tensors.values():
                self._place(file, entry)
        self._check_complete()

    def _place(self, file: SafetensorsFile, entry: TensorEntry) -> None:
        if entry.name.endswith(_UNUSED) or (self._config.tied and entry.name == "lm_head.weight"):
            return
        names = canonical_names(entry.name)
        if not names or names[0] not in self._shapes:
            raise unsupported(f"it holds a tensor {entry.name} that this engine has no use for")
        for index, name in enumerate(names):
            place = _Place(file.file, entry, index, len(names))
            self._add(name, place, folder_shape(name, self._shapes[name]))

    def _to_canonical(self, name: str, values: Floats) -> Floats:
        return folder_values_to_canonical(name, values)


def _without_ones(shape: Shape) -> Shape:
    """Extents of 1 in front say nothing: writers differ in them."""
    first = next((at for at, extent in enumerate(shape) if extent != 1), len(shape))
    return shape[first:]


def _check_finite(name: str, values: Floats) -> None:
    """NaN passes through min and max; two passes need no memory, a mask of the whole tensor would."""
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise damaged(f"tensor {name} holds a value that is not a number")
