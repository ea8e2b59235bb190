"""States of texts that were read: a prompt that begins as an earlier one began starts from that one's state.

In memory the least recently used go first; pages of keys and values that several states share count once. On disk
(engine.prefix_files) states last longer than the engine. A state is found by a hash of the model, of all that decides
what the bytes of its states mean, and of the tokens read, so a state is never another text's or another model's.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.prefix_files import FileCounts, PrefixFiles
from engine.reading import KeepableState, KeepingDecoder

MIN_TOKENS: Final = 16  # fewer are read again in no time
# A file is worth it where a restarted engine would read at least so many tokens again without it. Whole prompts come
# again less often than their beginnings: where one of these has a file, the rest must be longer.
MIN_FILE_TOKENS: Final = 64
MIN_REST_TOKENS: Final = 256


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first `length` tokens of a prompt, by the hash under which their state is kept.

    `whole`: they were a prompt of their own, and the logits after it are kept as well.
    """

    length: int
    key: bytes
    whole: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    state: KeepableState
    logits: NDArray[np.float32] | None  # (v,)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        return [*self.state.parts, *([] if self.logits is None else [self.logits])]

    @property
    def memory(self) -> dict[int, int]:
        """Address and size of each piece of memory. Of an entry read from disk all arrays are one piece."""
        owners = [array if array.base is None else array.base for array in self.arrays]
        return {id(owner): owner.nbytes for owner in owners}


@dataclass(frozen=True, slots=True)
class PrefixCounts:
    """What a store did and holds."""

    hits: int
    misses: int
    entries: int
    memory_bytes: int
    files: FileCounts


class PrefixStore:
    """The states of one model. The scheduler's thread uses it; `prefixes` and `counts` may be called from any.

    `model` is the hash of the model's file, `memory_limit` is in bytes.
    """

    def __init__(
        self, decoder: KeepingDecoder[Any], model: str, memory_limit: int, files: PrefixFiles | None = None
    ) -> None:
        self._decoder = decoder
        self._identity = hashlib.blake2b(model.encode() + b"\0" + decoder.fingerprint).digest()
        self._limit = memory_limit
        self._files = files
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # the least recently used first
        self._users: Counter[int] = Counter()  # address of memory -> entries it belongs to
        self._bytes = self._hits = self._misses = 0
        self._promised: set[bytes] = set()

    @property
    def counts(self) -> PrefixCounts:
        files = self._files.counts if self._files is not None else FileCounts()
        return PrefixCounts(self._hits, self._misses, len(self._entries), self._bytes, files)

    def prefixes(self, tokens: Sequence[int], parts: Iterable[int], wholes: Iterable[int]) -> list[Prefix]:
        """The beginnings of a text, ascending; `parts` and `wholes` are lengths. Too short ones are left out."""
        ids, digest, at, found = np.asarray(tokens, "<i4"), hashlib.blake2b(self._identity, digest_size=32), 0, []
        for length, whole in sorted([*((length, False) for length in parts), *((length, True) for length in wholes)]):
            if length >= MIN_TOKENS:
                digest.update(ids[at:length].data)
                at, named = length, digest.copy()
                named.update(b"whole" if whole else b"part")
                found.append(Prefix(length, named.digest(), whole))
        return found

    def awaits(self, prefixes: Sequence[Prefix]) -> bool:
        """Whether somebody reads a longer one of these now than the store has."""
        for prefix in reversed(prefixes if self._promised else ()):
            if prefix.key in self._promised:
                return True
            if prefix.key in self._entries or (self._files is not None and self._files.has(prefix.key)):
                return False
        return False

    def take(
        self, prefixes: Sequence[Prefix], length: int, capacity: int
    ) -> tuple[KeepableState, NDArray[np.float32] | None]:
        """A state of `capacity` tokens that has read the longest of these that there is, or nothing.

        And the logits after it, where it has read a whole prompt of `length` tokens.
        """
        for prefix in reversed(prefixes):
            entry = self._entries.get(prefix.key) or self._restored(prefix)
            if entry is not None:
                if self._files is not None:
                    self._files.touch(prefix.key)
                self._add(prefix.key, entry)
                self._hits += 1
                return entry.state.fork(capacity, ended=True), entry.logits if prefix.length == length else None
        self._misses += 1
        empty: KeepableState = self._decoder.new_state(capacity)
        return empty, None

    def promise(self, prefixes: Iterable[Prefix]) -> set[bytes]:
        """Say that a prompt will be read up to these; others wait for them until they are kept or released."""
        keys = {prefix.key for prefix in prefixes}
        self._promised |= keys
        return keys

    def release(self, keys: Iterable[bytes]) -> None:
        self._promised.difference_update(keys)

    def keep(
        self, prefix: Prefix, state: KeepableState, shorter: Sequence[Prefix], logits: NDArray[np.float32] | None
    ) -> None:
        """Keep a copy of `state`, which has read `prefix`; on disk too where none of the `shorter` ones is near."""
        if prefix.key in self._entries:
            return
        if self._files is None and self._decoder.state_bytes(prefix.length) > self._limit:
            return  # a copy would have no place
        try:
            entry = _Entry(state.fork(prefix.length), logits)
        except MemoryError:  # the answer itself goes on
            return
        self._add(prefix.key, entry)
        if self._files is not None:
            near = next((each.length for each in reversed(shorter) if self._files.has(each.key)), 0)
            if prefix.length - near >= (MIN_REST_TOKENS if prefix.whole and near else MIN_FILE_TOKENS):
                self._files.save(prefix.key, prefix.length, entry.arrays)

    def keep_answer(self, tokens: Sequence[int], state: KeepableState) -> None:
        """Keep the state of a conversation itself, in memory alone: most go on soon or never."""
        for prefix in self.prefixes(tokens, [len(tokens)], []):
            self._add(prefix.key, _Entry(state, None))

    def _restored(self, prefix: Prefix) -> _Entry | None:
        if self._files is None:
            return None
        size = self._decoder.state_bytes(prefix.length)
        logits = 4 * self._decoder.config.vocabulary if prefix.whole else 0
        memory = self._files.load(prefix.key, prefix.length, size + logits)
        if memory is None:
            return None
        state: KeepableState = self._decoder.restore(prefix.length, memory[:size])
        return _Entry(state, memory[size:].view(np.float32) if prefix.whole else None)

    def _add(self, key: bytes, entry: _Entry) -> None:
        """Make it the most recently used, and forget others where that is too much memory."""
        memory = entry.memory
        if key not in self._entries:
            if sum(memory.values()) > self._limit:
                return
            self._entries[key] = entry
            for address, size in memory.items():
                self._bytes += 0 if self._users[address] else size
                self._users[address] += 1
        self._entries.move_to_end(key)
        while self._bytes > self._limit:
            _, forgotten = self._entries.popitem(last=False)
            for address, size in forgotten.memory.items():
                self._users[address] -= 1
                if not self._users[address]:
                    del self._users[address]
                    self._bytes -= size
