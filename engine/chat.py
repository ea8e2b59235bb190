"""A model's own chat template: Jinja from an untrusted file, in a sandbox, with bounded loops and output.

What a user writes must never become a control token. The template's text and the messages' text are told apart by
a mark: each control token's text inside a message gets one character, used nowhere else, behind its first letter;
after the template has run and the real control tokens have been found, the marks are taken out again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import jinja2

from engine.errors import ModelFileError, damaged
from engine.protocol import Message
from engine.sandbox import SandboxedTemplate, TemplateError
from engine.tokenizer import TextTokenizer
from engine.tools import OPENING

MAX_TEMPLATE_CHARS: Final = 1 << 18

# The noncharacters of Unicode: a text that uses all of them is not a text.
_MARKS: Final = tuple(chr(code) for code in range(0xFDD0, 0xFDF0))


class ChatTemplate:
    """Turns messages into the tokens of a prompt that ends where the answer begins."""

    def __init__(self, source: str, tokenizer: TextTokenizer, clock: Callable[[], datetime] = datetime.now) -> None:
        if len(source) > MAX_TEMPLATE_CHARS:
            raise damaged("its chat template is longer than any known one")
        self._tokenizer = tokenizer
        self._clock = clock
        try:
            self._template = SandboxedTemplate(source)
        except (jinja2.TemplateError, SyntaxError, RecursionError) as error:
            raise ModelFileError(f"The chat template in the model file cannot be read ({error}).") from error
        self.takes_documents = "documents" in self._template.names
        # Some models write calls in another form than engine.tools; a control token would leave no text to read.
        self.takes_tools = (
            "tools" in self._template.names
            and OPENING in source
            and "<function=" not in source
            and OPENING not in tokenizer.control_texts
        )

    def encode(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        documents: Sequence[Mapping[str, str]] = (),
    ) -> list[int]:
        """The prompt's token ids; `tools` as OpenAI's API defines them. Raises TemplateError."""
        given = {
            "messages": [_template_message(message) for message in messages],
            "tools": list(tools) or None,
            "documents": list(documents) or None,
        }
        mark = _unused_mark(_texts(given))
        marked = {name: self._marked(value, mark) for name, value in given.items()}
        ids = self._tokenizer.encode_marked(
            self._render(marked), control=True, clean=lambda piece: piece.replace(mark, "")
        )
        vocabulary = self._tokenizer.vocabulary
        if vocabulary.add_bos and vocabulary.bos is not None and ids[:1] != [vocabulary.bos]:
            ids.insert(0, vocabulary.bos)
        return ids

    def _marked(self, value: Any, mark: str) -> Any:
        """The same JSON value, its texts marked."""
        match value:
            case str():
                return self._mark(value, mark)
            case dict():
                return {self._mark(name, mark): self._marked(inner, mark) for name, inner in value.items()}
            case list():
                return [self._marked(inner, mark) for inner in value]
        return value

    def _mark(self, text: str, mark: str) -> str:
        for token in self._tokenizer.control_texts:
            text = text.replace(token, token[0] + mark + token[1:])
            # The text's end could begin a token that the template or the next message completes.
            if any(text.endswith(token[:size]) for size in range(1, len(token))):
                text += mark
        return text

    def _render(self, given: Mapping[str, Any]) -> str:
        return self._template.render(
            {
                **given,
                "add_generation_prompt": True,
                "bos_token": self._tokenizer.vocabulary.bos_text,
                "eos_token": self._tokenizer.vocabulary.eos_text,
                "strftime_now": lambda pattern: self._clock().strftime(pattern),
            }
        )


def _template_message(message: Message) -> dict[str, Any]:
    """A message as templates know it; what it has not is left out, because they ask whether it is there."""
    shown: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.tool_calls:
        shown["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.loads(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        shown["tool_call_id"] = message.tool_call_id
    return shown


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    match value:
        case str():
            yield value
        case dict():
            for name, inner in value.items():
                yield name
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _unused_mark(texts: Iterable[str]) -> str:
    used = set[str]().union(*(set(text).intersection(_MARKS) for text in texts))
    for mark in _MARKS:
        if mark not in used:
            return mark
    raise TemplateError("The messages use every noncharacter of Unicode; remove some.")
