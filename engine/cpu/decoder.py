"""A decoder on the CPU kernels: a batch of sequences goes through the whole model in one native call."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.checkpoint.weights import Weights
from engine.config import ModelConfig
from engine.cpu.packing import CacheFormat, PackedModel
from engine.cpu.state import LAYOUT, CpuState
from engine.errors import damaged
from engine.reading import STEP_TOKENS, Reading
from kernels.cpu import library as native


class CpuDecoder:
    """A whole model. Raises ModelFileError, MemoryError, or BuildError where there are no kernels.

    A token's numbers depend on its own sequence alone: batch, chunks, threads and forks change no bit of them.
    """

    kernels: Final[Mapping[str, str]] = {"step": "cpu"}

    def __init__(self, config: ModelConfig, weights: Weights, threads: int, cache: CacheFormat = "f16") -> None:
        self.config = config
        self._packed = PackedModel(config, weights, threads, cache)
        self._page_bytes = int(native.library().qc_page_bytes(ctypes.byref(self._packed.model)))
        self._context = native.Context(self._packed.model, STEP_TOKENS, threads)
        # Packed weights are never looked at one by one; a number that is none shows in everything after it.
        empty = self.new_state(1)
        self._fixed_bytes = sum(part.nbytes for part in empty.parts)
        [logits] = self.step([Reading(empty, [0])])
        if not np.isfinite(logits).all():
            raise damaged("its weights hold a value that is not a number")

    def new_state(self, capacity: int) -> CpuState:
        """An empty sequence of at most `capacity` tokens."""
        return CpuState(self.config, self._page_bytes, capacity)

    @property
    def fingerprint(self) -> bytes:
        """Of all but the model's file that decides what is in a state: the library, its settings, the layout."""
        library = hashlib.sha256(Path(native.library()._name).read_bytes()).hexdigest()
        return repr((library, LAYOUT, self._packed.model.kv_format, self._page_bytes)).encode()

    def state_bytes(self, length: int) -> int:
        """How much memory a state of `length` tokens takes: its parts together."""
        pages = -(-length // native.PAGE)
        return self._fixed_bytes + pages * self.config.layer_types.count("attention") * self._page_bytes

    def restore(self, length: int, memory: NDArray[np.uint8]) -> CpuState:
        """The state of `length` tokens whose parts, one after the other, are `memory`; it is used, not copied."""
        return CpuState.restored(self.config, self._page_bytes, length, memory)

    def step(self, readings: Sequence[Reading[CpuState]]) -> list[NDArray[np.float32]]:
        """Let each sequence read its tokens; the logits of its last ones, (last, vocabulary).

        At most STEP_TOKENS tokens together. Raises ValueError where a state has no room for its tokens.
        """
        tokens: list[int] = []
        views: list[native.Sequence] = []
        wanted: list[int] = []
        for reading in readings:
            state, count = reading.state, len(reading.tokens)
            if state.length + count > state.capacity:
                raise ValueError(f"{state.length} + {count} tokens do not fit into a state of {state.capacity}")
            state.room_for(count)
            if count:
                views.append(state.view(len(tokens), count))
            tokens.extend(reading.tokens)
            wanted.extend(range(len(tokens) - reading.last, len(tokens)))
        if len(tokens) > STEP_TOKENS:
            raise ValueError(f"{len(tokens)} tokens are more than a step's {STEP_TOKENS}")
        ids, columns = np.array(tokens, np.int32), np.array(wanted, np.int32)
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.config.vocabulary:
            raise ValueError("a token is not in the vocabulary")
        logits = np.empty((len(wanted), -(-self.config.vocabulary // native.GROUP) * native.GROUP), np.float32)
        batch = native.Batch(
            tokens=ids.ctypes.data,
            sequences=(native.Sequence * len(views))(*views),
            logit_columns=columns.ctypes.data,
            logits=logits.ctypes.data,
            columns=len(ids),
            sequence_count=len(views),
            logit_count=len(wanted),
        )
        if tokens:
            self._context.step(batch)
        results, at = [], 0
        for reading in readings:
            if reading.tokens:
                reading.state.has_read(len(reading.tokens))
            results.append(logits[at : at + reading.last, : self.config.vocabulary])
            at += reading.last
        return results
