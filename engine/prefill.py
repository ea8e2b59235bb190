"""How one prompt is read: from the longest kept prefix of it on, in chunks, keeping its own prefixes for others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.prefix_store import PrefixStore
from engine.reading import Decoder, Prompt, Reading

# Tokens of a prompt read in one step; a cancellation waits for one chunk at most.
PREFILL_CHUNK: Final = 128
# A prompt keeps so many of its first borders (brand voice, source text) and of its last ones (the newest messages).
KEPT_AT_EACH_END: Final = 4
LOOKED_UP_AT_EACH_END: Final = 64
# The last border is not kept where only so few tokens, the template's, come after it: the whole prompt is.
NEAR_THE_END: Final = 8


class Prefill:
    """One prompt on its way into a state of `capacity` tokens.

    It is cut at every multiple of PREFILL_CHUNK and at the borders it keeps, whatever the store has. The whole prompt
    is kept with its logits, so that its equals read nothing.
    """

    def __init__(self, decoder: Decoder[Any], prompt: Prompt, capacity: int, store: PrefixStore | None = None) -> None:
        self.state: Any = None  # from the first reading on
        self.cached = 0  # tokens that the store had
        self._decoder = decoder
        self._tokens = prompt.tokens
        self._capacity = capacity
        self._store = store
        self._logits: NDArray[np.float32] | None = None  # after the whole prompt
        length = len(prompt.tokens)
        near = prompt.borders[-1:] if length - max(prompt.borders, default=0) <= NEAR_THE_END else ()
        kept = _at_ends(prompt.borders[: len(prompt.borders) - len(near)], KEPT_AT_EACH_END)
        borders, answers = (_at_ends(each, LOOKED_UP_AT_EACH_END) for each in (prompt.borders, prompt.answers))
        self._cuts = sorted({*kept, *range(PREFILL_CHUNK, length, PREFILL_CHUNK), length})
        self._prefixes = store.prefixes(prompt.tokens, borders, {*answers, length}) if store else []
        self._kept = [prefix for prefix in self._prefixes if prefix.length in ({length} if prefix.whole else kept)]
        self._promised: set[bytes] = set()

    def want(self) -> Reading[Any] | None:
        """The next chunk, the last one with its logits; None while another prompt is read up to a shared border."""
        if self.state is None and not self._begin():
            return None
        at = self.state.length
        if at == len(self._tokens):
            return Reading(self.state, [], 0)
        end = self._cuts[bisect_right(self._cuts, at)]
        return Reading(self.state, self._tokens[at:end], int(end == len(self._tokens)))

    def take(self, logits: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """What a step gave for the chunk; (v,) logits of the caller's own after the last one, None before."""
        if self.state.length < len(self._tokens):
            self.keep()
            return None
        if self._logits is None:
            self._logits = logits[0].copy()
        return self._logits.copy()

    def keep(self) -> None:
        """Keep what was read up to here, if it is a border or the whole prompt."""
        if self._store is None:
            return
        for prefix in self._kept:
            if prefix.length == self.state.length:
                shorter = [each for each in self._prefixes if each.length < prefix.length]
                self._store.keep(prefix, self.state, shorter, self._logits if prefix.whole else None)
                self._store.release({prefix.key})

    def keep_answer(self, answer: Sequence[int]) -> None:
        """Keep the state itself, after prompt and answer: the next message of the conversation comes after them."""
        if self._store is not None:
            self._store.keep_answer([*self._tokens, *answer], self.state)

    def close(self) -> None:
        """Let go of the state, and of what others may wait for."""
        self.state = self._logits = None
        if self._store is not None:
            self._store.release(self._promised)

    def _begin(self) -> bool:
        if self._store is None:
            self.state = self._decoder.new_state(self._capacity)
            return True
        if self._store.awaits(self._prefixes):
            return False
        self.state, self._logits = self._store.take(self._prefixes, len(self._tokens), self._capacity)
        self.cached = self.state.length
        self._promised = self._store.promise(prefix for prefix in self._kept if prefix.length > self.cached)
        return True


def _at_ends(borders: Sequence[int], count: int) -> set[int]:
    return {*borders[:count], *borders[-count:]}
