"""The shape of a model from the config.json of a checkpoint folder, as Hugging Face transformers writes it.

Keys and defaults: transformers' configuration classes of granitemoehybrid, granite, granitemoe and llama. Keys that
change the computation and have no counterpart here are refused, never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from engine.config import (
    MAX_CONTEXT,
    MAX_CONVOLUTION,
    MAX_LAYERS,
    MAX_STATE,
    MAX_WIDTH,
    ExpertsConfig,
    Keys,
    LayerType,
    MambaConfig,
    ModelConfig,
)
from engine.errors import damaged, unsupported

# model_type -> family, whose names are those of GGUF's architectures
_FAMILIES: Final[Mapping[str, str]] = {
    "granitemoehybrid": "granitehybrid",
    "granitemoe": "granitemoe",
    "granite": "granite",
    "llama": "llama",
}
# Published files say mamba and attention; transformers from version 5 on writes the other two.
_LAYER_TYPES: Final[Mapping[str, LayerType]] = {
    "mamba": "mamba",
    "linear_attention": "mamba",
    "attention": "attention",
    "full_attention": "attention",
}
_ONLY: Final[Mapping[str, tuple[object, ...]]] = {  # key -> the values that are computed here
    "hidden_act": ("silu",),
    "normalization_function": ("rmsnorm",),
    "partial_rotary_factor": (1, 1.0),
    "sliding_window": (),
    "quantization_config": (),
}


def config_from_json(metadata: Mapping[str, Any]) -> ModelConfig:
    """Read the shape of a `granitemoehybrid`, `granitemoe`, `granite` or `llama` model; raises ModelFileError."""
    model_type = metadata.get("model_type")
    family = _FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        raise unsupported(f"its model_type is {str(model_type)[:40]!r}, and {', '.join(_FAMILIES)} are known")
    keys = Keys(metadata)
    for key, known in _ONLY.items():
        if keys.raw(key) is not None and keys.raw(key) not in known:
            raise unsupported(f"its {key} is {str(keys.raw(key))[:40]!r}, which is not computed")

    hidden = keys.integer("hidden_size", 1, MAX_WIDTH)
    heads = keys.integer("num_attention_heads", 1, MAX_WIDTH)
    if keys.raw("head_dim") is None and hidden % heads:
        raise damaged(f"{heads} heads do not divide the width {hidden}")
    head_dim = keys.integer("head_dim", 2, MAX_WIDTH, hidden // heads)
    layer_types = _layer_types(keys, family, keys.integer("num_hidden_layers", 1, MAX_LAYERS))
    width = keys.integer("intermediate_size", 0, MAX_WIDTH)
    experts = _experts(keys, family, width)
    granite = family != "llama"
    return ModelConfig(
        family=family,
        hidden=hidden,
        intermediate=_dense_width(keys, family, width),
        vocabulary=keys.integer("vocab_size", 1, MAX_WIDTH),
        layer_types=layer_types,
        heads=heads,
        kv_heads=keys.integer("num_key_value_heads", 1, MAX_WIDTH, heads),
        head_dim=head_dim,
        context=keys.integer("max_position_embeddings", 1, MAX_CONTEXT),
        norm_epsilon=keys.number("rms_norm_eps", 1e-6),
        rope_base=_rope_base(keys, family),
        embedding_multiplier=keys.number("embedding_multiplier", 1.0) if granite else 1.0,
        residual_multiplier=keys.number("residual_multiplier", 1.0) if granite else 1.0,
        attention_multiplier=keys.number("attention_multiplier", 1.0) if granite else head_dim**-0.5,
        logits_divisor=keys.number("logits_scaling", 1.0) if granite else 1.0,
        tied=keys.flag("tie_word_embeddings", False),
        attention_bias=keys.flag("attention_bias", False),
        mlp_bias=keys.flag("mlp_bias", False) if family in ("granite", "llama") else False,
        mamba=_mamba(keys, hidden) if "mamba" in layer_types else None,
        experts=experts,
    )


def _layer_types(keys: Keys, family: str, layers: int) -> tuple[LayerType, ...]:
    written = keys.raw("layer_types")
    if written is None:
        written = keys.raw("layers_block_type")
    if written is None and family != "granitehybrid":
        written = ["attention"] * layers
    if not isinstance(written, list) or len(written) != layers:
        raise damaged(f"layer_types does not name the type of each of {layers} layers")
    if unknown := [entry for entry in written if not isinstance(entry, str) or entry not in _LAYER_TYPES]:
        raise unsupported(f"it has layers of type {str(unknown[0])[:40]!r}, and {', '.join(_LAYER_TYPES)} are known")
    types: tuple[LayerType, ...] = tuple(_LAYER_TYPES[entry] for entry in written)
    if family != "granitehybrid" and "mamba" in types:
        raise damaged(f"a {family} model names Mamba layers")
    return types


def _dense_width(keys: Keys, family: str, width: int) -> int:
    if family == "granitehybrid":
        return keys.integer("shared_intermediate_size", 1, MAX_WIDTH, 1024)
    if family == "granitemoe":
        return 0
    if not width:
        raise damaged("intermediate_size is 0")
    return width


def _experts(keys: Keys, family: str, width: int) -> ExpertsConfig | None:
    if family not in ("granitehybrid", "granitemoe"):
        return None
    count = keys.integer("num_local_experts", 0 if family == "granitehybrid" else 1, MAX_WIDTH, 8)
    if not count:
        return None
    if not width:
        raise damaged("intermediate_size is 0")
    return ExpertsConfig(count, keys.integer("num_experts_per_tok", 1, MAX_WIDTH, 2), width)


def _mamba(keys: Keys, hidden: int) -> MambaConfig:
    heads = keys.integer("mamba_n_heads", 1, MAX_WIDTH, 128)
    inner = keys.integer("mamba_expand", 1, MAX_WIDTH, 2) * hidden
    head_dim = inner // heads if keys.raw("mamba_d_head") in (None, "auto") else keys.integer("mamba_d_head", 1, inner)
    if heads * head_dim != inner or inner > MAX_WIDTH:
        raise damaged(f"{heads} Mamba heads of {head_dim} do not make up the inner width {inner}")
    return MambaConfig(
        heads=heads,
        head_dim=head_dim,
        state=keys.integer("mamba_d_state", 1, MAX_STATE, 256),
        groups=keys.integer("mamba_n_groups", 1, MAX_WIDTH, 1),
        convolution=keys.integer("mamba_d_conv", 2, MAX_CONVOLUTION, 4),
        convolution_bias=keys.flag("mamba_conv_bias", True),
        projection_bias=keys.flag("mamba_proj_bias", False),
        time_step_limit=_time_step_limit(keys.raw("time_step_limit")),
    )


def _time_step_limit(value: object) -> tuple[float, float]:
    """Lowest and highest step."""
    if value is None:
        return 0.0, math.inf
    # transformers from version 5 on writes {"__float__": "Infinity"}, other writers the bare word.
    entries = [math.inf if entry == {"__float__": "Infinity"} else entry for entry in _list(value)]
    numbers = [float(entry) for entry in entries if isinstance(entry, int | float) and not isinstance(entry, bool)]
    if len(numbers) != 2 or not 0 <= numbers[0] <= numbers[1]:
        raise damaged("time_step_limit is not a lowest and a highest step")
    return numbers[0], numbers[1]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _rope_base(keys: Keys, family: str) -> float | None:
    if family == "granitehybrid":
        kind = keys.raw("position_embedding_type")
        if kind not in (None, "nope", "rope"):
            raise unsupported(f"its position_embedding_type is {str(kind)[:40]!r}, which is not computed")
        if kind != "rope":
            return None
    for key in ("rope_parameters", "rope_scaling"):
        parameters = keys.raw(key)
        if parameters is None:
            continue
        if not isinstance(parameters, dict):
            raise damaged(f"{key} is not an object")
        kind = parameters.get("rope_type", parameters.get("type", "default"))
        if kind != "default":
            raise unsupported(f"it stretches positions ({str(kind)[:40]}), which is not computed")
        if parameters.get("partial_rotary_factor", 1.0) != 1.0:
            raise unsupported("only a part of each head is rotated")
        if "rope_theta" in parameters:
            return Keys(parameters).number("rope_theta")
    return keys.number("rope_theta", 10_000.0)
