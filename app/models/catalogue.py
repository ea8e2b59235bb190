"""The models Quarry knows (resources/models.json) and whether they fit a machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import resources

_OVERHEAD = 600 * 10**6  # bytes of the engine process itself: runtime, tokenizer, work buffers


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """A published model. Sizes in bytes; file_bytes is its Q4_K_M file."""

    id: str
    name: str
    family: str
    parameters: int
    active_parameters: int
    kv_bytes_per_token: int
    state_bytes: int  # fixed state per sequence (Mamba layers)
    context: int
    file_bytes: int
    licence: str
    maker: str
    best_for: str
    starter: bool

    def memory(self, context: int, parallel: int) -> int:
        """Bytes needed to run `parallel` drafts of `context` tokens each."""
        per_sequence = self.state_bytes + self.kv_bytes_per_token * min(context, self.context)
        return self.file_bytes + parallel * per_sequence + _OVERHEAD


class Fit(StrEnum):
    FITS = "fits"
    TIGHT = "fits, but leaves little memory"
    TOO_LARGE = "too large for this machine"


def fit(needed: int, memory: int) -> Fit:
    """How `needed` bytes stand to a machine's whole `memory`: half of it leaves room for everything else."""
    if needed <= memory // 2:
        return Fit.FITS
    return Fit.TIGHT if needed <= memory * 4 // 5 else Fit.TOO_LARGE


@lru_cache(maxsize=1)
def catalogue() -> Sequence[CatalogueModel]:
    data = json.loads((resources.ROOT / "models.json").read_text(encoding="utf-8"))
    return tuple(CatalogueModel(**row) for row in data["models"])


def recommended(memory: int, context: int, parallel: int) -> CatalogueModel:
    """The largest hybrid Granite that fits well; the smallest one where none does."""
    hybrids = sorted((model for model in catalogue() if model.state_bytes), key=lambda model: model.parameters)
    fitting = [model for model in hybrids if fit(model.memory(context, parallel), memory) is Fit.FITS]
    return fitting[-1] if fitting else hybrids[0]
