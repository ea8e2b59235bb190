"""Every variant of the family on tiny random weights, against Hugging Face transformers in float32."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from engine.checkpoint.source import open_checkpoint
from engine.cpu.decoder import CpuDecoder
from engine.cpu.packing import why_not
from engine.model.decoder import TorchDecoder
from engine.reading import Decoder, Reading
from tests.engine.tiny_folder import CONFIG, write_tokenizer

TOKENS = [60, 70, 80, 3, 200, 261, 90, 91, 92, 93, 5, 6, 7, 60, 70, 80, 3, 200, 9]

ATTENTION = {"layer_types": ["attention"] * 3}
DENSE: Mapping[str, Any] = {
    key: CONFIG[key]
    for key in (
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
        *("num_key_value_heads", "rms_norm_eps", "max_position_embeddings", "tie_word_embeddings"),
    )
}
MULTIPLIERS = {
    key: CONFIG[key]
    for key in ("embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling")
}
NO_EXPERTS = {"num_local_experts": 0, "num_experts_per_tok": 0}
HYBRID = CONFIG | NO_EXPERTS
VARIANTS: dict[str, dict[str, Any]] = {
    "hybrid": HYBRID,
    "hybrid with experts": CONFIG,
    "hybrid with all experts at once": CONFIG | {"num_experts_per_tok": 4},
    "hybrid, irregular layers": HYBRID | {"layer_types": ["attention", "mamba", "mamba"]},
    "hybrid of Mamba layers alone": HYBRID | {"layer_types": ["mamba"] * 3},
    "hybrid with positions": HYBRID | {"position_embedding_type": "rope", "rope_theta": 1e7},
    "hybrid with groups": HYBRID | {"mamba_n_groups": 2},
    "hybrid with a head of its own": HYBRID | {"tie_word_embeddings": False},
    "hybrid with biases": CONFIG | {"attention_bias": True, "mamba_proj_bias": True},
    "hybrid without a bias of the convolution": HYBRID | {"mamba_conv_bias": False},
    "hybrid with narrow steps": HYBRID | {"time_step_limit": [0.3, 0.6]},
    "hybrid with wide heads": CONFIG | {"mamba_n_heads": 2, "mamba_d_head": "auto", "mamba_d_conv": 3},
    "attention alone": HYBRID | ATTENTION | {"position_embedding_type": "rope", "rope_theta": 1e7},
    "attention alone, with experts": CONFIG | ATTENTION,
    "granite": {"model_type": "granite", **DENSE, **MULTIPLIERS, "rope_theta": 1e7},
    "granite with biases": {"model_type": "granite", **DENSE, **MULTIPLIERS, "attention_bias": True, "mlp_bias": True},
    "granitemoe": {"model_type": "granitemoe", **DENSE, **MULTIPLIERS, "num_local_experts": 4},
    "llama": {"model_type": "llama", **DENSE, "tie_word_embeddings": False},
    "llama with biases": {"model_type": "llama", **DENSE, "attention_bias": True, "mlp_bias": True},
    "llama with wide heads": {"model_type": "llama", **DENSE, "head_dim": 12, "attention_bias": True},
}
REFERENCE_ALONE = ("llama with wide heads",)  # 12 wide, and the kernels take eight numbers at a time


@pytest.fixture(scope="module")
def transformers() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import is not ours to judge
        import transformers
    transformers.logging.set_verbosity_error()  # it recommends packages to whoever computes without them, once
    return transformers


def write_random(transformers: ModuleType, folder: Path, variant: Mapping[str, Any]) -> np.ndarray:
    """Save a model of transformers' own making; its logits of TOKENS, (tokens, vocabulary)."""
    settings = dict(variant)
    config = transformers.AutoConfig.for_model(settings.pop("model_type"), **_newer(settings))
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, values in model.named_parameters():
            _randomise(name, values)
        logits = model(torch.tensor([TOKENS]), use_cache=False).logits[0].numpy()
    model.save_pretrained(folder, max_shard_size="60KB")
    write_tokenizer(folder)
    return logits


def _newer(settings: dict[str, Any]) -> dict[str, Any]:
    """The published names of layer types and the RoPE key, as transformers renames them when it reads a file."""
    newer = {"mamba": "linear_attention", "attention": "full_attention"}
    if "layer_types" in settings:
        settings["layer_types"] = [newer[kind] for kind in settings["layer_types"]]
    if "rope_theta" in settings:
        settings["rope_parameters"] = {"rope_type": "default", "rope_theta": settings.pop("rope_theta")}
    return settings


def _randomise(name: str, values: torch.Tensor) -> None:
    """Sizes at which every part of a model matters."""
    if name.endswith("A_log"):
        values.uniform_(-1, 2.5)
    elif name.endswith(("norm.weight", "layernorm.weight", ".D")):
        values.normal_(1, 0.1)
    elif values.dim() == 1:
        values.normal_(0, 0.5)
    else:
        values.normal_(0, 2 / values.shape[-1] ** 0.5)


def decoders(folder: Path) -> list[Decoder[Any]]:
    """The reference, and the kernels where they can compute such a model."""
    with open_checkpoint(folder) as checkpoint:
        config, weights = checkpoint.config, checkpoint.weights
        found: list[Decoder[Any]] = [TorchDecoder(config, weights)]
        if why_not(config) is None:
            found.append(CpuDecoder(config, weights, 1, cache="f32"))
    return found


def read(decoder: Decoder[Any], chunk: int) -> np.ndarray:
    """Our logits of TOKENS, read `chunk` at a time."""
    state = decoder.new_state(len(TOKENS))
    pieces = [TOKENS[at : at + chunk] for at in range(0, len(TOKENS), chunk)]
    return np.concatenate([decoder.step([Reading(state, piece, len(piece))])[0] for piece in pieces])


def assert_equal(ours: np.ndarray, theirs: np.ndarray, tolerance: float):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(np.abs(theirs).max()))


@pytest.mark.parametrize("name", VARIANTS)
def test_logits_equal_transformers(transformers: ModuleType, tmp_path: Path, name: str):
    theirs = write_random(transformers, tmp_path, VARIANTS[name])
    assert theirs.std() > 0.05  # not a model that says nothing
    found = decoders(tmp_path)
    assert len(found) == (1 if name in REFERENCE_ALONE else 2)
    for decoder in found:
        whole = read(decoder, len(TOKENS))
        assert_equal(whole, theirs, 1e-4)
        assert_equal(read(decoder, 1), whole, 1e-5)
        assert_equal(read(decoder, 7), whole, 1e-5)
