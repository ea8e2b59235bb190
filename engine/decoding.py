"""One answer as it grows: scores become a token, tokens become text, and the text ends where it must."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.logprobs import token_logprob
from engine.protocol import Delta, FinishReason, TokenLogprob
from engine.sampling import Sampler
from engine.stop import StopFilter
from engine.structure import Structure
from engine.tokenizer import StreamDecoder, TextTokenizer


class Decoding:
    """Takes the model's scores, one position after the other, and passes text to `show` as it becomes certain.

    Text that may begin a stop string and bytes that are no whole character yet are held back. `top_logprobs` asks
    for the likelihood of each shown token and of so many others; None for none.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer,
        sampler: Sampler,
        max_tokens: int,
        show: Callable[[Delta], object],
        *,
        stop: tuple[str, ...] = (),
        structure: Structure | None = None,
        top_logprobs: int | None = None,
    ) -> None:
        self.tokens: list[int] = []
        self._tokenizer = tokenizer
        self._sampler = sampler
        self._max_tokens = max_tokens
        self._show = show
        self._text = StreamDecoder(tokenizer)
        self._stop = StopFilter(stop)
        self._structure = structure
        self._top_logprobs = top_logprobs
        self._decoded = self._shown = 0  # characters
        self._pending: deque[tuple[int, TokenLogprob]] = deque()  # where a token's text begins, and the token

    def take(self, logits: NDArray[np.float32]) -> FinishReason | None:
        """Choose a token from its scores (v,), which are overwritten; why the answer ends with it, or None."""
        logits[self._tokenizer.unused_ids] = -np.inf
        scores = logits.copy() if self._top_logprobs is not None else logits
        allowed = self._structure.allowed(len(logits)) if self._structure is not None else None
        token = self._sampler.choose(logits, allowed)
        self.tokens.append(token)
        if token in self._tokenizer.vocabulary.end_ids:
            return self._finish(FinishReason.STOP)
        if self._top_logprobs is not None:
            self._pending.append((self._decoded, token_logprob(scores, token, self._top_logprobs)))
        self._push(self._text.push(token))
        if self._stop.stopped:
            return FinishReason.STOP
        if self._structure is not None and self._structure.accept(token):
            return self._finish(FinishReason.STOP)
        if len(self.tokens) >= self._max_tokens:
            return self._finish(FinishReason.LENGTH)
        return None

    def _finish(self, reason: FinishReason) -> FinishReason:
        self._push(self._text.finish())
        if not self._stop.stopped:
            self._emit(self._stop.finish(), last=True)
        return reason

    def _push(self, text: str) -> None:
        self._decoded += len(text)
        self._emit(self._stop.push(text))

    def _emit(self, text: str, *, last: bool = False) -> None:
        """Show text and the tokens that begin in it; at the end also those that show nothing."""
        self._shown += len(text)
        tokens = []
        while self._pending and (last or self._pending[0][0] < self._shown):
            tokens.append(self._pending.popleft()[1])
        if text or tokens:
            self._show(Delta(text, tuple(tokens)))
