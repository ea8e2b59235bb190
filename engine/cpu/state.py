"""What a sequence has read so far, in the kernels' layout: pages of keys and values, and Mamba's fixed-size states.

A page holds 64 tokens of every attention layer. A full page is never written again, so a fork shares it; only the
last, partly filled one and the Mamba states are copied. Where the forked state reads no more, even these large ones
stay where they are: the fork's first step reads the old and writes the new.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.config import ModelConfig
from kernels.cpu import library as native

LAYOUT: Final = 1  # of a state's parts; another number when their meaning changes, since they are kept on disk


class CpuState:
    """One sequence; `length` tokens are read. Memory grows with it, a page at a time."""

    def __init__(self, config: ModelConfig, page_bytes: int, capacity: int) -> None:
        self._attention_layers = config.layer_types.count("attention")
        self._page_bytes = page_bytes
        self._pages: list[NDArray[np.uint8]] = []  # each (attention layers, page bytes)
        self.capacity = capacity
        self.length = 0
        page_capacity = -(-capacity // native.PAGE)
        self._table = np.zeros((self._attention_layers, page_capacity), np.uint64)
        mamba, layers = config.mamba, config.layer_types.count("mamba")
        self._conv = np.zeros((layers, mamba.convolution - 1, mamba.channels) if mamba else (0, 1, 1), np.float32)
        self._ssm = np.zeros((layers, mamba.heads, mamba.state, mamba.head_dim) if mamba else (0, 1, 1, 1), np.float32)
        self._conv_table = _addresses(self._conv)
        self._ssm_table = _addresses(self._ssm)
        self._before: NDArray[np.float32] | None = None  # what `_ssm` is to be, until the first step

    def room_for(self, count: int) -> None:
        """Have pages for `count` more tokens."""
        while len(self._pages) * native.PAGE < self.length + count:
            self._add_page(np.zeros((self._attention_layers, self._page_bytes), np.uint8))

    def view(self, start: int, count: int) -> native.Sequence:
        """For one step in which it reads `count` tokens at columns from `start` on; `has_read` comes after it."""
        self._before_table = None if self._before is None else _addresses(self._before)
        return native.Sequence(
            position=self.length,
            start=start,
            count=count,
            page_capacity=self._table.shape[1],
            pages=self._table.ctypes.data,
            conv=self._conv_table.ctypes.data,
            ssm=self._ssm_table.ctypes.data,
            ssm_before=None if self._before_table is None else self._before_table.ctypes.data,
        )

    def has_read(self, count: int) -> None:
        """After a step that read `count` tokens, one at least."""
        self.length += count
        self._before = None

    @classmethod
    def restored(cls, config: ModelConfig, page_bytes: int, length: int, memory: NDArray[np.uint8]) -> CpuState:
        """A state of `length` tokens over the bytes of its `parts`."""
        state = cls(config, page_bytes, length)
        state.length = length
        pages = state._attention_layers, page_bytes
        conv, ssm, page = state._conv.nbytes, state._ssm.nbytes, pages[0] * pages[1]
        state._conv = memory[:conv].view(np.float32).reshape(state._conv.shape)
        state._ssm = memory[conv : conv + ssm].view(np.float32).reshape(state._ssm.shape)
        state._conv_table, state._ssm_table = _addresses(state._conv), _addresses(state._ssm)
        for first in range(conv + ssm, len(memory), page or 1):
            state._add_page(memory[first : first + page].reshape(pages))
        return state

    @property
    def parts(self) -> list[NDArray[Any]]:
        """All its memory: Mamba's states, then its pages."""
        if self._before is not None:
            self._ssm[...], self._before = self._before, None
        return [self._conv, self._ssm, *self._pages[: -(-self.length // native.PAGE)]]

    def fork(self, capacity: int | None = None, *, ended: bool = False) -> CpuState:
        """A second sequence with the same past, of at most `capacity` tokens; as many as this one unless said.

        `ended`: this one reads no more, so the second may look at it until its own first step.
        """
        twin = object.__new__(CpuState)
        twin._attention_layers, twin._page_bytes = self._attention_layers, self._page_bytes
        twin.capacity, twin.length = self.capacity if capacity is None else capacity, self.length
        twin._table = np.zeros((self._attention_layers, -(-twin.capacity // native.PAGE)), np.uint64)
        twin._pages = []
        full = self.length // native.PAGE
        for at, page in enumerate(self._pages):
            if at * native.PAGE < self.length:
                twin._add_page(page if at < full else page.copy())
        past = self._ssm if self._before is None else self._before
        twin._conv, twin._ssm = self._conv.copy(), np.empty_like(past) if ended else past.copy()
        twin._before = past if ended else None
        twin._conv_table, twin._ssm_table = _addresses(twin._conv), _addresses(twin._ssm)
        return twin

    def _add_page(self, page: NDArray[np.uint8]) -> None:
        first, stride = page.ctypes.data, self._page_bytes
        self._table[:, len(self._pages)] = [first + layer * stride for layer in range(self._attention_layers)]
        self._pages.append(page)


def _addresses(layers: NDArray[np.float32]) -> NDArray[np.uint64]:
    first, stride = layers.ctypes.data, layers.strides[0]
    return np.array([first + layer * stride for layer in range(len(layers))], np.uint64)
