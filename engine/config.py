"""What a model is made of, read from a checkpoint's own metadata and checked before any weight is touched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.errors import damaged, unsupported

LayerType = Literal["attention", "mamba"]

FAMILIES: Final = ("llama", "granite", "granitehybrid")
MAX_LAYERS: Final = 1024
MAX_WIDTH: Final = 1 << 20  # of any one dimension; the vocabulary is the widest
MAX_CONTEXT: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One decoder's shape. Llama is Granite with multipliers of 1 and attention scale 1/sqrt(head_dim)."""

    family: str
    hidden: int
    intermediate: int
    vocabulary: int
    layer_types: tuple[LayerType, ...]
    heads: int
    kv_heads: int
    head_dim: int
    context: int  # tokens the model was trained for
    norm_epsilon: float
    rope_base: float | None  # None: no positional encoding (NoPE)
    embedding_multiplier: float = 1.0
    residual_multiplier: float = 1.0
    attention_multiplier: float = 1.0  # times q·k
    logits_divisor: float = 1.0


class _Keys:
    """Typed, range-checked access to the metadata; a wrong value is a damaged file."""

    def __init__(self, metadata: Mapping[str, Any], family: str) -> None:
        self.metadata = metadata
        self.family = family

    def raw(self, key: str) -> Any:
        return self.metadata.get(f"{self.family}.{key}")

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.raw(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise damaged(f"{self.family}.{key} is not a whole number from {low} to {high}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A positive, finite number."""
        value = self.raw(key)
        value = default if value is None else value
        if not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise damaged(f"{self.family}.{key} is not a positive number")
        return float(value)

    def per_layer(self, key: str, layers: int, default: int | None = None) -> list[int]:
        """A whole number for each layer; the file may give one for all."""
        value = self.raw(key)
        if not isinstance(value, list):
            return [self.integer(key, 0, MAX_WIDTH, default)] * layers
        if len(value) != layers or not all(type(entry) is int and 0 <= entry <= MAX_WIDTH for entry in value):
            raise damaged(f"{self.family}.{key} does not hold one whole number for each of {layers} layers")
        return value


def config_from_gguf(metadata: Mapping[str, Any]) -> ModelConfig:
    """Read the shape of a `llama`, `granite` or `granitehybrid` model; raises ModelFileError."""
    family = metadata.get("general.architecture")
    if family not in FAMILIES:
        raise unsupported(f"its architecture is {str(family)[:40]!r}, and {', '.join(FAMILIES)} are known")
    keys = _Keys(metadata, family)
    _refuse_what_is_missing(keys)

    layers = keys.integer("block_count", 1, MAX_LAYERS)
    kv_heads = keys.per_layer("attention.head_count_kv", layers, keys.integer("attention.head_count", 1, MAX_WIDTH))
    layer_types: tuple[LayerType, ...] = tuple("attention" if count else "mamba" for count in kv_heads)
    if "mamba" in layer_types:
        mamba = layer_types.count("mamba")
        raise unsupported(f"{mamba} of its {layers} layers are Mamba layers, and only attention layers can be computed")
    if len(set(kv_heads)) != 1:
        raise unsupported("its attention layers differ in their number of key-value heads")

    hidden = keys.integer("embedding_length", 1, MAX_WIDTH)
    heads = keys.integer("attention.head_count", 1, MAX_WIDTH)
    if hidden % heads or heads % kv_heads[0]:
        raise damaged(f"{heads} heads do not divide the width {hidden}, or {kv_heads[0]} key-value heads the heads")
    head_dim = keys.integer("attention.key_length", 2, MAX_WIDTH, hidden // heads)
    if head_dim % 2 or keys.integer("attention.value_length", 2, MAX_WIDTH, head_dim) != head_dim:
        raise unsupported("its keys and values differ in width, or the width is odd")
    vocabulary = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(vocabulary, list) or not 1 <= len(vocabulary) <= MAX_WIDTH:
        raise damaged("it holds no vocabulary")

    granite = family != "llama"
    return ModelConfig(
        family=family,
        hidden=hidden,
        intermediate=keys.integer("feed_forward_length", 1, MAX_WIDTH),
        vocabulary=len(vocabulary),
        layer_types=layer_types,
        heads=heads,
        kv_heads=kv_heads[0],
        head_dim=head_dim,
        context=keys.integer("context_length", 1, MAX_CONTEXT),
        norm_epsilon=keys.number("attention.layer_norm_rms_epsilon"),
        rope_base=_rope_base(keys, head_dim),
        embedding_multiplier=keys.number("embedding_scale", 1.0) if granite else 1.0,
        residual_multiplier=keys.number("residual_scale", 1.0) if granite else 1.0,
        attention_multiplier=keys.number("attention.scale", head_dim**-0.5) if granite else head_dim**-0.5,
        logits_divisor=keys.number("logit_scale", 1.0) if granite else 1.0,
    )


def _refuse_what_is_missing(keys: _Keys) -> None:
    experts = keys.integer("expert_count", 0, MAX_WIDTH, 0)
    if experts:
        raise unsupported(f"it mixes {experts} experts, and only dense feed-forward layers can be computed")
    if keys.raw("rope.scaling.type") not in (None, "none"):
        raise unsupported(f"it stretches positions ({str(keys.raw('rope.scaling.type'))[:40]}), which is not computed")


def _rope_base(keys: _Keys, head_dim: int) -> float | None:
    # For Granite llama.cpp's converter writes rope.scaling.finetuned = false where nothing is rotated.
    if keys.family != "llama" and keys.raw("rope.scaling.finetuned") is False:
        return None
    if keys.integer("rope.dimension_count", 1, MAX_WIDTH, head_dim) != head_dim:
        raise unsupported("only a part of each head is rotated")
    return keys.number("rope.freq_base", 10_000.0)
