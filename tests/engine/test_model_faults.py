"""Model files that are whole but wrong: one sentence says what is wrong, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ModelFileError
from engine.loader import load_model
from tests.engine.copying import copy_as_float32
from tests.engine.test_families import FAMILIES
from tests.engine.tiny import HIDDEN, VOCABULARY, write_tiny

Weights = dict[str, np.ndarray]


def narrower(weights: Weights) -> None:
    weights["blk.1.ffn_down.weight"] = weights["blk.1.ffn_down.weight"][:, :-32]


def shorter(weights: Weights) -> None:
    weights["token_embd.weight"] = weights["token_embd.weight"][:-8]


def no_number(weights: Weights) -> None:
    weights["blk.0.ffn_up.weight"][3, 5] = np.nan


def infinite(weights: Weights) -> None:
    weights["blk.0.ssm_a"][2] = np.inf


FAULTS: dict[str, tuple[Callable[[Weights], object], str]] = {
    "a missing tensor": (lambda weights: weights.pop("blk.1.attn_k.weight"), "layers.1.attention.k is missing"),
    "a wrong shape": (narrower, "blk.1.ffn_down.weight"),
    "a vocabulary of another length": (shorter, f"token_embd.weight .*{VOCABULARY - 8}.*{HIDDEN}"),
    "a weight that is no number": (no_number, "weights hold a value that is not a number"),
    "a decay that is infinite": (infinite, "blk.0.ssm_a"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_model_that_is_wrong_is_refused_with_what_is_wrong(tmp_path: Path, name: str):
    change, expected = FAULTS[name]
    sound = write_tiny(tmp_path / "sound.gguf", **FAMILIES["hybrid"])
    wrong = copy_as_float32(sound, tmp_path / "wrong.gguf", change)
    with pytest.raises(ModelFileError, match=expected) as refusal:
        load_model(wrong)
    assert "\n" not in refusal.value.message


def test_a_copy_without_a_change_loads(tmp_path: Path):
    copy = copy_as_float32(write_tiny(tmp_path / "sound.gguf", **FAMILIES["hybrid"]), tmp_path / "copy.gguf")
    assert load_model(copy).decoder.config.vocabulary == VOCABULARY
