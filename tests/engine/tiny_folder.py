"""A tiny checkpoint folder with random weights, written by the third-party safetensors and tokenizers packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from tests.engine.tiny import CONTROL, MERGES, TEMPLATE, VOCABULARY, byte_alphabet

CONFIG: dict[str, Any] = {
    "model_type": "granitemoehybrid",
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 24,
    "shared_intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "layer_types": ["mamba", "attention", "mamba"],
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "position_embedding_type": "nope",
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
    "mamba_conv_bias": True,
    "mamba_proj_bias": False,
    "attention_bias": False,
    "embedding_multiplier": 12,
    "residual_multiplier": 0.22,
    "attention_multiplier": 0.125,
    "logits_scaling": 3,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 256,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def write_tokenizer(folder: Path, template: str | None = TEMPLATE) -> None:
    """tokenizer.json and tokenizer_config.json with the vocabulary of tests.engine.tiny."""
    tokens = [*CONTROL, *byte_alphabet(), *("".join(pair) for pair in MERGES)]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=list(MERGES)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in CONTROL])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"bos_token": CONTROL[1], "eos_token": {"content": CONTROL[2]}, "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights under published names, for what `config` may vary: layers and experts."""
    hidden, heads = config["hidden_size"], config["mamba_n_heads"]
    inner = config["mamba_expand"] * hidden
    channels = inner + 2 * config["mamba_n_groups"] * config["mamba_d_state"]
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], hidden),
        "model.norm.weight": (hidden,),
    }
    for i, kind in enumerate(config["layer_types"]):
        mixer: dict[str, tuple[int, ...]] = {
            "self_attn.q_proj.weight": (hidden, hidden),
            "self_attn.k_proj.weight": (kv, hidden),
            "self_attn.v_proj.weight": (kv, hidden),
            "self_attn.o_proj.weight": (hidden, hidden),
        }
        if kind == "mamba":
            mixer = {
                "mamba.in_proj.weight": (inner + channels + heads, hidden),
                "mamba.conv1d.weight": (channels, 1, config["mamba_d_conv"]),
                "mamba.conv1d.bias": (channels,),
                "mamba.dt_bias": (heads,),
                "mamba.A_log": (heads,),
                "mamba.D": (heads,),
                "mamba.norm.weight": (inner,),
                "mamba.out_proj.weight": (hidden, inner),
            }
        shared, width, experts = (
            config[key] for key in ("shared_intermediate_size", "intermediate_size", "num_local_experts")
        )
        layer = mixer | {
            "input_layernorm.weight": (hidden,),
            "post_attention_layernorm.weight": (hidden,),
            "shared_mlp.input_linear.weight": (2 * shared, hidden),
            "shared_mlp.output_linear.weight": (hidden, shared),
        }
        if experts:
            layer |= {
                "block_sparse_moe.router.layer.weight": (experts, hidden),
                "block_sparse_moe.input_linear.weight": (experts, 2 * width, hidden),
                "block_sparse_moe.output_linear.weight": (experts, hidden, width),
            }
        shapes |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    random = np.random.default_rng(seed)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def write_tiny_folder(folder: Path, parts: int = 1, **changes: Any) -> Path:
    """Write a checkpoint of `parts` safetensors files; `changes` replace keys of CONFIG."""
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIG | changes
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder)
    weights = tensors(config)
    if parts == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt", "braces": '{"}\\'})
        return folder
    names = sorted(weights)
    weight_map: dict[str, str] = {}
    for part in range(parts):
        file = f"model-{part + 1:05}-of-{parts:05}.safetensors"
        save_file({name: weights[name] for name in names[part::parts]}, folder / file)
        weight_map |= dict.fromkeys(names[part::parts], file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder
