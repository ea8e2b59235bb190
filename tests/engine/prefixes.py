"""Reading prompts with a prefix store, without sampling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from engine.prefill import Prefill
from engine.prefix_files import PrefixFiles
from engine.prefix_store import PrefixStore
from engine.reading import KeepingDecoder, Prompt, Reading
from tests.engine.waiting import until

MIB = 1 << 20


def tokens(count: int, seed: int = 0) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(3, 263, count)]


def read(
    decoder: KeepingDecoder[Any], prompt: Prompt, store: PrefixStore | None = None, answer: Sequence[int] = ()
) -> tuple[np.ndarray, int]:
    """The logits after a prompt and each token of an answer, and how many tokens the store had."""
    prefill = Prefill(decoder, prompt, len(prompt.tokens) + len(answer), store)
    scores = None
    while scores is None:
        reading = prefill.want()
        assert reading is not None
        [logits] = decoder.step([reading])
        scores = prefill.take(logits)
    prefill.keep()
    shown = [scores]
    for token in answer:
        [logits] = decoder.step([Reading(prefill.state, [token])])
        shown.extend(logits)
    if answer:
        prefill.keep_answer(answer)
    prefill.close()
    return np.array(shown), prefill.cached


@contextmanager
def files(folder: Path, limit: int = 64 * MIB) -> Iterator[PrefixFiles]:
    """The files of a folder, all written at the end."""
    opened = PrefixFiles(folder, limit)
    try:
        yield opened
    finally:
        opened.close()


def written(opened: PrefixFiles, count: int) -> bool:
    return until(lambda: opened.counts.files == count)
