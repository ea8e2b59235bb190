"""Prompts: sandboxed Jinja templates in resources/prompts, versioned by their content.

A template has the blocks system, voice, source, brief and shorten. voice, source and brief become separate parts
of one user message, so that the engine can keep the state of those that do not change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

import resources
from app.core.words import Brief, Channel, Length
from engine.protocol import Message
from publishers import registry
from publishers.api import Format, Unit

_LANGUAGES = {
    "en": "English",
    "zh": "Chinese",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "ja": "Japanese",
    "ko": "Korean",
    "ar": "Arabic",
    "cs": "Czech",
}
_WORDS = {Length.SHORT: 40, Length.MEDIUM: 90, Length.LONG: 220}
_CHARACTERS_PER_WORD = 6.5  # English with its space, a little more than the mean so that most drafts fit
_UNITS_PER_CHARACTER = {Unit.BYTES: 1.1}
_THREAD_PARTS = {Length.SHORT: 2, Length.MEDIUM: 4, Length.LONG: 7}


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of one template."""

    version: str  # "post@1a2b3c4d"
    template: str
    _compiled: Template

    def block(self, name: str, **values: object) -> str:
        return "".join(self._compiled.blocks[name](self._compiled.new_context(values))).strip()


@lru_cache(maxsize=64)
def prompt_for(channel: Channel) -> Prompt:
    """The most particular template there is: platform.format, format, post."""
    folder = resources.ROOT / "prompts"
    for name in (f"{channel.platform}.{channel.format}", channel.format, "post"):
        path = folder / f"{name}.jinja"
        if path.is_file():
            return compile_prompt(name, path.read_text(encoding="utf-8"))
    raise FileNotFoundError(folder / "post.jinja")


def compile_prompt(name: str, template: str) -> Prompt:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    digest = hashlib.sha256(template.encode()).hexdigest()[:8]
    return Prompt(f"{name}@{digest}", template, environment.from_string(template))


def word_goal(brief: Brief, format_: Format) -> int:
    """How many words to ask for: the brief's length, held below what the channel takes."""
    characters = format_.text.value / _UNITS_PER_CHARACTER.get(format_.unit, 1.0)
    most = max(int(characters * 0.8 / _CHARACTERS_PER_WORD), 5)
    return min(_WORDS[brief.length], most)


def messages(prompt: Prompt, brief: Brief, channel: Channel, voice: str) -> tuple[Message, ...]:
    """The chat that asks for one variant. Nothing of the day, and no earlier post, stands in it."""
    capabilities = registry.get(channel.platform).capabilities
    format_ = capabilities.format(channel.format)
    values: dict[str, object] = {
        "voice": voice.strip(),
        "source": brief.source.strip(),
        "channel": capabilities.name,
        "topic": brief.topic.strip().rstrip("."),
        "audience": brief.audience.strip(),
        "goal": brief.goal,
        "language": _LANGUAGES.get(brief.language, brief.language),
        "words": word_goal(brief, format_),
        "parts": min(_THREAD_PARTS[brief.length], format_.parts),
        "remark": capabilities.languages_hint,
    }
    parts = tuple(text for name in ("voice", "source", "brief") if (text := prompt.block(name, **values)))
    return Message("system", (prompt.block("system", **values),)), Message("user", parts)
