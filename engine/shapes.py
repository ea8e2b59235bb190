"""The published shapes of Granite 4 by name: what a benchmark without weights runs, and how far each was trained.

Source: config.json of each model on IBM's pages (granite-4.0-h-350m and so on), November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from engine.config import ExpertsConfig, LayerType, MambaConfig, ModelConfig

CONVERTER_CONTEXT: Final = 1 << 20  # what llama.cpp's converter writes into every hybrid's file

_GRANITE: Final = ModelConfig(
    family="granite", hidden=2560, intermediate=8192, vocabulary=100_352, layer_types=("attention",) * 40, heads=40,
    kv_heads=8, head_dim=64, context=131_072, norm_epsilon=1e-5, rope_base=1e7, embedding_multiplier=12.0,
    residual_multiplier=0.22, attention_multiplier=1 / 64, logits_divisor=10.0,
)  # fmt: skip


def _hybrid(attention: tuple[int, ...], layers: int, mamba_heads: int, mamba_head: int, **own: object) -> ModelConfig:
    types: tuple[LayerType, ...] = tuple("attention" if i in attention else "mamba" for i in range(layers))
    mamba = MambaConfig(mamba_heads, mamba_head, 128, 1, 4, convolution_bias=True, projection_bias=False)
    base = replace(_GRANITE, family="granitehybrid", layer_types=types, rope_base=None, mamba=mamba)
    return replace(base, **own)  # type: ignore[arg-type]  # fields of ModelConfig


_TENTHS: Final = (5, 15, 25, 35)  # the attention layers of all but the smallest hybrid

SHAPES: Final[Mapping[str, ModelConfig]] = {
    "h-350m": _hybrid(
        (10, 13, 17, 27), 32, 48, 32, hidden=768, intermediate=2048, heads=12, kv_heads=4, context=32_768,
        residual_multiplier=0.246, logits_divisor=3.0,
    ),
    "h-1b": _hybrid(
        _TENTHS, 40, 48, 64, hidden=1536, intermediate=4096, heads=12, kv_heads=4, head_dim=128,
        attention_multiplier=1 / 128, logits_divisor=6.0,
    ),
    "h-micro": _hybrid(_TENTHS, 40, 64, 64, hidden=2048, intermediate=8192, heads=32, logits_divisor=8.0),
    "h-tiny": _hybrid(
        _TENTHS, 40, 48, 64, hidden=1536, intermediate=1024, heads=12, kv_heads=4, head_dim=128,
        attention_multiplier=1 / 128, logits_divisor=6.0, experts=ExpertsConfig(64, 6, 512),
    ),
    "h-small": _hybrid(
        _TENTHS, 40, 128, 64, hidden=4096, intermediate=1536, heads=32, head_dim=128, attention_multiplier=1 / 128,
        logits_divisor=16.0, experts=ExpertsConfig(72, 10, 768),
    ),
    "350m": replace(
        _GRANITE, family="granitehybrid", hidden=1024, intermediate=2048,
        layer_types=("attention",) * 28, heads=16, kv_heads=4, context=32_768,
        residual_multiplier=0.263, logits_divisor=4.0,
    ),
    "1b": replace(
        _GRANITE, family="granitehybrid", hidden=2048, intermediate=4096, heads=16, kv_heads=4, head_dim=128,
        attention_multiplier=1 / 128, logits_divisor=8.0,
    ),
    "micro": replace(_GRANITE, family="granitehybrid"),
    "4.1-3b": _GRANITE,
    "4.1-8b": replace(
        _GRANITE, hidden=4096, intermediate=12_800, heads=32, head_dim=128, attention_multiplier=1 / 128,
        logits_divisor=16.0,
    ),
    "4.1-30b": replace(
        _GRANITE, hidden=4096, intermediate=32_768, layer_types=("attention",) * 64, heads=32, head_dim=128,
        rope_base=5e7, residual_multiplier=0.175, attention_multiplier=1 / 128, logits_divisor=16.0,
    ),
}  # fmt: skip


def trained_context(config: ModelConfig) -> int:
    """Tokens that a model was trained for: where its file tells what the converter writes into all, its shape tells."""
    if config.context != CONVERTER_CONTEXT:
        return config.context
    known = (shape.context for shape in SHAPES.values() if _widths(shape) == _widths(config))
    return next(known, config.context)


def _widths(config: ModelConfig) -> tuple[object, ...]:
    """What tells one published model from another; files round the multipliers."""
    own = (config.hidden, config.intermediate, config.vocabulary, config.heads, config.kv_heads, config.head_dim)
    return (*own, config.layer_types, config.mamba, config.experts)
