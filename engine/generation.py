"""One answer: its prompt is read in chunks, then it makes a token a step, and reports text as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.decoding import Decoding
from engine.loader import LoadedModel
from engine.protocol import Delta, Finished, FinishReason, Sampling, Usage
from engine.reading import Reading, State
from engine.sampling import Sampler
from engine.structure import Structure

# Tokens of a prompt read in one step. The borders depend on the prompt alone, so that equal prompts give equal bits;
# a cancellation waits for one chunk at most.
PREFILL_CHUNK: Final = 128

Event = Delta | Finished | Exception


class Generation:
    """A job for the scheduler. `emit` is called from the scheduler's thread: Delta*, then Finished or an exception.

    `cancel` may be called from any thread; nothing is emitted for steps that begin after it.
    """

    def __init__(
        self,
        model: LoadedModel,
        prompt: Sequence[int],
        max_tokens: int,
        sampling: Sampling,
        seed: int,
        emit: Callable[[Event], object],
        *,
        structure: Structure | None = None,
        top_logprobs: int | None = None,
    ) -> None:
        self._model = model
        self._prompt = prompt
        self._max_tokens = min(max_tokens, model.info.context - len(prompt))
        self._emit = emit
        self._decoding = Decoding(
            model.tokenizer,
            Sampler(sampling, seed, prompt),
            self._max_tokens,
            emit,
            stop=sampling.stop,
            structure=structure,
            top_logprobs=top_logprobs,
        )
        self._state: State | None = None
        self._started = self._read = 0.0  # time.perf_counter() at the first step and at the prompt's end
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        self._cancelled = True

    def want(self) -> Reading[Any]:
        """One chunk of the prompt, or the token it made last."""
        if self._state is None:
            self._started = time.perf_counter()
            # the last token is never read, but a prompt whose answer is empty still needs its own place
            self._state = self._model.decoder.new_state(len(self._prompt) + self._max_tokens)
        if (at := self._state.length) < len(self._prompt):
            chunk = self._prompt[at : at + PREFILL_CHUNK]
            return Reading(self._state, chunk, int(at + len(chunk) == len(self._prompt)))
        return Reading(self._state, self._decoding.tokens[-1:])

    def take(self, logits: NDArray[np.float32]) -> bool:
        """Choose a token where the prompt has been read; True when the answer is complete."""
        if not len(logits):
            return False
        reason = self._decoding.take(logits[0])
        if len(self._decoding.tokens) == 1:
            self._read = time.perf_counter()
        return reason is not None and self._finish(reason)

    def fail(self, error: Exception) -> None:
        self._emit(error)

    def close(self) -> None:
        self._state = None

    def _finish(self, reason: FinishReason) -> bool:
        now = time.perf_counter()
        usage = Usage(len(self._prompt), len(self._decoding.tokens), self._read - self._started, now - self._read)
        self._emit(Finished(reason, usage))
        return True
