"""Request and provenance types shared by the engine's server, its client and the app. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the assistant asked for. `arguments` is a JSON object as text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. `parts` are content parts of kind text; each end of a part is a border at which a
    prefix may be kept (brand voice, source text and brief travel as separate parts).

    An assistant's message may call tools; a tool's message answers the call `tool_call_id`.
    """

    role: Role
    parts: tuple[str, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        return "\n".join(self.parts)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; what each field does stands at engine.sampling.Sampler. temperature 0 is greedy.
    Ranges are checked where requests come in."""

    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 40  # 0 = off
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()  # (token id, what is added to its score)
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion. `max_tokens` bounds the answer."""

    model: str
    messages: tuple[Message, ...]
    max_tokens: int = 512
    sampling: Sampling = field(default_factory=Sampling)


class FinishReason(StrEnum):
    STOP = "stop"  # the model ended its answer or a stop string came
    LENGTH = "length"  # max_tokens or the context ran out: the text is cut off
    TOOL_CALLS = "tool_calls"  # the answer asks for tools


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request and the seconds they took, measured in the engine.

    `cached_tokens` of the prompt were not read, because an earlier one began alike.
    """

    prompt_tokens: int
    completion_tokens: int
    prompt_seconds: float = 0.0
    completion_seconds: float = 0.0
    cached_tokens: int = 0

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second; 0 where the server did not say."""
        return self.completion_tokens / self.completion_seconds if self.completion_seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely the model found a token, before penalties, bias, temperature and structure; natural logarithms."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]  # the likeliest tokens at its place, best first


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer, as it is generated, and its tokens where they were asked for."""

    text: str
    tokens: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a stream."""

    reason: FinishReason
    usage: Usage


StreamEvent = Delta | Finished


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as a server describes it. file_sha256 and quantisation are "" where a foreign server does not say."""

    id: str
    file_sha256: str = ""
    quantisation: str = ""
    context: int = 0  # tokens
    device: str = ""
    parameters: int = 0
    kernels: Mapping[str, str] = field(default_factory=dict)


class EngineFault(StrEnum):
    UNREACHABLE = "unreachable"  # no server there, or it died
    REFUSED = "refused"  # wrong token, bad request, too long a prompt
    BUSY = "busy"  # the queue is full; wait
    BROKEN = "broken"  # the stream ended in the middle


class EngineError(Exception):
    """The engine could not answer. `message` is one sentence for the creator."""

    def __init__(self, fault: EngineFault, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.detail = detail
