"""The published shapes, and the context that a hybrid's own file does not tell."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest

from engine.checkpoint.names import expected_shapes
from engine.config import ModelConfig
from engine.shapes import CONVERTER_CONTEXT, SHAPES, trained_context

# In millions, as IBM names the models or counts them on their pages.
PARAMETERS = {
    "h-350m": 340, "h-1b": 1_460, "h-micro": 3_190, "h-tiny": 6_940, "h-small": 32_200,
    "350m": 352, "1b": 1_630, "micro": 3_400, "4.1-3b": 3_400, "4.1-8b": 8_400, "4.1-30b": 29_000,
}  # fmt: skip


def parameters(config: ModelConfig) -> int:
    return sum(prod(shape) for shape in expected_shapes(config).values())


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_has_its_model_s_parameters(name: str):
    assert parameters(SHAPES[name]) / 1e6 == pytest.approx(PARAMETERS[name], rel=0.02)


@pytest.mark.parametrize(("name", "context"), [("h-350m", 32_768), ("h-1b", 131_072), ("h-tiny", 131_072)])
def test_a_converter_s_context_becomes_the_trained_one(name: str, context: int):
    stored = replace(SHAPES[name], context=CONVERTER_CONTEXT, residual_multiplier=0.2199999988079071)
    assert trained_context(stored) == context


def test_other_contexts_are_taken_as_they_are():
    assert trained_context(replace(SHAPES["h-1b"], context=4096)) == 4096
    unknown = replace(SHAPES["h-1b"], context=CONVERTER_CONTEXT, hidden=1024)
    assert trained_context(unknown) == CONVERTER_CONTEXT
