"""Requests as they come over HTTP, checked field by field.

Unknown fields are ignored, as OpenAI's clients expect. A field known here or from other engines that would change the
answer, but that this engine does not support, is refused by name, unless it says what the engine does anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.fields import RequestError, integer, is_integer, is_number, json_object, number, refuse, text, typed
from engine.messages import parse_documents, parse_messages
from engine.protocol import Message, Sampling
from engine.structure import StructureError, json_rule
from engine.tools import ToolUse, parse_tool_use

USUAL_MAX_TOKENS: Final = 512
USUAL_TEXT_MAX_TOKENS: Final = 16  # OpenAI's, for text completions
MAX_CHOICES: Final = 16
MAX_PROMPTS: Final = 64
MAX_PROMPT_TOKENS: Final = 1 << 20
MAX_TOP_LOGPROBS: Final = 20
MAX_TEXT_LOGPROBS: Final = 5
MAX_BIASES: Final = 1024
MAX_STOPS: Final = 16
MAX_STOP_CHARS: Final = 200

# field -> values that mean "as usual"; None (absent) always does
_UNSUPPORTED: Final[Mapping[str, tuple[Any, ...]]] = {
    # OpenAI's
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
    # vLLM's, llama.cpp's and Ollama's
    "add_generation_prompt": (True,),
    "chat_template": (),
    "chat_template_kwargs": ({},),
    "continue_final_message": (False,),
    "dry_multiplier": (0,),
    "format": ("",),
    "grammar": ("",),
    "guided_choice": (),
    "guided_grammar": (),
    "guided_json": (),
    "guided_regex": (),
    "ignore_eos": (False,),
    "json_schema": (),
    "length_penalty": (1,),
    "min_tokens": (0,),
    "mirostat": (0,),
    "options": ({},),
    "prompt_logprobs": (),
    "stop_token_ids": ([],),
    "structured_outputs": (),
    "truncate_prompt_tokens": (),
    "typical_p": (1,),
    "use_beam_search": (False,),
    "xtc_probability": (0,),
}
_UNSUPPORTED_IN_CHAT: Final[Mapping[str, tuple[Any, ...]]] = {
    **_UNSUPPORTED,
    "audio": (),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "modalities": (["text"],),
    "prediction": (),
}
_UNSUPPORTED_IN_TEXT: Final[Mapping[str, tuple[Any, ...]]] = {
    **_UNSUPPORTED,
    "best_of": (1,),
    "echo": (False,),
    "response_format": ({"type": "text"},),
    "suffix": ("",),
}


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What both endpoints let a client choose. Answer i of `choices` has the seed + i."""

    model: str
    max_tokens: int
    sampling: Sampling
    choices: int
    top_logprobs: int | None  # None: no logprobs at all
    stream: bool
    include_usage: bool


@dataclass(frozen=True, slots=True)
class ChatCompletion:
    """A chat that the model is to go on with. `answer_rule` is the grammar of its answer, None for any text."""

    options: AnswerOptions
    messages: tuple[Message, ...]
    documents: tuple[Mapping[str, str], ...]
    tool_use: ToolUse | None
    answer_rule: str | None


@dataclass(frozen=True, slots=True)
class TextCompletion:
    """Texts, or the tokens of texts, that the model is to go on with as they stand."""

    options: AnswerOptions
    prompts: tuple[str | tuple[int, ...], ...]


def parse_chat_completion(body: bytes) -> ChatCompletion:
    """Check the body of a chat completion; raises RequestError (400)."""
    fields = json_object(body)
    refuse(fields, _UNSUPPORTED_IN_CHAT)
    name = "max_completion_tokens" if fields.get("max_completion_tokens") is not None else "max_tokens"
    top = integer(fields, "top_logprobs", 0, MAX_TOP_LOGPROBS, None)
    told = typed(fields, "logprobs", bool, False)
    if top and not told:
        raise RequestError(400, "top_logprobs needs logprobs to be true.", field="top_logprobs")
    return ChatCompletion(
        options=_options(fields, name, USUAL_MAX_TOKENS, (top or 0) if told else None),
        messages=parse_messages(fields.get("messages")),
        documents=parse_documents(fields.get("documents")),
        tool_use=parse_tool_use(fields),
        answer_rule=_answer_rule(fields),
    )


def parse_text_completion(body: bytes) -> TextCompletion:
    """Check the body of a text completion; raises RequestError (400)."""
    fields = json_object(body)
    refuse(fields, _UNSUPPORTED_IN_TEXT)
    top = integer(fields, "logprobs", 0, MAX_TEXT_LOGPROBS, None)
    return TextCompletion(
        options=_options(fields, "max_tokens", USUAL_TEXT_MAX_TOKENS, top), prompts=_prompts(fields.get("prompt"))
    )


def _options(fields: Mapping[str, Any], name: str, usual: int, top_logprobs: int | None) -> AnswerOptions:
    stream = typed(fields, "stream", bool, False)
    streaming = typed(fields, "stream_options", dict, {})
    return AnswerOptions(
        model=typed(fields, "model", str, ""),
        max_tokens=integer(fields, name, 1, 1 << 20, usual),
        sampling=_sampling(fields),
        choices=integer(fields, "n", 1, MAX_CHOICES, 1),
        top_logprobs=top_logprobs,
        stream=stream,
        include_usage=typed(streaming, "include_usage", bool, False),
    )


def _sampling(fields: Mapping[str, Any]) -> Sampling:
    usual = Sampling()
    # llama.cpp and Ollama have another name for the same; a client may send both
    repetition = "repetition_penalty" if fields.get("repetition_penalty") is not None else "repeat_penalty"
    return Sampling(
        temperature=number(fields, "temperature", 0, 2, usual.temperature),
        top_p=number(fields, "top_p", 0, 1, usual.top_p),
        top_k=integer(fields, "top_k", 0, 1 << 20, usual.top_k),
        min_p=number(fields, "min_p", 0, 1, usual.min_p),
        repetition_penalty=number(fields, repetition, 0.1, 10, usual.repetition_penalty),
        presence_penalty=number(fields, "presence_penalty", -2, 2, usual.presence_penalty),
        frequency_penalty=number(fields, "frequency_penalty", -2, 2, usual.frequency_penalty),
        logit_bias=_logit_bias(fields),
        seed=integer(fields, "seed", 0, (1 << 63) - 1, None),
        stop=_stops(fields.get("stop")),
    )


def _logit_bias(fields: Mapping[str, Any]) -> tuple[tuple[int, float], ...]:
    given = typed(fields, "logit_bias", dict, {})
    if len(given) > MAX_BIASES or not all(
        token.isdecimal() and len(token) < 10 and is_number(bias) and -100 <= bias <= 100
        for token, bias in given.items()
    ):
        message = f"logit_bias must map up to {MAX_BIASES} token ids to numbers from -100 to 100."
        raise RequestError(400, message, field="logit_bias")
    return tuple((int(token), float(bias)) for token, bias in given.items())


def _stops(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(stop, str) and 1 <= len(stop) <= MAX_STOP_CHARS for stop in stops)
    ):
        message = f"stop must be a text or a list of up to {MAX_STOPS} texts of 1 to {MAX_STOP_CHARS} characters."
        raise RequestError(400, message, field="stop")
    return tuple(stops)


def _answer_rule(fields: Mapping[str, Any]) -> str | None:
    wanted = typed(fields, "response_format", dict, {"type": "text"})
    match wanted.get("type"):
        case "text":
            return None
        case "json_object":
            schema: object = {"type": "object"}
        case "json_schema":
            described = wanted.get("json_schema")
            schema = described.get("schema") if isinstance(described, dict) else None
        case _:
            message = "response_format.type must be text, json_object or json_schema."
            raise RequestError(400, message, field="response_format")
    if not isinstance(schema, dict):
        where = "response_format.json_schema.schema"
        raise RequestError(400, f"{where} must be a JSON schema object.", field=where)
    try:
        return json_rule(schema)
    except StructureError as error:
        raise RequestError(400, str(error), field="response_format", code="invalid_schema") from error


def _prompts(value: object) -> tuple[str | tuple[int, ...], ...]:
    """A text, a list of tokens, or a list of several of either."""
    single = isinstance(value, str) or (isinstance(value, list) and bool(value) and all(map(is_integer, value)))
    prompts = [value] if single else value
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= MAX_PROMPTS:
        message = f"prompt must be a text, a list of token ids, or a list of up to {MAX_PROMPTS} of either."
        raise RequestError(400, message, field="prompt")
    return tuple(_prompt(prompt, "prompt" if single else f"prompt[{i}]") for i, prompt in enumerate(prompts))


def _prompt(value: object, where: str) -> str | tuple[int, ...]:
    if isinstance(value, str):
        return text(value, where)
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_PROMPT_TOKENS or not all(map(is_integer, value)):
        raise RequestError(400, f"{where} must be a text or a list of token ids.", field=where)
    return tuple(value)
