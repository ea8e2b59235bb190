"""What every decoder does: sequences read tokens and give logits. engine.cpu and engine.model implement it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.config import ModelConfig

# Tokens that all sequences of one step may read together. A longer prompt is read in several steps, between which the
# others go on.
STEP_TOKENS: Final = 256


class State(Protocol):
    """What a sequence has read: `length` tokens of at most `capacity`."""

    length: int
    capacity: int

    def fork(self) -> Self:
        """A second sequence with the same past."""


S = TypeVar("S", bound=State)


@dataclass(frozen=True, slots=True)
class Reading(Generic[S]):
    """One sequence's part of a step: read `tokens` into `state` and give the logits after the `last` ones."""

    state: S
    tokens: Sequence[int]
    last: int = 1


class Decoder(Protocol[S]):
    """A model that can read."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def kernels(self) -> Mapping[str, str]:
        """What each op runs on."""

    def new_state(self, capacity: int) -> S:
        """An empty sequence of at most `capacity` tokens."""

    def step(self, readings: Sequence[Reading[S]]) -> list[NDArray[np.float32]]:
        """Let each sequence read its tokens; the logits of its last ones, (last, vocabulary)."""
