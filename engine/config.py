"""What a model is made of, read from a checkpoint's own metadata and checked before any weight is touched.

Nothing about a layer is computed from its number: which layers are Mamba, and every width, group, bias and multiplier,
stands in the file. config_from_gguf reads GGUF metadata, engine.config_json a folder's config.json.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.errors import damaged, unsupported

LayerType = Literal["attention", "mamba"]

FAMILIES: Final = ("llama", "granite", "granitemoe", "granitehybrid")
MAX_LAYERS: Final = 1024
MAX_WIDTH: Final = 1 << 20  # of any one dimension; the vocabulary is the widest
MAX_CONTEXT: Final = 1 << 24
MAX_CONVOLUTION: Final = 64
MAX_STATE: Final = 4096  # of one Mamba channel; known models have 64 to 256


@dataclass(frozen=True, slots=True)
class MambaConfig:
    """The shape of every Mamba-2 layer (Dao and Gu 2024); `inner` = heads · head_dim."""

    heads: int
    head_dim: int
    state: int  # numbers kept for each channel
    groups: int  # heads of one group share B and C, and are normed together
    convolution: int  # taps
    convolution_bias: bool
    projection_bias: bool
    time_step_limit: tuple[float, float] = (0.0, math.inf)

    @property
    def inner(self) -> int:
        return self.heads * self.head_dim

    @property
    def channels(self) -> int:
        """What the convolution runs over: x, then B and C of each group."""
        return self.inner + 2 * self.groups * self.state


@dataclass(frozen=True, slots=True)
class ExpertsConfig:
    """A mixture of experts beside the dense feed-forward part; `used` of `count` work on each token."""

    count: int
    used: int
    intermediate: int  # of each


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One decoder's shape. Llama is Granite with multipliers of 1 and attention scale 1/sqrt(head_dim)."""

    family: str
    hidden: int
    intermediate: int  # of the dense (with experts: shared) feed-forward part; 0: there are experts alone
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
    tied: bool = True  # the output head is the embedding
    attention_bias: bool = False  # of q, k, v and the output
    mlp_bias: bool = False
    mamba: MambaConfig | None = None  # there where layer_types names a Mamba layer
    experts: ExpertsConfig | None = None

    def __post_init__(self) -> None:
        """Refuse widths that do not fit together; raises ModelFileError."""
        if self.heads % self.kv_heads:
            raise damaged(f"{self.kv_heads} key-value heads do not divide its {self.heads} heads")
        if self.head_dim % 2:
            raise unsupported("its heads have an odd width")
        if ("mamba" in self.layer_types) != (self.mamba is not None):
            raise damaged("its layer types do not match its Mamba keys")
        if self.mamba and (self.mamba.heads % self.mamba.groups):
            raise damaged(f"{self.mamba.groups} groups do not divide its {self.mamba.heads} Mamba heads")
        if self.experts and self.experts.used > self.experts.count:
            raise damaged(f"{self.experts.used} of {self.experts.count} experts cannot be used at once")


class Keys:
    """Typed, range-checked access to metadata; a wrong value is a damaged file. `prefix` stands before every key."""

    def __init__(self, metadata: Mapping[str, Any], prefix: str = "") -> None:
        self._metadata = metadata
        self.prefix = prefix

    def raw(self, key: str) -> Any:
        return self._metadata.get(self.prefix + key)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.raw(key)
        value = default if value is None else value
        if type(value) is not int or not low <= value <= high:
            raise damaged(f"{self.prefix}{key} is not a whole number from {low} to {high}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A positive, finite number."""
        value = self.raw(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise damaged(f"{self.prefix}{key} is not a positive number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.raw(key)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise damaged(f"{self.prefix}{key} is neither true nor false")
        return value

    def per_layer(self, key: str, layers: int, default: int | None = None) -> list[int]:
        """A whole number for each layer; the file may give one for all."""
        value = self.raw(key)
        if not isinstance(value, list):
            return [self.integer(key, 0, MAX_WIDTH, default)] * layers
        if len(value) != layers or not all(type(entry) is int and 0 <= entry <= MAX_WIDTH for entry in value):
            raise damaged(f"{self.prefix}{key} does not hold one whole number for each of {layers} layers")
        return value

    def one_for_all(self, key: str, layers: int, what: str) -> int:
        """A whole number that may be given once or layer by layer; 0 (a layer without) aside, it must be the same."""
        values = set(self.per_layer(key, layers)) - {0}
        if not values:
            raise damaged(f"{self.prefix}{key} is 0")
        if len(values) > 1:
            raise unsupported(f"its layers differ in {what}")
        return values.pop()


def config_from_gguf(metadata: Mapping[str, Any], tensors: Container[str] = ()) -> ModelConfig:
    """Read the shape of a model of FAMILIES; raises ModelFileError.

    GGUF has no keys for biases and for an output head of its own: they are there where `tensors`, the names in the
    file, hold them.
    """
    family = metadata.get("general.architecture")
    if family not in FAMILIES:
        raise unsupported(f"its architecture is {str(family)[:40]!r}, and {', '.join(FAMILIES)} are known")
    keys = Keys(metadata, f"{family}.")
    if keys.raw("rope.scaling.type") not in (None, "none"):
        raise unsupported(f"it stretches positions ({str(keys.raw('rope.scaling.type'))[:40]}), which is not computed")

    layers = keys.integer("block_count", 1, MAX_LAYERS)
    heads = keys.one_for_all("attention.head_count", layers, "their number of heads")
    kv_heads = keys.per_layer("attention.head_count_kv", layers, heads)
    if family != "granitehybrid" and 0 in kv_heads:
        raise damaged(f"{family}.attention.head_count_kv is 0")
    # In a granitehybrid file a layer without key-value heads is a Mamba layer. Other families may carry ssm keys of
    # the checkpoint they were converted from; they mean nothing there.
    layer_types: tuple[LayerType, ...] = tuple("attention" if count else "mamba" for count in kv_heads)
    attention_layer = next((i for i, count in enumerate(kv_heads) if count), None)
    mamba_layer = next((i for i, count in enumerate(kv_heads) if not count), None)
    if len(set(kv_heads) - {0}) > 1:
        raise unsupported("its attention layers differ in their number of key-value heads")

    hidden = keys.integer("embedding_length", 1, MAX_WIDTH)
    if keys.raw("attention.key_length") is None and hidden % heads:
        raise damaged(f"{heads} heads do not divide the width {hidden}")
    head_dim = keys.integer("attention.key_length", 2, MAX_WIDTH, hidden // heads)
    if keys.integer("attention.value_length", 2, MAX_WIDTH, head_dim) != head_dim:
        raise unsupported("its keys and values differ in width")
    vocabulary = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(vocabulary, list) or not 1 <= len(vocabulary) <= MAX_WIDTH:
        raise damaged("it holds no vocabulary")

    width = keys.one_for_all("feed_forward_length", layers, "the width of their feed-forward part")
    experts = _experts(keys, width)
    granite = family != "llama"
    return ModelConfig(
        family=family,
        hidden=hidden,
        intermediate=keys.integer("expert_shared_feed_forward_length", 0, MAX_WIDTH, 0) if experts else width,
        vocabulary=len(vocabulary),
        layer_types=layer_types,
        heads=heads,
        kv_heads=max(kv_heads) or heads,
        head_dim=head_dim,
        context=keys.integer("context_length", 1, MAX_CONTEXT),
        norm_epsilon=keys.number("attention.layer_norm_rms_epsilon"),
        rope_base=_rope_base(keys, granite, head_dim),
        embedding_multiplier=keys.number("embedding_scale", 1.0) if granite else 1.0,
        residual_multiplier=keys.number("residual_scale", 1.0) if granite else 1.0,
        attention_multiplier=keys.number("attention.scale", head_dim**-0.5) if granite else head_dim**-0.5,
        logits_divisor=keys.number("logit_scale", 1.0) if granite else 1.0,
        tied="output.weight" not in tensors,
        attention_bias=f"blk.{attention_layer}.attn_q.bias" in tensors,
        mlp_bias="blk.0.ffn_down.bias" in tensors,
        mamba=None if mamba_layer is None else _mamba(keys, f"blk.{mamba_layer}.", tensors),
        experts=experts,
    )


def _experts(keys: Keys, width: int) -> ExpertsConfig | None:
    count = keys.integer("expert_count", 0, MAX_WIDTH, 0)
    if not count:
        return None
    if keys.prefix == "llama.":
        raise unsupported(f"it mixes {count} experts, which is known for Granite alone")
    return ExpertsConfig(count, keys.integer("expert_used_count", 1, MAX_WIDTH), width)


def _mamba(keys: Keys, layer: str, tensors: Container[str]) -> MambaConfig:
    heads = keys.integer("ssm.time_step_rank", 1, MAX_WIDTH)  # the name is Mamba-1's, the meaning is not
    inner = keys.integer("ssm.inner_size", 1, MAX_WIDTH)
    if inner % heads:
        raise damaged(f"{heads} Mamba heads do not divide {keys.prefix}ssm.inner_size {inner}")
    return MambaConfig(
        heads=heads,
        head_dim=inner // heads,
        state=keys.integer("ssm.state_size", 1, MAX_STATE),
        groups=keys.integer("ssm.group_count", 1, MAX_WIDTH),
        convolution=keys.integer("ssm.conv_kernel", 2, MAX_CONVOLUTION),
        convolution_bias=f"{layer}ssm_conv1d.bias" in tensors,
        projection_bias=f"{layer}ssm_in.bias" in tensors,
    )


def _rope_base(keys: Keys, granite: bool, head_dim: int) -> float | None:
    # For Granite llama.cpp's converter writes rope.scaling.finetuned = false where nothing is rotated.
    if granite and keys.raw("rope.scaling.finetuned") is False:
        return None
    if keys.integer("rope.dimension_count", 1, MAX_WIDTH, head_dim) != head_dim:
        raise unsupported("only a part of each head is rotated")
    return keys.number("rope.freq_base", 10_000.0)
