"""From scores to text: what is shown when, with which tokens, and why an answer ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from engine.decoding import Decoding
from engine.loader import LoadedModel
from engine.logprobs import chat_logprobs, text_logprobs, token_logprob
from engine.protocol import Delta, FinishReason, Sampling, TokenLogprob
from engine.sampling import Sampler
from tests.engine.test_tokenizer import texts


def write(
    starter: LoadedModel, tokens: list[int], *, max_tokens: int = 1000, stop: tuple[str, ...] = ()
) -> tuple[list[Delta], FinishReason | None]:
    """What a model that is sure of `tokens` shows, and why it ends."""
    shown: list[Delta] = []
    sampler = Sampler(Sampling(temperature=0), 0, [])
    decoding = Decoding(starter.tokenizer, sampler, max_tokens, shown.append, stop=stop, top_logprobs=1)
    for token in tokens:
        scores = np.zeros(len(starter.tokenizer.vocabulary.tokens), dtype=np.float32)
        scores[token] = 9
        if reason := decoding.take(scores):
            return shown, reason
    return shown, None


def shown_text(shown: list[Delta]) -> str:
    return "".join(delta.text for delta in shown)


@given(text=texts(min_size=1))
def test_every_shown_token_is_told_once_and_in_order(starter: LoadedModel, text: str):
    tokens = starter.tokenizer.encode(text, control=False)
    end = min(starter.tokenizer.vocabulary.end_ids)
    shown, reason = write(starter, [*tokens, end], max_tokens=len(tokens) + 1)
    assert (shown_text(shown), reason) == (text, FinishReason.STOP)
    assert [one.token for delta in shown for one in delta.tokens] == tokens
    assert all(one.top == ((one.token, one.logprob),) for delta in shown for one in delta.tokens)


def test_tokens_of_a_stop_string_are_not_told(starter: LoadedModel):
    tokens = starter.tokenizer.encode("one two three four", control=False)
    shown, reason = write(starter, tokens, stop=(" three four",))
    assert (shown_text(shown), reason) == ("one two", FinishReason.STOP)
    assert starter.tokenizer.decode([one.token for delta in shown for one in delta.tokens]) == "one two"


def test_what_might_have_been_a_stop_string_comes_with_its_tokens_at_the_end(starter: LoadedModel):
    tokens = starter.tokenizer.encode("one two three", control=False)
    shown, reason = write(starter, tokens, stop=(" two three four",), max_tokens=len(tokens))
    assert (shown_text(shown), reason) == ("one two three", FinishReason.LENGTH)
    assert [one.token for delta in shown for one in delta.tokens] == tokens


def test_a_token_that_shows_nothing_is_told_too(starter: LoadedModel):
    begin = starter.tokenizer.encode("<|im_start|>", control=True)
    tokens = [*begin, *starter.tokenizer.encode("one", control=False), *begin]
    shown, reason = write(starter, tokens, max_tokens=len(tokens))
    assert (shown_text(shown), reason) == ("one", FinishReason.LENGTH)
    assert [one.token for delta in shown for one in delta.tokens] == tokens


def test_logprobs_are_the_logarithms_of_the_softmax():
    logits = np.log(np.array([0.5, 0.125, 0.25, 0.125], dtype=np.float32)) + 7
    one = token_logprob(logits, 2, 3)
    assert one.logprob == pytest.approx(np.log(0.25), abs=1e-6)
    assert [token for token, _ in one.top] == [0, 2, 1]  # of equals the lowest id
    assert [logprob for _, logprob in one.top] == pytest.approx(np.log([0.5, 0.25, 0.125]), abs=1e-6)
    assert token_logprob(logits, 2, 0).top == ()


def test_logprobs_tell_the_model_s_mind_not_the_sampler_s(starter: LoadedModel):
    shown: list[Delta] = []
    sampler = Sampler(Sampling(temperature=0.1, logit_bias=((500, 100.0),)), 0, [])
    decoding = Decoding(starter.tokenizer, sampler, 1, shown.append, top_logprobs=0)
    vocabulary = len(starter.tokenizer.vocabulary.tokens)
    decoding.take(np.zeros(vocabulary, dtype=np.float32))
    (one,) = shown[0].tokens
    assert one.token == 500
    usable = vocabulary - len(starter.tokenizer.unused_ids)
    assert one.logprob == pytest.approx(-np.log(usable), abs=1e-3)


def test_half_a_character_is_told_in_bytes(starter: LoadedModel):
    first, *_ = starter.tokenizer.encode("🦀", control=False)
    one = TokenLogprob(first, -0.5, ((first, -0.5), (2, float("-inf"))))
    (entry,) = chat_logprobs(starter.tokenizer, [one])["content"]
    assert (entry["token"], bytes(entry["bytes"])) == ("\ufffd", starter.tokenizer.piece(first))
    assert entry["top_logprobs"][1] == {"token": "<|im_end|>", "logprob": -9999.0, "bytes": list(b"<|im_end|>")}
    listed = text_logprobs(starter.tokenizer, [one, one], offset=3)
    assert listed["tokens"][0].startswith("bytes:\\xf0")
    assert listed["text_offset"] == [3, 4]
