"""The canonical tensor names, and the one place where a foreign layout becomes the canonical one.

Canonical: `embed`, `norm`, `head` (absent: tied to embed) and, under `layers.N.`, `norm1`, `norm2`,
`attention.{q,k,v,o}`, `mlp.{gate,up,down}`. Matrices are (out, in). Rows of q and k stand as in Hugging Face
checkpoints: each head's first halves, then its second halves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from engine.checkpoint.dequantize import Floats
from engine.config import ModelConfig

_GGUF_WHOLE: Final[Mapping[str, str]] = {
    "token_embd.weight": "embed",
    "output_norm.weight": "norm",
    "output.weight": "head",
}
_GGUF_LAYER: Final[Mapping[str, str]] = {
    "attn_norm.weight": "norm1",
    "attn_q.weight": "attention.q",
    "attn_k.weight": "attention.k",
    "attn_v.weight": "attention.v",
    "attn_output.weight": "attention.o",
    "ffn_norm.weight": "norm2",
    "ffn_gate.weight": "mlp.gate",
    "ffn_up.weight": "mlp.up",
    "ffn_down.weight": "mlp.down",
}
_GGUF_LAYER_NAME: Final = re.compile(r"blk\.(0|[1-9]\d{0,3})\.(.+)")


def canonical_name(gguf_name: str) -> str | None:
    """The canonical name of a GGUF tensor; None where this engine knows no use for it."""
    if gguf_name in _GGUF_WHOLE:
        return _GGUF_WHOLE[gguf_name]
    match = _GGUF_LAYER_NAME.fullmatch(gguf_name)
    part = _GGUF_LAYER.get(match[2]) if match else None
    return f"layers.{match[1]}.{part}" if match and part else None


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor such a model must have; `head` may also be absent."""
    hidden, query, kv = config.hidden, config.heads * config.head_dim, config.kv_heads * config.head_dim
    shapes: dict[str, tuple[int, ...]] = {
        "embed": (config.vocabulary, hidden),
        "norm": (hidden,),
        "head": (config.vocabulary, hidden),
    }
    for index in range(len(config.layer_types)):
        layer = {
            "norm1": (hidden,),
            "attention.q": (query, hidden),
            "attention.k": (kv, hidden),
            "attention.v": (kv, hidden),
            "attention.o": (hidden, query),
            "norm2": (hidden,),
            "mlp.gate": (config.intermediate, hidden),
            "mlp.up": (config.intermediate, hidden),
            "mlp.down": (hidden, config.intermediate),
        }
        shapes.update({f"layers.{index}.{part}": shape for part, shape in layer.items()})
    return shapes


def gguf_rows_to_canonical(name: str, values: Floats, config: ModelConfig) -> Floats:
    """Undo llama.cpp's row order of q and k: its converter interleaves the two halves of each head."""
    if not name.endswith((".attention.q", ".attention.k")):
        return values
    pairs = values.reshape(-1, config.head_dim // 2, 2, config.hidden)  # (head, pair, half, in)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(values.shape)
