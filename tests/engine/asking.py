"""Asking the tiny random model through OpenAI's client; it knows nothing, but answers in milliseconds."""

from __future__ import annotations

from typing import Any, Final

import openai

MESSAGES: Final[list[Any]] = [{"role": "user", "content": "hello"}]
ON_AND_ON: Final = {"70": 100}  # a bias that makes every answer CCCC…, up to its length
QUEUE: Final = 12  # answers that may wait; 4 are made at a time


def chat(client: openai.OpenAI, **fields: Any) -> Any:
    # at this seed the model does not end at once
    usual = {"model": "tiny", "messages": MESSAGES, "max_tokens": 20, "seed": 7}
    return client.chat.completions.create(**{**usual, **fields})


def complete(client: openai.OpenAI, **fields: Any) -> Any:
    return client.completions.create(**{"model": "tiny", "prompt": "hello", "seed": 7, **fields})
