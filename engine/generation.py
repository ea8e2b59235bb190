"""One answer: reads the prompt in chunks, then makes a token a step, and reports text as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import torch

from engine.loader import LoadedModel
from engine.protocol import Delta, Finished, FinishReason, Sampling, Usage
from engine.sampling import Sampler
from engine.state import SequenceState
from engine.stop import StopFilter
from engine.tokenizer import StreamDecoder

# Tokens of a prompt read in one step. The borders depend on the prompt alone, so that equal prompts give equal bits;
# a cancellation waits for one chunk at most.
PREFILL_CHUNK: Final = 256

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
    ) -> None:
        self._model = model
        self._prompt = torch.tensor(prompt, dtype=torch.int64)
        self._max_tokens = min(max_tokens, model.info.context - len(prompt))
        self._emit = emit
        self._sampler = Sampler(sampling, seed, prompt, model.tokenizer.unused_ids)
        self._text = StreamDecoder(model.tokenizer)
        self._stop = StopFilter(sampling.stop)
        self._state: SequenceState | None = None
        self._tokens: list[int] = []
        self._started = self._read = 0.0  # time.perf_counter() at the first step and at the prompt's end
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        self._cancelled = True

    def step(self) -> bool:
        """Read one chunk of the prompt or make one token; True when the answer is complete."""
        if self._state is None:
            self._started = time.perf_counter()
            # the last token is never read, but a prompt whose answer is empty still needs its own place
            self._state = SequenceState(self._model.decoder.config, len(self._prompt) + self._max_tokens)
        if (at := self._state.length) < len(self._prompt):
            hidden = self._model.decoder.hidden(self._prompt[at : at + PREFILL_CHUNK], self._state)
            if self._state.length < len(self._prompt):
                return False
        else:
            hidden = self._model.decoder.hidden(torch.tensor(self._tokens[-1:]), self._state)
        return self._take(self._sampler.choose(self._model.decoder.logits(hidden[-1:])[0].numpy()))

    def fail(self, error: Exception) -> None:
        self._emit(error)

    def close(self) -> None:
        self._state = None

    def _take(self, token: int) -> bool:
        if not self._tokens:
            self._read = time.perf_counter()
        self._tokens.append(token)
        if token in self._model.tokenizer.vocabulary.end_ids:
            return self._finish(FinishReason.STOP)
        self._show(self._stop.push(self._text.push(token)))
        if self._stop.stopped:
            return self._finish(FinishReason.STOP)
        if len(self._tokens) >= self._max_tokens:
            return self._finish(FinishReason.LENGTH)
        return False

    def _finish(self, reason: FinishReason) -> bool:
        self._show(self._stop.push(self._text.finish()) + self._stop.finish())
        now = time.perf_counter()
        usage = Usage(len(self._prompt), len(self._tokens), self._read - self._started, now - self._read)
        self._emit(Finished(reason, usage))
        return True

    def _show(self, text: str) -> None:
        if text:
            self._emit(Delta(text))
