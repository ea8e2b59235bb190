"""Tiny model files with random weights, written by the third-party gguf package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from engine.tokenizer import PRE_TOKENIZERS

HIDDEN, LAYERS, HEADS, KV_HEADS, INTERMEDIATE, CONTEXT = 64, 2, 4, 2, 96, 256
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GRANITE: Mapping[str, float] = {
    "embedding_scale": 12.0,
    "residual_scale": 0.22,
    "attention.scale": 0.0625,
    "logit_scale": 6.0,
}
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = (("h", "e"), ("l", "l"), ("he", "ll"), ("Ġ", "t"))
VOCABULARY = len(CONTROL) + 256 + len(MERGES)
KEPT_FLOAT32 = ("_norm.weight", "ffn_gate_inp.weight", "ssm_conv1d.weight", "ssm_a", "ssm_d", ".bias")


@dataclass(frozen=True)
class TinyMamba:
    """Mamba-2 layers; llama.cpp wants heads · head_dim to be twice HIDDEN."""

    heads: int = 8
    state: int = 16
    groups: int = 1
    convolution: int = 4

    inner = 2 * HIDDEN

    @property
    def channels(self) -> int:
        return self.inner + 2 * self.groups * self.state


@dataclass(frozen=True)
class TinyExperts:
    count: int = 6
    used: int = 2
    intermediate: int = 64
    shared: int = INTERMEDIATE  # 0: no dense part beside them


def byte_alphabet() -> list[str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    named = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return [named[byte] for byte in range(256)]


def write_tiny(
    path: Path,
    family: str = "llama",
    *,
    keys: Mapping[str, Any] | None = None,
    kv_heads: int | list[int] = KV_HEADS,
    mamba: TinyMamba | None = None,
    experts: TinyExperts | None = None,
    bias: bool = False,
    tied: bool = True,
    rope: bool = True,
    quantise: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    template: str | None = TEMPLATE,
    pre: str = next(iter(PRE_TOKENIZERS)),
    context: int = CONTEXT,
    seed: int = 0,
) -> Path:
    """Write a model of `family`; `keys` are further numbers under its prefix.

    A list of key-value heads gives one layer each; a layer of 0 heads is a Mamba layer.
    """
    writer = gguf.GGUFWriter(path, family)
    layers = kv_heads if isinstance(kv_heads, list) else [kv_heads] * LAYERS
    writer.add_block_count(len(layers))
    writer.add_context_length(context)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(experts.intermediate if experts else INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10_000.0)
    if not rope:
        writer.add_rope_scaling_finetuned(False)
    if mamba:
        writer.add_ssm_conv_kernel(mamba.convolution)
        writer.add_ssm_inner_size(mamba.inner)
        writer.add_ssm_state_size(mamba.state)
        writer.add_ssm_time_step_rank(mamba.heads)
        writer.add_ssm_group_count(mamba.groups)
    if experts:
        writer.add_expert_count(experts.count)
        writer.add_expert_used_count(experts.used)
        writer.add_expert_shared_feed_forward_length(experts.shared)
    for key, value in (keys or {}).items():
        add = writer.add_float32 if isinstance(value, float) else writer.add_uint32
        add(f"{family}.{key}", value)
    _add_tokenizer(writer, template, pre)
    shapes = {"token_embd.weight": (VOCABULARY, HIDDEN), "output_norm.weight": (HIDDEN,)}
    shapes |= {} if tied else {"output.weight": (VOCABULARY, HIDDEN)}
    for i, kv in enumerate(layers):
        layer = _feed_forward_shapes(experts) | (
            _attention_shapes(kv, bias) if kv else _mamba_shapes(mamba or TinyMamba())
        )
        shapes |= {f"blk.{i}.{part}": shape for part, shape in layer.items()}
    for name, shape in shapes.items():
        values = _random(name, shape, np.random.default_rng([seed, *name.encode()]))
        kind = gguf.GGMLQuantizationType.F32 if name.endswith(KEPT_FLOAT32) else quantise
        writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, template: str | None, pre: str) -> None:
    tokens = [*CONTROL, *byte_alphabet(), *("".join(pair) for pair in MERGES)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(CONTROL) + [gguf.TokenType.NORMAL] * (len(tokens) - 3))
    writer.add_token_merges([" ".join(pair) for pair in MERGES])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)


def _random(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Values of a size at which every part of the model matters."""
    values = random.standard_normal(shape).astype(np.float32)
    if name.endswith("ssm_a"):
        return -np.exp(values)
    if name.endswith(".bias"):
        return 0.3 * values
    if name.endswith(("_norm.weight", "ssm_d")):
        return 1 + 0.1 * values
    return values * np.float32(2 / np.sqrt(shape[-1]))


def _attention_shapes(kv_heads: int, bias: bool) -> dict[str, tuple[int, ...]]:
    kv = HIDDEN // HEADS * kv_heads
    shapes = {
        "attn_q.weight": (HIDDEN, HIDDEN),
        "attn_k.weight": (kv, HIDDEN),
        "attn_v.weight": (kv, HIDDEN),
        "attn_output.weight": (HIDDEN, HIDDEN),
    }
    return shapes | ({name.replace("weight", "bias"): shape[:1] for name, shape in shapes.items()} if bias else {})


def _mamba_shapes(mamba: TinyMamba) -> dict[str, tuple[int, ...]]:
    return {
        "ssm_in.weight": (mamba.inner + mamba.channels + mamba.heads, HIDDEN),
        "ssm_conv1d.weight": (mamba.channels, mamba.convolution),
        "ssm_conv1d.bias": (mamba.channels,),
        "ssm_dt.bias": (mamba.heads,),
        "ssm_a": (mamba.heads, 1),
        "ssm_d": (mamba.heads, 1),
        "ssm_norm.weight": (mamba.groups, mamba.inner // mamba.groups),
        "ssm_out.weight": (HIDDEN, mamba.inner),
    }


def _feed_forward_shapes(experts: TinyExperts | None) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"attn_norm.weight": (HIDDEN,), "ffn_norm.weight": (HIDDEN,)}
    dense, suffix = (experts.shared, "_shexp") if experts else (INTERMEDIATE, "")
    if dense:
        shapes |= {
            f"ffn_gate{suffix}.weight": (dense, HIDDEN),
            f"ffn_up{suffix}.weight": (dense, HIDDEN),
            f"ffn_down{suffix}.weight": (HIDDEN, dense),
        }
    if experts:
        shapes |= {
            "ffn_gate_inp.weight": (experts.count, HIDDEN),
            "ffn_gate_exps.weight": (experts.count, experts.intermediate, HIDDEN),
            "ffn_up_exps.weight": (experts.count, experts.intermediate, HIDDEN),
            "ffn_down_exps.weight": (experts.count, HIDDEN, experts.intermediate),
        }
    return shapes
