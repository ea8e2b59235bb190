"""The canonical tensor names and shapes, and the one place where a foreign layout becomes the canonical one.

Canonical: `embed`, `norm`, `head` (absent: tied to embed) and, under `layers.N.`, `norm1`, `norm2`,
`attention.{q,k,v,o}`, `mamba.{in,conv,dt_bias,a,d,norm,out}`, `mlp.{gate,up,down}` and `experts.{router,gate,up,down}`;
a bias is named after its matrix, as in `attention.q_bias`. Matrices are (out, in), experts stand in front of that.
Rows of q and k stand as in Hugging Face checkpoints: each head's first halves, then its second halves. `mamba.in` makes
gate, x, B, C and time step in that order; `mamba.conv` is (channels, taps), the newest tap last; `mamba.a` is negative.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from engine.checkpoint.dequantize import Floats
from engine.config import ModelConfig

Shape = tuple[int, ...]

_GGUF_WHOLE: Final[Mapping[str, str]] = {
    "token_embd.weight": "embed",
    "output_norm.weight": "norm",
    "output.weight": "head",
}
_GGUF_LAYER: Final[Mapping[str, str]] = {
    "attn_norm.weight": "norm1",
    "attn_q.weight": "attention.q",
    "attn_q.bias": "attention.q_bias",
    "attn_k.weight": "attention.k",
    "attn_k.bias": "attention.k_bias",
    "attn_v.weight": "attention.v",
    "attn_v.bias": "attention.v_bias",
    "attn_output.weight": "attention.o",
    "attn_output.bias": "attention.o_bias",
    "ssm_in.weight": "mamba.in",
    "ssm_in.bias": "mamba.in_bias",
    "ssm_conv1d.weight": "mamba.conv",
    "ssm_conv1d.bias": "mamba.conv_bias",
    "ssm_dt.bias": "mamba.dt_bias",
    "ssm_a": "mamba.a",
    "ssm_d": "mamba.d",
    "ssm_norm.weight": "mamba.norm",
    "ssm_out.weight": "mamba.out",
    "ssm_out.bias": "mamba.out_bias",
    "ffn_norm.weight": "norm2",
    "ffn_gate.weight": "mlp.gate",
    "ffn_gate.bias": "mlp.gate_bias",
    "ffn_up.weight": "mlp.up",
    "ffn_up.bias": "mlp.up_bias",
    "ffn_down.weight": "mlp.down",
    "ffn_down.bias": "mlp.down_bias",
    "ffn_gate_shexp.weight": "mlp.gate",
    "ffn_up_shexp.weight": "mlp.up",
    "ffn_down_shexp.weight": "mlp.down",
    "ffn_gate_inp.weight": "experts.router",
    "ffn_gate_exps.weight": "experts.gate",
    "ffn_up_exps.weight": "experts.up",
    "ffn_down_exps.weight": "experts.down",
}
# The way back; the dense part beside experts is called shared.
_TO_GGUF_LAYER: Final = {part: name for name, part in reversed(list(_GGUF_LAYER.items()))}
_TO_GGUF_LAYER_WITH_EXPERTS: Final = {part: name for name, part in _GGUF_LAYER.items()}
_TO_GGUF_WHOLE: Final = {part: name for name, part in _GGUF_WHOLE.items()}
# Rows that llama.cpp's converter interleaves.
_TURNED: Final = (".attention.q", ".attention.k", ".attention.q_bias", ".attention.k_bias")
_GGUF_LAYER_NAME: Final = re.compile(r"blk\.(0|[1-9]\d{0,3})\.(.+)")

_FOLDER_WHOLE: Final[Mapping[str, str]] = {
    "model.embed_tokens.weight": "embed",
    "model.norm.weight": "norm",
    "lm_head.weight": "head",
}
# A tensor may hold several canonical ones, one above the other.
_FOLDER_LAYER: Final[Mapping[str, tuple[str, ...]]] = {
    "input_layernorm.weight": ("norm1",),
    "self_attn.q_proj.weight": ("attention.q",),
    "self_attn.q_proj.bias": ("attention.q_bias",),
    "self_attn.k_proj.weight": ("attention.k",),
    "self_attn.k_proj.bias": ("attention.k_bias",),
    "self_attn.v_proj.weight": ("attention.v",),
    "self_attn.v_proj.bias": ("attention.v_bias",),
    "self_attn.o_proj.weight": ("attention.o",),
    "self_attn.o_proj.bias": ("attention.o_bias",),
    "mamba.in_proj.weight": ("mamba.in",),
    "mamba.in_proj.bias": ("mamba.in_bias",),
    "mamba.conv1d.weight": ("mamba.conv",),
    "mamba.conv1d.bias": ("mamba.conv_bias",),
    "mamba.dt_bias": ("mamba.dt_bias",),
    "mamba.A_log": ("mamba.a",),
    "mamba.D": ("mamba.d",),
    "mamba.norm.weight": ("mamba.norm",),
    "mamba.out_proj.weight": ("mamba.out",),
    "mamba.out_proj.bias": ("mamba.out_bias",),
    "post_attention_layernorm.weight": ("norm2",),
    "mlp.gate_proj.weight": ("mlp.gate",),
    "mlp.gate_proj.bias": ("mlp.gate_bias",),
    "mlp.up_proj.weight": ("mlp.up",),
    "mlp.up_proj.bias": ("mlp.up_bias",),
    "mlp.down_proj.weight": ("mlp.down",),
    "mlp.down_proj.bias": ("mlp.down_bias",),
    "shared_mlp.input_linear.weight": ("mlp.gate", "mlp.up"),
    "shared_mlp.output_linear.weight": ("mlp.down",),
    "block_sparse_moe.router.layer.weight": ("experts.router",),
    "block_sparse_moe.input_linear.weight": ("experts.gate", "experts.up"),
    "block_sparse_moe.output_linear.weight": ("experts.down",),
}
_FOLDER_LAYER_NAME: Final = re.compile(r"model\.layers\.(0|[1-9]\d{0,3})\.(.+)")


def canonical_name(gguf_name: str) -> str | None:
    """The canonical name of a GGUF tensor; None where this engine knows no use for it."""
    if gguf_name in _GGUF_WHOLE:
        return _GGUF_WHOLE[gguf_name]
    match = _GGUF_LAYER_NAME.fullmatch(gguf_name)
    part = _GGUF_LAYER.get(match[2]) if match else None
    return f"layers.{match[1]}.{part}" if match and part else None


def gguf_name(name: str, config: ModelConfig) -> str:
    """The inverse of canonical_name."""
    if name in _TO_GGUF_WHOLE:
        return _TO_GGUF_WHOLE[name]
    _, layer, part = name.split(".", 2)
    return f"blk.{layer}.{(_TO_GGUF_LAYER_WITH_EXPERTS if config.experts else _TO_GGUF_LAYER)[part]}"


def canonical_names(folder_name: str) -> tuple[str, ...]:
    """The canonical names of what a checkpoint folder's tensor holds, top to bottom; none: no use for it."""
    if folder_name in _FOLDER_WHOLE:
        return (_FOLDER_WHOLE[folder_name],)
    match = _FOLDER_LAYER_NAME.fullmatch(folder_name)
    return tuple(f"layers.{match[1]}.{part}" for part in _FOLDER_LAYER.get(match[2], ())) if match else ()


def expected_shapes(config: ModelConfig) -> dict[str, Shape]:
    """The shape of every tensor such a model has, no more and no fewer."""
    shapes: dict[str, Shape] = {"embed": (config.vocabulary, config.hidden), "norm": (config.hidden,)}
    if not config.tied:
        shapes["head"] = (config.vocabulary, config.hidden)
    for index, kind in enumerate(config.layer_types):
        layer = {"norm1": (config.hidden,), "norm2": (config.hidden,)} | _feed_forward_shapes(config)
        layer |= _mamba_shapes(config) if kind == "mamba" else _attention_shapes(config)
        shapes.update({f"layers.{index}.{part}": shape for part, shape in layer.items()})
    return shapes


def _attention_shapes(config: ModelConfig) -> dict[str, Shape]:
    hidden, query, kv = config.hidden, config.heads * config.head_dim, config.kv_heads * config.head_dim
    matrices = {
        "attention.q": (query, hidden),
        "attention.k": (kv, hidden),
        "attention.v": (kv, hidden),
        "attention.o": (hidden, query),
    }
    return matrices | (_biases(matrices) if config.attention_bias else {})


def _mamba_shapes(config: ModelConfig) -> dict[str, Shape]:
    mamba = config.mamba
    if mamba is None:
        return {}
    matrices = {
        "mamba.in": (mamba.inner + mamba.channels + mamba.heads, config.hidden),
        "mamba.out": (config.hidden, mamba.inner),
    }
    shapes: dict[str, Shape] = {
        **matrices,
        "mamba.conv": (mamba.channels, mamba.convolution),
        "mamba.dt_bias": (mamba.heads,),
        "mamba.a": (mamba.heads,),
        "mamba.d": (mamba.heads,),
        "mamba.norm": (mamba.inner,),
    }
    if mamba.convolution_bias:
        shapes["mamba.conv_bias"] = (mamba.channels,)
    return shapes | (_biases(matrices) if mamba.projection_bias else {})


def _feed_forward_shapes(config: ModelConfig) -> dict[str, Shape]:
    hidden, width, experts = config.hidden, config.intermediate, config.experts
    shapes: dict[str, Shape] = {}
    if width:
        shapes = {"mlp.gate": (width, hidden), "mlp.up": (width, hidden), "mlp.down": (hidden, width)}
        shapes |= _biases(shapes) if config.mlp_bias else {}
    if experts:
        shapes |= {
            "experts.router": (experts.count, hidden),
            "experts.gate": (experts.count, experts.intermediate, hidden),
            "experts.up": (experts.count, experts.intermediate, hidden),
            "experts.down": (experts.count, hidden, experts.intermediate),
        }
    return shapes


def _biases(matrices: Mapping[str, Shape]) -> dict[str, Shape]:
    return {f"{name}_bias": shape[:1] for name, shape in matrices.items()}


def gguf_shape(name: str, shape: Shape, config: ModelConfig) -> Shape:
    """How a GGUF file writes the canonical shape of `name`."""
    if name.endswith((".mamba.a", ".mamba.d")):
        return (*shape, 1)
    if name.endswith(".mamba.norm") and config.mamba and config.mamba.groups > 1:
        return (config.mamba.groups, config.mamba.inner // config.mamba.groups)
    return shape


def gguf_rows_to_canonical(name: str, values: Floats, config: ModelConfig) -> Floats:
    """Undo llama.cpp's row order of q and k: its converter interleaves the two halves of each head."""
    if not name.endswith(_TURNED):
        return values
    pairs = values.reshape(-1, config.head_dim // 2, 2, *values.shape[1:])  # (head, pair, half, in)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(values.shape)


def canonical_rows_to_gguf(name: str, values: Floats, config: ModelConfig) -> Floats:
    """The inverse of gguf_rows_to_canonical."""
    if not name.endswith(_TURNED):
        return values
    halves = values.reshape(-1, 2, config.head_dim // 2, *values.shape[1:])  # (head, half, pair, in)
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)


def folder_shape(name: str, shape: Shape) -> Shape:
    """How a checkpoint folder writes the canonical shape of `name`."""
    return (shape[0], 1, shape[1]) if name.endswith(".mamba.conv") else shape


def folder_values_to_canonical(name: str, values: Floats) -> Floats:
    """A folder stores the logarithm of A's size."""
    return -np.exp(values) if name.endswith(".mamba.a") else values
