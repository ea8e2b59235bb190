"""How likely the model found its tokens, and the two ways in which OpenAI's API says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.protocol import TokenLogprob
from engine.sampling import best_tokens
from engine.tokenizer import TextTokenizer


def token_logprob(logits: NDArray[np.float32], token: int, top: int) -> TokenLogprob:
    """The logarithm of the softmax of `logits` (v,) at `token` and at the `top` likeliest."""
    best = best_tokens(logits, top) if top else np.empty(0, dtype=np.int64)
    best = best[np.argsort(-logits[best], kind="stable")]
    highest = logits.max()
    whole = float(highest) + float(np.log(np.exp(logits - highest).sum(dtype=np.float64)))
    return TokenLogprob(
        token=token,
        logprob=float(logits[token]) - whole,
        top=tuple((int(other), float(logits[other]) - whole) for other in best),
    )


def chat_logprobs(tokenizer: TextTokenizer, tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    """The `logprobs` object of a chat choice."""

    def entry(token: int, logprob: float) -> dict[str, Any]:
        piece = _bytes(tokenizer, token)
        return {"token": piece.decode(errors="replace"), "logprob": _finite(logprob), "bytes": list(piece)}

    content = [
        {**entry(one.token, one.logprob), "top_logprobs": [entry(*other) for other in one.top]} for one in tokens
    ]
    return {"content": content, "refusal": None}


def text_logprobs(tokenizer: TextTokenizer, tokens: Iterable[TokenLogprob], offset: int) -> dict[str, Any]:
    """The `logprobs` object of a text completion whose tokens begin at the character `offset` of its text."""
    shown: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for one in tokens:
        shown["tokens"].append(_name(tokenizer, one.token))
        shown["token_logprobs"].append(_finite(one.logprob))
        shown["top_logprobs"].append({_name(tokenizer, token): _finite(logprob) for token, logprob in one.top})
        shown["text_offset"].append(offset)
        offset += len(tokenizer.piece(one.token).decode(errors="replace"))
    return shown


def _name(tokenizer: TextTokenizer, token: int) -> str:
    """As OpenAI names tokens in text completions: two halves of a character must not share a key."""
    piece = _bytes(tokenizer, token)
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)


def _bytes(tokenizer: TextTokenizer, token: int) -> bytes:
    """What a token stands for; a control token stands for its name here."""
    return tokenizer.piece(token) or tokenizer.vocabulary.tokens[token].encode()


def _finite(logprob: float) -> float:
    return max(logprob, -9999.0)  # OpenAI's word for never; JSON has no infinity
