"""A model's own chat template: Jinja from an untrusted file, in a sandbox, with bounded loops and output.

What a user writes must never become a control token. The template's text and the messages' text are told apart by
a mark: each control token's text inside a message gets one character, used nowhere else, behind its first letter;
after the template has run and the real control tokens have been found, the marks are taken out again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import ModelFileError, damaged, unsupported
from engine.protocol import Message
from engine.tokenizer import TextTokenizer

MAX_TEMPLATE_CHARS: Final = 1 << 18
MAX_PROMPT_CHARS: Final = 8 << 20
MAX_LOOP: Final = 100_000  # range() in total, per rendering

# The noncharacters of Unicode: a text that uses all of them is not a text.
_MARKS: Final = tuple(chr(code) for code in range(0xFDD0, 0xFDF0))

# What a template's own mistakes come out as.
_RENDERING_ERRORS: Final = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class TemplateError(Exception):
    """The template refused these messages, or ran over a bound."""


class _BoundedEnvironment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("*", "**", "%"))  # each can make a short text long

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TemplateError(f"The chat template uses {operator}, which is not allowed there.")
        return super().call_binop(context, operator, left, right)


class ChatTemplate:
    """Turns messages into the tokens of a prompt that ends where the answer begins."""

    def __init__(self, source: str, tokenizer: TextTokenizer, clock: Callable[[], datetime] = datetime.now) -> None:
        if len(source) > MAX_TEMPLATE_CHARS:
            raise damaged("its chat template is longer than any known one")
        self._tokenizer = tokenizer
        self._clock = clock
        environment = _BoundedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _to_json
        try:
            self._template = environment.from_string(source)
        except (jinja2.TemplateError, SyntaxError, RecursionError) as error:
            raise ModelFileError(f"The chat template in the model file cannot be read ({error}).") from error

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """The prompt's token ids. Raises TemplateError."""
        mark = _unused_mark(message.text for message in messages)
        marked = [{"role": message.role, "content": self._mark(message.text, mark)} for message in messages]
        ids = self._tokenizer.encode_marked(
            self._render(marked), control=True, clean=lambda piece: piece.replace(mark, "")
        )
        vocabulary = self._tokenizer.vocabulary
        if vocabulary.add_bos and vocabulary.bos is not None and ids[:1] != [vocabulary.bos]:
            ids.insert(0, vocabulary.bos)
        return ids

    def _mark(self, text: str, mark: str) -> str:
        for token in self._tokenizer.control_texts:
            text = text.replace(token, token[0] + mark + token[1:])
            # The text's end could begin a token that the template or the next message completes.
            if any(text.endswith(token[:size]) for size in range(1, len(token))):
                text += mark
        return text

    def _render(self, messages: list[dict[str, str]]) -> str:
        left = MAX_LOOP

        def bounded_range(*bounds: int) -> range:
            nonlocal left
            numbers = range(*bounds)
            left -= len(numbers)
            if left < 0:
                raise TemplateError("The chat template loops too often.")
            return numbers

        values = {
            "messages": messages,
            "add_generation_prompt": True,
            "bos_token": self._tokenizer.vocabulary.bos_text,
            "eos_token": self._tokenizer.vocabulary.eos_text,
            "raise_exception": _raise,
            "strftime_now": lambda pattern: self._clock().strftime(pattern),
            "range": bounded_range,
        }
        pieces: list[str] = []
        size = 0
        try:
            for piece in self._template.generate(values):
                size += len(piece)
                if size > MAX_PROMPT_CHARS:
                    raise TemplateError("The chat template wrote more than a prompt can hold.")
                pieces.append(piece)
        except _RENDERING_ERRORS as error:
            raise TemplateError(f"The model's chat template did not take these messages ({error}).") from error
        return "".join(pieces)


def template_from_gguf(metadata: dict[str, Any], tokenizer: TextTokenizer) -> ChatTemplate:
    source = metadata.get("tokenizer.chat_template")
    if source is None:
        raise unsupported("it carries no chat template, so it is not made for answering messages")
    if not isinstance(source, str):
        raise damaged("its chat template is not a text")
    return ChatTemplate(source, tokenizer)


def _unused_mark(texts: Iterable[str]) -> str:
    used = set().union(*(set(text).intersection(_MARKS) for text in texts))
    for mark in _MARKS:
        if mark not in used:
            return mark
    raise TemplateError("The messages use every noncharacter of Unicode; remove some.")


def _raise(message: str) -> NoReturn:
    raise TemplateError(f"The model's chat template did not take these messages ({message}).")


def _to_json(value: Any, indent: int | None = None) -> str:
    """As Hugging Face renders it: key order kept, characters not escaped."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
