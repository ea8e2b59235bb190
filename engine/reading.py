"""What every decoder does: sequences read tokens and give logits. engine.cpu and engine.model implement it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.config import ModelConfig

# Tokens that all sequences of one step may read together. A longer prompt is read in several steps, between which the
# others go on.
STEP_TOKENS: Final = 256


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an answer goes on from, and where other prompts may leave it, in tokens from its beginning.

    `borders`, ascending, are where a part of it ends; at one of `answers` an earlier answer in it begins, so that the
    prompt for that answer ended there.
    """

    tokens: list[int]
    borders: tuple[int, ...] = ()
    answers: tuple[int, ...] = ()


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


class KeepableState(State, Protocol):
    """A state that may begin other sequences: its numbers do not depend on how its text was cut into steps."""

    def fork(self, capacity: int | None = None, *, ended: bool = False) -> Self:
        """A second sequence with the same past, of at most `capacity` tokens; as many as this one unless said.

        `ended`: this one reads no more, so that the second need not copy all of it at once.
        """

    @property
    def parts(self) -> Sequence[NDArray[Any]]:
        """The memory behind it, contiguous. What forks share is the same array, or a piece of one, in both."""


class Decoder(Protocol[S]):
    """A model that can read."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def kernels(self) -> Mapping[str, str]:
        """What each op runs on."""

    def new_state(self, capacity: int) -> S:
        """An empty sequence of at most `capacity` tokens."""

    def state_bytes(self, length: int) -> int:
        """How much memory a state of `length` tokens takes."""

    def step(self, readings: Sequence[Reading[S]]) -> list[NDArray[np.float32]]:
        """Let each sequence read its tokens; the logits of its last ones, (last, vocabulary)."""


class KeepingDecoder(Decoder[S], Protocol[S]):
    """A decoder of keepable states. A reading may be of no tokens, where all was read before."""

    @property
    def fingerprint(self) -> bytes:
        """Of all but the model's file that decides what is in a state's parts."""

    def restore(self, length: int, memory: NDArray[np.uint8]) -> S:
        """The state of `length` tokens whose parts, one after the other, are `memory`; it is used, not copied."""
