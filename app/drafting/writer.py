"""One variant: asked for, streamed, polished, shortened by the model where too long, cut only as the last resort."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.core.errors import KnownError
from app.core.words import Brief, Channel, Fitted
from app.drafting import fit
from app.drafting.polish import ends_whole, polish
from app.drafting.prompts import Prompt, messages, word_goal
from app.models.service import Running
from engine.protocol import ChatRequest, Delta, Finished, FinishReason, Message, Sampling
from publishers import registry
from publishers.api import Content
from publishers.text import cut_to_fit

_TRIES = 3
_SHORTENINGS = 2
_SEED_STEP = 7919  # between tries of one variant: far from the seeds of its neighbours
_TOKENS_PER_WORD = 3  # room for languages whose words are many tokens
_MOST_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Written:
    """A finished variant."""

    content: Content
    fitted: Fitted
    seed: int
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Task:
    """What one generation's variants have in common."""

    running: Running
    prompt: Prompt
    brief: Brief
    channel: Channel
    voice: str
    sampling: Mapping[str, float | int]


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    whole: bool  # the model ended it, or it reads like an end
    tokens_per_second: float


async def write_variant(task: Task, seed: int, on_text: Callable[[str], None]) -> Written:
    """Never empty and never cut off in silence: what was done to make it fit stands in `fitted`.

    `on_text` gets the whole text so far after every piece. Raises KnownError when the model says nothing usable,
    EngineError when the engine fails."""
    chat = messages(task.prompt, task.brief, task.channel, task.voice)
    for attempt in range(_TRIES):
        used = seed + attempt * _SEED_STEP
        answer = await _ask(task, chat, used, on_text)
        if not answer.text:
            continue
        content, fitted = await _fit(task, chat, answer, used, on_text)
        if content.text:
            return Written(content, fitted, used, answer.tokens_per_second)
    raise KnownError(
        f"{task.running.info.id} gave no usable text in {_TRIES} tries: the brief was kept; "
        "say more in the topic or choose another model."
    )


async def _fit(
    task: Task, chat: tuple[Message, ...], answer: _Answer, seed: int, on_text: Callable[[str], None]
) -> tuple[Content, Fitted]:
    fitted = Fitted.AS_WRITTEN
    text = answer.text
    if not answer.whole:
        text, fitted = cut_to_fit(text, lambda candidate: len(candidate) < len(text)), Fitted.CUT
    content = fit.as_content(text, task.channel)
    words = word_goal(task.brief, registry.get(task.channel.platform).capabilities.format(task.channel.format))
    for _ in range(_SHORTENINGS):
        if fit.fits(content, task.channel):
            return content, fitted
        words = max(words * 3 // 5, 5)
        ask = Message("user", (task.prompt.block("shorten", words=words),))
        shorter = await _ask(task, (*chat, Message("assistant", (text,)), ask), seed, on_text)
        if shorter.text and shorter.whole and len(shorter.text) < len(text):
            text, fitted = shorter.text, Fitted.SHORTENED
            content = fit.as_content(text, task.channel)
    if fit.fits(content, task.channel):
        return content, fitted
    return fit.as_content(fit.cut(text, task.channel), task.channel), Fitted.CUT


async def _ask(task: Task, chat: tuple[Message, ...], seed: int, on_text: Callable[[str], None]) -> _Answer:
    format_ = registry.get(task.channel.platform).capabilities.format(task.channel.format)
    words = word_goal(task.brief, format_) * (format_.parts if format_.parts > 1 else 1)
    request = ChatRequest(
        model=task.running.info.id,
        messages=chat,
        max_tokens=min(words * _TOKENS_PER_WORD + 60, _MOST_TOKENS),
        sampling=Sampling(seed=seed, **task.sampling),  # type: ignore[arg-type]
    )
    text = ""
    end: Finished | None = None
    on_text("")
    async for event in task.running.client.stream(request):
        match event:
            case Delta(piece):
                text += piece
                on_text(text)
            case Finished():
                end = event
    assert end is not None, "a stream ends in Finished or raises"
    polished = polish(text)
    whole = end.reason is FinishReason.STOP or ends_whole(polished)
    return _Answer(polished, whole, end.usage.tokens_per_second)
