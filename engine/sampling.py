"""Choosing the next token. The draw depends on the seed and the position alone, never on other requests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.protocol import Sampling


class Sampler:
    """Repetition penalty, then temperature, min-p, top-k, top-p, then one draw.

    The penalty is Keskar et al. 2019 over prompt and answer. min-p keeps tokens at least `min_p` times as likely as
    the best (Nguyen et al. 2024). The random number of position i is Philox(seed, i): a counter, not a stream
    (Salmon et al. 2011). Ties go to the lowest token id.
    """

    def __init__(self, sampling: Sampling, seed: int, prompt: Sequence[int], never: Sequence[int] = ()) -> None:
        self._sampling = sampling
        self._seed = seed
        self._seen = set(prompt)
        self._never = list(never)
        self._position = len(prompt)

    def choose(self, logits: NDArray[np.float32]) -> int:
        """The next token from its scores (v,), which are overwritten."""
        logits[self._never] = -np.inf
        if self._sampling.repetition_penalty != 1.0:
            seen = np.fromiter(self._seen, dtype=np.int64)
            scores = logits[seen]
            penalty = np.float32(self._sampling.repetition_penalty)
            logits[seen] = np.where(scores > 0, scores / penalty, scores * penalty)
        token = int(logits.argmax()) if self._sampling.temperature == 0 else self._draw(logits)
        self._seen.add(token)
        self._position += 1
        return token

    def _draw(self, logits: NDArray[np.float32]) -> int:
        sampling = self._sampling
        candidates = _most_likely(logits, sampling.top_k)
        scores = logits[candidates].astype(np.float64) / sampling.temperature
        weights = np.exp(scores - scores[0])  # the best weighs 1
        kept = int(np.count_nonzero(weights >= sampling.min_p)) if sampling.min_p > 0 else len(weights)
        sums = np.cumsum(weights[:kept])
        if sampling.top_p < 1:  # the smallest set of the best that holds top_p of the probability
            sums = sums[: int(np.searchsorted(sums, sampling.top_p * sums[-1])) + 1]
        generator = np.random.Generator(np.random.Philox(key=[self._seed, self._position]))
        return int(candidates[int(np.searchsorted(sums, generator.random() * sums[-1], side="right"))])


def _most_likely(logits: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Ids of the `count` best (0: all) in falling order; of equals the lowest first."""
    if 0 < count < len(logits):
        least = np.partition(logits, -count)[-count]
        best = np.flatnonzero(logits >= least)  # more than count where several equal the last
        return best[np.argsort(-logits[best], kind="stable")][:count]
    return np.argsort(-logits, kind="stable")
