"""How one prompt is read: from the longest kept prefix of it on, in chunks, keeping its own prefixes for others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

from engine.prefix_store import PrefixStore
from engine.reading import Decoder, Prompt, Reading

# Tokens of a prompt read in one step; a cancellation waits for one chunk at most.
PREFILL_CHUNK: Final = 128
# A prompt keeps so many of its first borders (brand voice, source text) and of its last ones (the newest messages).
KEPT_AT_EACH_END: Final = 4
# The end of the last part is not kept where only so few tokens of the template come before the answer.
NEAR_THE_END: Final = 8


class Prefill:
    """One prompt on its way into a state of `capacity` tokens.

    It is cut at every multiple of PREFILL_CHUNK, at its borders and before its last token: as the prompt says, whatever
    the store has. All but the last token is what equal prompts share; that one is read for its logits.
    """

    def __init__(self, decoder: Decoder[Any], prompt: Prompt, capacity: int, store: PrefixStore | None = None) -> None:
        self.state: Any = None  # from the first reading on
        self.cached = 0  # tokens that the store had
        self._decoder = decoder
        self._tokens = prompt.tokens
        self._capacity = capacity
        self._store = store
        length = len(prompt.tokens)
        borders = sorted({*prompt.borders, length - 1} - {0})
        self._cuts = sorted({*borders, *range(PREFILL_CHUNK, length, PREFILL_CHUNK), length})
        self._prefixes = store.prefixes(prompt.tokens, borders) if store is not None else []
        self._worthy = _worth_keeping(borders)
        self._promised: set[bytes] = set()

    def want(self) -> Reading[Any] | None:
        """The next chunk, the last one with its logits; None while another prompt is read up to a shared border."""
        if self.state is None and not self._begin():
            return None
        at = self.state.length
        end = self._cuts[bisect_right(self._cuts, at)]
        return Reading(self.state, self._tokens[at:end], int(end == len(self._tokens)))

    def keep(self) -> None:
        """Keep what has been read where a border was reached; called after each chunk."""
        if self._store is None:
            return
        for index, prefix in enumerate(self._prefixes):
            if prefix.length == self.state.length and prefix.length in self._worthy:
                self._store.keep(prefix, self.state, self._prefixes[:index])
                self._store.release({prefix.key})

    def keep_answer(self, answer: Sequence[int]) -> None:
        """Keep the state after prompt and answer: the next message of the conversation comes after them."""
        if self._store is not None:
            self._store.keep_answer([*self._tokens, *answer], self.state)

    def close(self) -> None:
        """Let go of the state, and of what others may wait for."""
        self.state = None
        if self._store is not None:
            self._store.release(self._promised)

    def _begin(self) -> bool:
        if self._store is not None:
            if self._store.awaits(self._prefixes):
                return False
            self.state = self._store.take(self._prefixes, self._capacity)
        if self.state is None:
            self.state = self._decoder.new_state(self._capacity)
        self.cached = self.state.length
        if self._store is not None:
            own = [prefix for prefix in self._prefixes if self.cached < prefix.length in self._worthy]
            self._promised = self._store.promise(own)
        return True


def _worth_keeping(borders: Sequence[int]) -> set[int]:
    *before, last = borders or [0]
    if before and last - before[-1] <= NEAR_THE_END:
        before.pop()
    return {*before[:KEPT_AT_EACH_END], *before[-KEPT_AT_EACH_END:], last}
