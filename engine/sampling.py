"""Choosing the next token. The draw depends on the seed and the position alone, never on other requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.protocol import Sampling

COLDEST: Final = 1e-6  # a lower temperature overflows float32 and already means: the best
_PRECISE: Final = 4096  # so many candidates are weighed in float64; more would take milliseconds
_NUCLEI: Final = (1024, 16_384)  # how many of the best are tried before all are sorted to find the nucleus of top-p
_BLOCK: Final = 256
_BARRED: Final = np.array([-np.inf, 0], dtype=np.float32)


class Sampler:
    """Penalties, bias and mask on the scores; then temperature, min-p, top-k, top-p; then one draw.

    The repetition penalty is that of Keskar et al. 2019 over prompt and answer; presence and frequency penalties are
    OpenAI's, over the answer alone. min-p keeps tokens at least `min_p` times as likely as the best (Nguyen et al.
    2024); top-p then keeps the fewest of the best that hold that share of what is left. Ties go to the lowest token
    id. The random number of position i is Philox(seed, i): a counter, not a stream (Salmon et al. 2011).
    """

    def __init__(self, sampling: Sampling, seed: int, prompt: Sequence[int]) -> None:
        self._sampling = sampling
        self._seed = seed
        self._prompt = np.array(prompt, dtype=np.int64)
        self._position = len(prompt)
        self._biased = np.array([token for token, _ in sampling.logit_bias], dtype=np.int64)
        self._bias = np.array([bias for _, bias in sampling.logit_bias], dtype=np.float32)
        self._counts: NDArray[np.int32] | None = None  # (v,) how often each token stands in the answer
        self._read: NDArray[np.bool_]  # (v,) which tokens stand in the prompt; made with the counts

    def choose(self, logits: NDArray[np.float32], allowed: NDArray[np.uint8] | None = None) -> int:
        """The next token from its scores (v,), which are overwritten; `allowed` (v,) is 1 where it may be chosen.

        Raises ArithmeticError where no token has a finite score.
        """
        self._penalise(logits)
        logits[self._biased] += self._bias
        if allowed is not None:
            logits += _BARRED[allowed]
        token = int(logits.argmax())
        if not np.isfinite(logits[token]):
            raise ArithmeticError("the model's scores are not numbers, or none of them is allowed")
        if self._sampling.temperature > 0:
            token = self._draw(logits)
        if self._counts is not None:
            self._counts[token] += 1
        self._position += 1
        return token

    def _penalise(self, logits: NDArray[np.float32]) -> None:
        sampling = self._sampling
        repetition = np.float32(sampling.repetition_penalty)
        if repetition == 1 and sampling.presence_penalty == 0 == sampling.frequency_penalty:
            return
        if self._counts is None:
            self._counts = np.zeros(len(logits), dtype=np.int32)
            self._read = np.zeros(len(logits), dtype=np.bool_)
            self._read[self._prompt] = True
        if repetition != 1:
            seen = np.flatnonzero(self._read | (self._counts > 0))
            scores = logits[seen]
            logits[seen] = np.where(scores > 0, scores / repetition, scores * repetition)
        written = np.flatnonzero(self._counts)
        penalties = sampling.presence_penalty + sampling.frequency_penalty * self._counts[written]
        logits[written] -= penalties.astype(np.float32)

    def _draw(self, logits: NDArray[np.float32]) -> int:
        sampling = self._sampling
        temperature = np.float32(max(sampling.temperature, COLDEST))
        candidates: NDArray[np.int64] | None = None  # rising ids; None: all
        scores = logits
        if sampling.min_p > 0:
            candidates = np.flatnonzero(logits >= logits.max() + temperature * np.float32(np.log(sampling.min_p)))
            scores = logits[candidates]
        if 0 < sampling.top_k < len(scores):
            best = best_tokens(scores, sampling.top_k)
            candidates, scores = best if candidates is None else candidates[best], scores[best]
        weights = _weights(scores, temperature)
        if sampling.top_p < 1:
            _cut_to_nucleus(weights, sampling.top_p)
        number = np.random.Generator(np.random.Philox(key=[self._seed, self._position])).random()
        drawn = _reach(weights, number * float(weights.sum(dtype=np.float64)), side="right")
        return drawn if candidates is None else int(candidates[drawn])


def best_tokens(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Rising ids of the `count` best; of equals the lowest ids."""
    least = np.partition(scores, -count)[-count]
    best = np.flatnonzero(scores >= least)
    surplus = len(best) - count
    equal = np.flatnonzero(scores[best] == least)
    return np.delete(best, equal[len(equal) - surplus :])


def _weights(scores: NDArray[np.float32], temperature: np.float32) -> NDArray[np.floating]:
    """Likelihoods relative to the best, which weighs 1."""
    if len(scores) <= _PRECISE:
        precise: NDArray[np.float64] = np.exp((scores.astype(np.float64) - scores.max()) / np.float64(temperature))
        return precise
    weights: NDArray[np.float32] = (scores - scores.max()) / temperature
    np.exp(weights, out=weights)
    return weights


def _cut_to_nucleus(weights: NDArray[np.floating], share: float) -> None:
    """Set to 0 all but the fewest of the heaviest that hold `share` of the whole; at least one stays."""
    goal = share * float(weights.sum(dtype=np.float64))
    heaviest = weights
    for count in (*_NUCLEI, len(weights)):
        if count <= len(weights):
            heaviest = np.partition(weights, -count)[-count:]
            if heaviest.sum(dtype=np.float64) >= goal:
                break
    heaviest = -np.sort(-heaviest)
    kept = heaviest[: _reach(heaviest, goal, side="left") + 1]
    least = kept[-1]
    equal = np.flatnonzero(weights == least)
    weights[weights < least] = 0
    weights[equal[np.count_nonzero(kept == least) :]] = 0


def _reach(weights: NDArray[np.floating], goal: float, side: Literal["left", "right"]) -> int:
    """The first index up to which the weights add up to `goal` (left) or to more (right).

    Blocks are added first: a running sum over a whole vocabulary costs more than everything else here.
    """
    sums = np.cumsum(np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK), dtype=np.float64))
    block = min(int(np.searchsorted(sums, goal, side)), len(sums) - 1)
    before = float(sums[block - 1]) if block else 0.0
    inside = weights[block * _BLOCK : (block + 1) * _BLOCK]
    found = int(np.searchsorted(before + np.cumsum(inside, dtype=np.float64), goal, side))
    if found == len(inside):  # by rounding: the last that weighs anything
        found = int(np.flatnonzero(inside)[-1])
    return block * _BLOCK + found
