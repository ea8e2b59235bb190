"""What happens while variants are written, in order, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.core.ids import Id
from app.core.words import Draft, GenerationState


@dataclass(frozen=True, slots=True)
class VariantStarted:
    """A variant is about to be written; after a failed try it starts again with empty text."""

    generation_id: Id
    variant: int
    model: str


@dataclass(frozen=True, slots=True)
class VariantText:
    """What a variant says so far."""

    generation_id: Id
    variant: int
    text: str


@dataclass(frozen=True, slots=True)
class VariantDrafted:
    """A variant is finished, fitted and stored."""

    generation_id: Id
    draft: Draft


@dataclass(frozen=True, slots=True)
class GenerationEnded:
    """No more events of this generation will come. `error` is a sentence where it failed."""

    generation_id: Id
    state: GenerationState
    error: str = ""


DraftingEvent = VariantStarted | VariantText | VariantDrafted | GenerationEnded
OnEvent = Callable[[DraftingEvent], None]


def ignore(_event: DraftingEvent) -> None:
    """For callers that only want the drafts."""
