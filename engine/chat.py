"""A model's own chat template: Jinja from an untrusted file, in a sandbox, with bounded loops and output.

What a user writes must never become a control token. The template's text and the messages' text are told apart by
a mark: each control token's text inside a message gets one character, used nowhere else, behind its first letter;
after the template has run and the real control tokens have been found, the marks are taken out again.

Where the parts of messages end in the prompt is found in the same way: two more such characters show it in a second
rendering, which is looked at and not read by the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import jinja2

from engine.errors import ModelFileError, damaged
from engine.protocol import Message
from engine.reading import Prompt
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
    ) -> Prompt:
        """The prompt, with a border at the end of each content part; `tools` as OpenAI's API defines them.

        Raises TemplateError.
        """
        given = {
            "messages": [_template_message(message, message.text) for message in messages],
            "tools": list(tools) or None,
            "documents": list(documents) or None,
        }
        marks = _unused_marks(_texts(given))
        text = self._render(self._marked(given, marks.control))
        places = self._borders(text, messages, given, marks)
        ids, before = self._tokenizer.encode_marked(
            text, control=True, mark=marks.control, places=[place for place, _ in places]
        )
        vocabulary = self._tokenizer.vocabulary
        if vocabulary.add_bos and vocabulary.bos is not None and ids[:1] != [vocabulary.bos]:
            ids.insert(0, vocabulary.bos)
            before = [count + 1 for count in before]
        inside = [(count, begins) for count, (_, begins) in zip(before, places, strict=True) if 0 < count < len(ids)]
        borders, answers = ({count for count, begins in inside if begins is wanted} for wanted in (False, True))
        return Prompt(ids, tuple(sorted(borders)), tuple(sorted(answers)))

    def _borders(
        self, text: str, messages: Sequence[Message], given: Mapping[str, Any], marks: _Marks
    ) -> list[tuple[int, bool]]:
        """Where content parts end in the rendered `text`, and (True) where an assistant's content begins.

        Not every template lets a character pass unseen, some trim. What does not come out as the same text shows
        nothing: then there are no borders.
        """
        for trimmed in (False, True):
            shown = [_template_message(message, marks.show(message, trimmed=trimmed)) for message in messages]
            try:
                rendered = self._render(self._marked({**given, "messages": shown}, marks.control))
            except TemplateError:
                continue
            places, bare = marks.places(rendered)
            if bare == text:
                return places
        return []

    def _marked(self, value: Any, mark: str) -> Any:
        """The same JSON value, the control tokens in its texts marked."""
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


@dataclass(frozen=True, slots=True)
class _Marks:
    """Characters that no text has: in control tokens, where an answer begins, and where a content part ends."""

    control: str
    begin: str
    end: str

    def show(self, message: Message, *, trimmed: bool) -> str:
        """The message's text with its borders; trimmed: within the white space around it, which a template may cut."""
        text, at = message.text, 0
        first, last = (len(text) - len(text.lstrip()), len(text.rstrip())) if trimmed else (0, len(text))
        places = [(first, self.begin)] if message.role == "assistant" and first < last else []
        for part in message.parts:
            if part and first < last:
                places.append((min(max(at + len(part), first), last), self.end))
            at += len(part) + 1
        cuts = [0, *(place for place, _ in places), len(text)]
        pieces = [text[start:end] for start, end in pairwise(cuts)]
        return "".join(piece + mark for piece, mark in zip(pieces, [*(mark for _, mark in places), ""], strict=True))

    def places(self, text: str) -> tuple[list[tuple[int, bool]], str]:
        """Each border's position and whether an answer begins there, and the text without the marks."""
        pieces = re.split(f"([{self.begin}{self.end}])", text)
        places, at = [], 0
        for bare, mark in zip(pieces[::2], pieces[1::2], strict=False):  # the last piece has no mark behind it
            at += len(bare)
            places.append((at, mark == self.begin))
        return places, "".join(pieces[::2])


def _template_message(message: Message, text: str) -> dict[str, Any]:
    """A message as templates know it; what it has not is left out, because they ask whether it is there."""
    shown: dict[str, Any] = {"role": message.role, "content": text}
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


def _unused_marks(texts: Iterable[str]) -> _Marks:
    used = set[str]().union(*(set(text).intersection(_MARKS) for text in texts))
    unused = [mark for mark in _MARKS if mark not in used]
    if len(unused) < 3:
        raise TemplateError("The messages use the noncharacters of Unicode; remove some.")
    return _Marks(*unused[:3])
