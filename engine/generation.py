"""One answer: its prompt is read (engine.prefill), then it makes a token a step, and reports text as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.decoding import Decoding
from engine.loader import LoadedModel
from engine.prefill import Prefill
from engine.prefix_store import PrefixStore
from engine.protocol import Delta, Finished, FinishReason, Sampling, Usage
from engine.reading import Prompt, Reading
from engine.sampling import Sampler
from engine.structure import Structure

Event = Delta | Finished | Exception


class Generation:
    """A job for the scheduler. `emit` is called from the scheduler's thread: Delta*, then Finished or an exception.

    `cancel` may be called from any thread; nothing is emitted for steps that begin after it.
    """

    def __init__(
        self,
        model: LoadedModel,
        prompt: Prompt,
        max_tokens: int,
        sampling: Sampling,
        seed: int,
        emit: Callable[[Event], object],
        *,
        structure: Structure | None = None,
        top_logprobs: int | None = None,
        prefixes: PrefixStore | None = None,
    ) -> None:
        self._prompt = prompt
        self._emit = emit
        self._end_ids = model.tokenizer.vocabulary.end_ids
        max_tokens = min(max_tokens, model.info.context - len(prompt.tokens))
        # the last token is never read, but a prompt whose answer is empty still needs its own place
        self._prefill = Prefill(model.decoder, prompt, len(prompt.tokens) + max_tokens, prefixes)
        self.memory = model.decoder.state_bytes(len(prompt.tokens) + max_tokens)
        self._decoding = Decoding(
            model.tokenizer,
            Sampler(sampling, seed, prompt.tokens),
            max_tokens,
            emit,
            stop=sampling.stop,
            structure=structure,
            top_logprobs=top_logprobs,
        )
        self._started = self._read = 0.0  # time.perf_counter() at the first step and at the prompt's end
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        self._cancelled = True

    def want(self) -> Reading[Any] | None:
        """One chunk of the prompt, or the token it made last; None while another reads a prompt that begins alike."""
        self._started = self._started or time.perf_counter()
        if self._decoding.tokens:
            return Reading(self._prefill.state, self._decoding.tokens[-1:])
        return self._prefill.want()

    def take(self, logits: NDArray[np.float32]) -> bool:
        """Choose a token where the prompt has been read; True when the answer is complete."""
        scores = logits[0] if self._decoding.tokens else self._prefill.take(logits)
        if scores is None:
            return False
        reason = self._decoding.take(scores)
        if len(self._decoding.tokens) == 1:
            self._read = time.perf_counter()
            self._prefill.keep()  # now, because the first token was waited for
        return reason is not None and self._finish(reason)

    def fail(self, error: Exception) -> None:
        self._emit(error)

    def close(self) -> None:
        self._prefill.close()

    def _finish(self, reason: FinishReason) -> bool:
        now, tokens = time.perf_counter(), self._decoding.tokens
        if len(tokens) > 1 and tokens[-1] in self._end_ids:
            self._prefill.keep_answer(tokens[:-1])
        usage = Usage(
            len(self._prompt.tokens),
            len(tokens),
            self._read - self._started,
            now - self._read,
            self._prefill.cached,
        )
        self._emit(Finished(reason, usage))
        return True
